import gzip
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from anchor_cases import Golden, made_up

from cotsieve.answers.thought_anchors import normalized
from cotsieve.findings.anchors.divergence import binary_kl, kl
from cotsieve.findings.anchors.reference import MEASURES, Rule, measures, published
from cotsieve.findings.anchors.trace_rollouts import FORCED, RESAMPLED

VARIANTS = {
    "default": Rule(),
    "prob_true": Rule(prob_true=True),
    "threshold_0.7": Rule(threshold=0.7),
    "threshold_0.9": Rule(threshold=0.9),
    "next_only": Rule(next_only=True),
    "absolute": Rule(absolute=True),
}


@pytest.fixture(scope="module")
def golden(shared) -> Golden:
    return Golden(shared)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_golden_measure(golden, variant):
    found = published(golden.rollouts(RESAMPLED), golden.rollouts(FORCED), VARIANTS[variant])
    for row in golden.expected["variants"][variant]:
        expected = {name: value for name, value in row.items() if name != "chunk_idx"}
        assert {name: found[name][row["chunk_idx"]] for name in expected} == pytest.approx(
            expected, abs=1e-9
        )
    assert found["accuracy"].tolist() == pytest.approx(list(golden.expected["accuracy"].values()))


def test_labelled_rows_have_the_published_columns(golden):
    told = golden.folder / "expected" / "problem_9001_chunks_labeled.json"
    found = published(golden.rollouts(RESAMPLED), golden.rollouts(FORCED))
    for row in json.loads(told.read_text()):
        values = [found[name][row["chunk_idx"]] for name in MEASURES]
        assert values == pytest.approx([row[name] for name in MEASURES], abs=1e-9)


def test_what_is_undefined_is_not_zero(golden):
    found = measures(golden.rollouts(RESAMPLED), golden.rollouts(FORCED))
    assert all(np.isnan(found[name][-1]) for name in MEASURES[1:])
    alike = measures(made_up(["1", "2"], ["1", "1"], likeness=1.0), None)
    assert np.isnan(alike["counterfactual_importance_accuracy"]).all()
    assert np.isnan(alike["forced_importance_kl"]).all()
    assert alike["different_trajectories_fraction"][0] == 0


def test_failures_are_no_data():
    clean, spoilt = made_up(["1", "2"], ["1"]), made_up(["1", None, "2", None], [None, "1"])
    for name, values in measures(clean, None).items():
        np.testing.assert_array_equal(values, measures(spoilt, None)[name])


@pytest.mark.parametrize(("kind", "alpha"), [("", 1e-9), ("laplace_", 1.0)])
def test_every_golden_divergence(shared, kind, alpha):
    cases = json.loads((shared / "golden/thought_anchors/kl_cases.json").read_text())
    for case in cases:
        names = sorted({normalized(row["answer"]) for row in case["p"] + case["q"]} - {""})
        pair = [counts(case[side], names or ["x"]) for side in "pq"]
        assert float(np.nan_to_num(kl([pair[0]], [pair[1]], alpha)[0])) == pytest.approx(
            case[f"{kind}answers"], abs=1e-9
        ), case["name"]
        right = [shares(case[side]) for side in "pq"]
        assert float(np.nan_to_num(binary_kl(*right[0], *right[1], alpha))) == pytest.approx(
            case[f"{kind}prob_true"], abs=1e-9
        ), case["name"]


def counts(rows: list[dict], names: list[str]) -> list[int]:
    found = [normalized(row["answer"]) for row in rows]
    return [found.count(name) for name in names]


def shares(rows: list[dict]) -> tuple[int, int]:
    known = [row["is_correct"] for row in rows if row.get("is_correct") is not None]
    return sum(known), len(known)


def test_every_published_difference_of_accuracies(shared):
    """Recomputed from the published accuracies of all sentences: as many rollouts as told."""
    rows = pq.read_table(
        shared / "data/thought_anchors/math_labelled/chunks_labeled.parquet",
        columns=["model", "split", "problem_id", "chunk_idx", "accuracy", MEASURES[1]],
    ).to_pylist()
    traces: dict[tuple, list[dict]] = {}
    for row in rows:
        traces.setdefault((row["model"], row["split"], row["problem_id"]), []).append(row)
    checked = 0
    for trace in traces.values():
        trace.sort(key=lambda row: row["chunk_idx"])
        accuracy = np.array([row["accuracy"] for row in trace])
        found = np.nan_to_num(np.append(np.diff(accuracy), np.nan))
        expected = [row[MEASURES[1]] for row in trace]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        checked += len(trace)
    assert checked == 4592


def test_published_overdeterminedness_where_every_rollout_counted(shared):
    folder = shared / "data/thought_anchors/math_labelled"
    key = ("model", "split", "problem_id", "chunk_idx")
    table = pq.read_table(
        folder / "chunks_labeled.parquet", columns=[*key, "overdeterminedness"]
    ).to_pylist()
    expected = {tuple(row[name] for name in key): row["overdeterminedness"] for row in table}
    exact = smaller = 0
    with gzip.open(folder / "chunks_resampled.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            texts = row["resampled"]
            value = expected[tuple(row[name] for name in key)]
            if not texts or value == 0:
                continue
            found = 1 - len(set(texts)) / len(texts)
            if abs(found - value) < 1e-12:
                exact += 1
            else:  # rollouts without an answer were dropped first, with some of the texts
                smaller += any(
                    abs(1 - kinds / total - value) < 1e-12
                    for total in range(1, len(texts))
                    for kinds in range(max(1, len(set(texts)) - len(texts) + total), total + 1)
                )
    assert exact > 3000
    assert exact + smaller == sum(value != 0 for value in expected.values())
