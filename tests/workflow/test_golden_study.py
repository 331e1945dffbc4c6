"""The whole workflow against the outputs of the public code on a tiny random CODI model."""

import json
from pathlib import Path

import pytest
from running import run, study_of, write_study

from cotsieve.findings.dataset.folder import DATASET
from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.ground.tables import read

STYLES = {
    # name in the golden file → prompt style, scope of the hook, grader
    "seed": ("seed", "seed", "original"),
    "latent_only": ("seed", "latent", "original"),
    "codi_eval": ("codi-eval", "latent", "codi"),
}


@pytest.fixture(params=STYLES)
def style(request) -> str:
    return request.param


@pytest.fixture
def expected(golden: Path) -> dict:
    return json.loads((golden / "expected.json").read_text())["toy_shard"]


def test_the_toy_shard_comes_out_as_published(style, expected, golden, golden_model, tmp_path):
    prompt_style, scope, grader = STYLES[style]
    study = study_of(
        golden_model(prompt_style=prompt_style),
        sources={
            "toy": {"path": str(golden / expected["file"]), "columns": {"id": "id"}},
        },
        decoding={"max_new_tokens": 24},
        sweeps={"main": {"conditions": {"zero-middle": {"scope": scope}}}},
        grading={"grader": grader},
        draw={
            "targets": dict(expected["stratify"]["targets"]),
            "method": "original",
            "seed": expected["stratify"]["random_seed"],
        },
    )
    write_study(tmp_path, study)
    run(tmp_path)

    rows = read(tmp_path / "results/toy/necessity/tiny.parquet", NECESSITY).to_pylist()
    assert [outcome(row) for row in rows] == [
        golden_outcome(row, style) for row in expected["expected"]
    ]
    drawn = read(
        tmp_path / "results/toy/dataset/tiny/data/train-00000-of-00001.parquet", DATASET
    ).to_pylist()
    if style in expected["stratify"]["selected_ids"]:
        ids = [row["problem_id"] for row in drawn]
        assert ids == expected["stratify"]["selected_ids"][style]
    merged = read(tmp_path / "results/toy/merged/tiny.parquet", MERGED)
    assert merged["token_ids"].to_pylist() == golden_tokens(golden, rows, style)


def outcome(row: dict) -> dict:
    """A verdict in the golden file's words; predictions as floats, as they are there."""
    return {
        "id": row["problem_id"],
        "answer": float(row["answer"]),
        "baseline_prediction": number(row["baseline_prediction"]),
        "ablated_prediction": number(row["ablated_prediction"]),
        "baseline_correct": row["baseline_verdict"] == "correct",
        "ablated_correct": row["ablated_verdict"] == "correct",
        "needs_cot": row["needs_cot"],
        "reasoning_steps": row["steps"],
        "difficulty": row["stratum"],
    }


def golden_outcome(row: dict, style: str) -> dict:
    found = row | row[style]
    found["needs_cot"] = found["baseline_correct"] and not found["ablated_correct"]
    numbers = {
        key: number(found[key]) for key in ("answer", "baseline_prediction", "ablated_prediction")
    }
    keys = ("id", "baseline_correct", "ablated_correct", "needs_cot")
    about = {key: found[key] for key in (*keys, "reasoning_steps", "difficulty")}
    if style in row and "needs_cot" in row[style]:
        assert row[style]["needs_cot"] == about["needs_cot"]
    return about | numbers


def number(value: str | float | None) -> float | None:
    return None if value in (None, "inf") else float(value)


def golden_tokens(golden: Path, rows: list[dict], style: str) -> list[list[int]]:
    """Token ids of baseline and ablated runs, problem by problem."""
    records = json.loads((golden / "expected.json").read_text())["records"]
    by_id = {record["id"]: record for record in records}
    base = "seed" if style == "latent_only" else style
    return [
        by_id[row["problem_id"]][group][name]["token_ids"]
        for row in rows
        for group, name in ((base, "baseline"), (style, "zero_n6_middle"))
    ]
