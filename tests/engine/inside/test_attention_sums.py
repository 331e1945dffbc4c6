"""Sums of attention equal the golden ones, and those of the library's eager attention."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from written import make_reasoner, stock

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside import weights
from cotsieve.engine.inside.attention_sums import attention_sums, induction_scores
from cotsieve.engine.inside.cells import Cells, edges_of, sentence_means
from cotsieve.engine.inside.parts import Parts, part_shares, per_token, split_shares
from cotsieve.engine.inside.weights import Weights
from cotsieve.engine.library.attention_sums import library_attention_sums
from cotsieve.engine.library.model import load_library_model
from cotsieve.engine.loading import lean_decoder
from cotsieve.findings.inside.receivers import limited
from cotsieve.ground.faults import BadInput

CPU, TOLERANCE = torch.device("cpu"), 1e-5


@cache
def decoder(folder: Path) -> Decoder:
    return lean_decoder(folder, CPU, torch.float32)


def golden(shared: Path) -> Iterator[tuple[dict, Parts]]:
    for line in (shared / "golden/r2a/attention/traces.jsonl").read_text().splitlines():
        told = json.loads(line)
        start, end = told["r_start_idx"], told["r_end_idx"]
        answer = (told["answer_ratio_lo"], told["answer_ratio_hi"])
        parts = Parts((start, start + 1), (end, end + 1), told["token_len"], answer)
        yield told, parts


def wanted(shared: Path, table: str, *key: str) -> dict[tuple, dict]:
    rows = pq.read_table(shared / f"golden/r2a/attention/{table}.parquet").to_pylist()
    return {tuple(row[name] for name in ("model", "unique_id", *key)): row for row in rows}


def close(found: float, told: float | None) -> bool:
    if told is None or math.isnan(told):
        return math.isnan(found)
    return abs(found - told) <= TOLERANCE


def test_shares_of_parts_equal_the_golden_ones(shared):
    told = wanted(shared, "segments", "mode", "layer", "head")
    tokens = wanted(shared, "per_token", "mode", "layer", "head")
    splits = wanted(shared, "natural_split", "split", "layer", "head")
    compared = 0
    for trace, parts in golden(shared):
        name = trace["model"], trace["unique_id"]
        edges = edges_of(parts.all_ranges(), parts.length)
        model = decoder(shared / "golden/r2a/models" / trace["model"])
        for layer, sums in enumerate(attention_sums(model, trace["token_ids"], edges)):
            found = part_shares(sums, parts, edges)
            natural = split_shares(sums, parts, edges).tolist() if trace["mode"] == "withR" else []
            values = {table: shares.tolist() for table, shares in found.items()}
            for head in range(len(sums)):
                row = {table: shares[head] for table, shares in values.items()}
                expected = told[*name, trace["mode"], layer, head]
                assert all(close(row[key], expected[key]) for key in row)
                each = tokens.get((*name, trace["mode"], layer, head))
                assert not each or all(
                    close(value, each[key]) for key, value in per_token(row, parts).items()
                )
                for number, three in enumerate(natural[head] if natural else []):
                    split = splits[(*name, number + 1, layer, head)]
                    ends = zip(("", "_self", "_prompt"), three, strict=True)
                    assert all(close(value, split[f"attention{end}"]) for end, value in ends)
                compared += 1
    assert compared == 512


def test_induction_scores_equal_the_golden_ones(shared):
    for told in json.loads((shared / "golden/r2a/attention/induction.json").read_text()):
        model = decoder(shared / "golden/r2a/models" / told["model"])
        found = induction_scores(model, told["prompt_token_ids"])
        np.testing.assert_allclose(found, told["score_per_prompt"], atol=TOLERANCE)


@pytest.mark.parametrize("case", "ac")
def test_sentence_matrices_equal_the_golden_ones(shared, case):
    stored = np.load(shared / f"golden/thought_anchors/whitebox/receiver_heads_{case}.npz")
    for number in range(3):
        bounds = limited(stored[f"bounds_{number}"].tolist(), stored[f"attn_{number}"].shape[-1])
        for attention, told in zip(stored[f"attn_{number}"], stored[f"avg_{number}"], strict=True):
            given = torch.from_numpy(attention)[None]
            edges = edges_of(bounds, given.shape[-1])
            cells = Cells(edges, given.shape[1], CPU)
            cells.add(Weights(given, torch.ones(*given.shape[:3], 1)), 0)
            found = sentence_means(cells.taken(), bounds, edges)
            np.testing.assert_allclose(found, told, atol=1e-6)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "gpt2", "gemma2"])
def test_both_ways_equal_eager_attention(family, tmp_path, monkeypatch):
    """Blocks of few queries, among them cells that begin and end inside of blocks."""
    monkeypatch.setattr(weights, "ON_CPU", 1)
    folder = make_reasoner(tmp_path, family)
    tokens = torch.arange(70).mul(7).remainder(250).tolist()
    edges = [0, 1, 3, 20, 21, 50, 69, 70]
    eager = stock(folder)
    with torch.inference_mode():
        attentions = eager(torch.tensor([tokens]), output_attentions=True).attentions
    wanted = []
    for attention in attentions:
        cells = Cells(edges, attention.shape[1], CPU)
        cells.add(Weights(attention, torch.ones(1, 1, 1, 1)), 0)
        wanted.append(cells.taken())
    library = load_library_model(folder, 8, device=CPU, dtype=torch.float32)
    found = {"library": library_attention_sums(library, tokens, edges)}
    if family != "gemma2":
        found["lean"] = list(
            attention_sums(lean_decoder(folder, CPU, torch.float32), tokens, edges)
        )
    for sums in found.values():
        for layer, told in zip(sums, wanted, strict=True):
            torch.testing.assert_close(layer, told, atol=TOLERANCE, rtol=TOLERANCE)


def test_sums_are_of_float32_in_narrow_formats(tmp_path):
    folder = make_reasoner(tmp_path, "qwen2")
    model = lean_decoder(folder, CPU, torch.bfloat16)
    tokens = torch.arange(300).mul(7).remainder(250).tolist()
    parts = Parts((20, 21), (200, 201), 300)
    edges = edges_of(parts.all_ranges(), 300)
    for sums in attention_sums(model, tokens, edges):
        assert sums.dtype == torch.float32
        found = part_shares(sums, parts, edges)
        whole = sum(found[name] for name in found if name.startswith("a2"))
        torch.testing.assert_close(whole, torch.ones(4), atol=TOLERANCE, rtol=0)


def test_a_text_without_reasoning_is_told():
    with pytest.raises(BadInput, match="reasoning stands between them"):
        Parts((5, 6), (3, 4), 10)
