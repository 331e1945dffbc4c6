"""Patched runs recover what they do in the golden grids."""

import json
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from written import make_reasoner

from cotsieve.engine.inside.patching import Patching, Places
from cotsieve.engine.loading import lean_decoder

CPU, TOLERANCE = torch.device("cpu"), 1e-3


@pytest.fixture(scope="module")
def scenario(shared):
    folder = shared / "golden/r2a"
    lines = (folder / "patching/scenarios.jsonl").read_text().splitlines()
    told = {(row["model"], row["scenario_id"]): row for row in map(json.loads, lines)}

    @cache
    def loaded(model: str):
        return lean_decoder(folder / "models" / model, CPU, torch.float32)

    @cache
    def read(model: str, name: str) -> Patching:
        row = told[model, name]
        texts = row["clean_tokens"], row["corrupted_tokens"]
        return Patching(loaded(model), *texts, tuple(row["answer_token_ids"]))

    read.told = told
    return read


def golden(shared: Path, grid: str) -> list[dict]:
    return pq.read_table(shared / f"golden/r2a/patching/{grid}.parquet").to_pylist()


def test_scores_of_both_runs_equal_the_golden_ones(scenario):
    for key, told in scenario.told.items():
        runs = scenario(*key)
        for side, found in (("clean", runs.clean), ("corrupted", runs.corrupted)):
            wanted = told[f"{side}_metrics"]
            assert list(found.logits) == pytest.approx(wanted["logits"], abs=TOLERANCE)
            assert list(found.log_probs) == pytest.approx(wanted["log_probs"], abs=TOLERANCE)
            assert list(found.ranks) == pytest.approx(wanted["ranks"], abs=1)  # a near tie


def test_single_places_recover_what_the_golden_ones_do(shared, scenario):
    grids: dict[tuple, list[dict]] = {}
    for row in golden(shared, "auto_grid"):
        grids.setdefault((row["model"], row["scenario_id"], row["layer"]), []).append(row)
    for (model, name, layer), rows in grids.items():
        runs = scenario(model, name)
        places = [Places.same(row["pos"], row["pos"] + 1) for row in rows]
        for row, found in zip(rows, runs.streams(layer, places), strict=True):
            assert runs.recovered(found) == pytest.approx(row["norm_logit_diff"], abs=TOLERANCE)
            assert found.difference == pytest.approx(row["logit_diff"], abs=TOLERANCE)
            probs = torch.tensor(found.log_probs).exp()
            assert float(probs[0] - probs[1]) == pytest.approx(row["prob_diff"], abs=TOLERANCE)
            assert found.ranks[0] - found.ranks[1] == pytest.approx(row["rank_diff"], abs=1)


def test_whole_grids_and_segments_equal_the_golden_ones(shared, scenario):
    grids: dict[tuple, list[tuple[Places, float]]] = {}
    for row in golden(shared, "full_grid"):
        if row["layer"] == 2 or row["pos"] > 100:  # what is left out takes seconds
            at = Places.same(row["pos"], row["pos"] + 1)
            key = row["model"], row["scenario_id"], row["layer"]
            grids.setdefault(key, []).append((at, row["norm_logit_diff"]))
    for row in golden(shared, "segment_patch"):
        key = row["model"], row["scenario_id"], row["layer"]
        at = Places.same(row["lo"], row["hi"])
        grids.setdefault(key, []).append((at, row["norm_logit_diff"]))
    for (model, name, layer), rows in grids.items():
        runs = scenario(model, name)
        found = runs.streams(layer, [at for at, _ in rows])
        recovered = [runs.recovered(scores) for scores in found]
        assert recovered == pytest.approx([value for _, value in rows], abs=TOLERANCE)


def test_heads_recover_what_the_golden_ones_do(shared, scenario):
    grids: dict[tuple, list[dict]] = {}
    for row in golden(shared, "head_patch"):
        grids.setdefault((row["model"], row["scenario_id"], row["layer"]), []).append(row)
    for (model, name, layer), rows in grids.items():
        runs, told = scenario(model, name), scenario.told[model, name]
        thought = told["clean_r_start_idx"] + 1, told["clean_r_end_idx"]
        for column, at in (("all_positions", (0, told["n_tokens"])),
                           ("reasoning_positions", thought)):  # fmt: skip
            found = runs.heads(layer, [Places.same(*at)])
            for row in rows:
                value = runs.recovered(found[row["head"]])
                assert value == pytest.approx(row[column], abs=TOLERANCE)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gpt2"])
def test_patches_of_nothing_and_of_everything(family, tmp_path):
    model = lean_decoder(make_reasoner(tmp_path, family), CPU, torch.float32)
    clean = torch.arange(40).mul(7).remainder(250).tolist()
    corrupted = [*clean[:20], 3, 4, *clean[22:]]
    own = Patching(model, corrupted, corrupted, (5, 6))
    everywhere = [Places.same(0, 40), Places.same(7, 9), Places.same(39, 40)]
    for layer in range(3):
        assert own.streams(layer, everywhere) == [own.corrupted] * 3
        assert own.heads(layer, [Places.same(0, 40)]) == [own.corrupted] * 4
    assert own.recovered(own.corrupted) is None  # no difference, so nothing to recover
    runs = Patching(model, clean, corrupted, (5, 6))
    for layer in range(3):
        assert runs.recovered(runs.streams(layer, everywhere)[0]) == pytest.approx(1, abs=1e-4)
    assert runs.streams(0, [Places.same(0, 20)]) == [runs.corrupted]  # alike before they part
