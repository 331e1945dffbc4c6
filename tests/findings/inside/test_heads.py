"""Lists of heads equal the golden ones and those of the published tables."""

import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cotsieve.findings.inside.heads import (
    intervals,
    mean_over_cases,
    overlaps,
    ranked,
    split_half,
    times_on_top,
)
from cotsieve.findings.inside.receivers import (
    excess_kurtosis,
    receiver_heads,
    receiver_scores,
    vertical_scores,
)


def pairs(found) -> list[list[int]]:
    return [list(head) for head in found]


def published(shared: Path, setting: str, *columns: str) -> np.ndarray:
    """(columns, cases, layers, heads) of the shared cases, in the order of the file."""
    rows = pq.read_table(shared / "data/r2a/attention_qwen1p5b_math500.parquet")
    rows = rows.filter(pc.equal(rows["setting"].cast("string"), setting))
    found = [rows[name].to_numpy().reshape(-1, 28, 12) for name in columns]
    assert (rows["layer"].to_numpy().reshape(-1, 28, 12)[0, :, 0] == np.arange(28)).all()
    return np.stack(found)


def test_rankings_equal_the_golden_ones(shared):
    folder = shared / "golden/r2a/attention"
    rows = pq.read_table(folder / "segments.parquet").to_pylist()
    for told in json.loads((folder / "rfh.json").read_text()):
        scores = np.full((len(told["unique_ids"]), 4, 4), np.nan, np.float32)
        for row in rows:
            if row["model"] == told["model"] and row["mode"] == "withR":
                case = told["unique_ids"].index(row["unique_id"])
                scores[case, row["layer"], row["head"]] = row["a2r"]
        mean = mean_over_cases(scores)
        np.testing.assert_allclose(mean, told["mean_a2r"], atol=1e-6)
        assert pairs(ranked(mean)) == told["ranking"]
        for top in (3, 5):
            for case, name in zip(scores, told["unique_ids"], strict=True):
                assert pairs(ranked(case)[:top]) == told[f"per_case_top{top}"][name]
            counts, wanted = times_on_top(scores, top), np.array(told[f"count_top{top}"])
            assert all(counts[tuple(head)] == wanted[tuple(head)] for head in np.ndindex(4, 4))


def test_induction_rankings_equal_the_golden_ones(shared):
    for told in json.loads((shared / "golden/r2a/attention/induction.json").read_text()):
        assert (
            pairs(ranked(mean_over_cases(np.array(told["score_per_prompt"])))[:10])
            == (told["top10"])
        )


def test_published_tables_give_the_published_heads(shared):
    told = json.loads((shared / "golden/r2a/published/rfh_qwen-1p5B_80_cases.json").read_text())
    columns = ("a2bos", "a2p", "a2bot", "a2r", "a2eot", "a2a")
    for setting in ("withR", "withoutR"):
        np.testing.assert_allclose(published(shared, setting, *columns).sum(0), 1, atol=1e-5)
    (scores,) = published(shared, "withR", "a2r")
    mean = mean_over_cases(scores)
    assert len(scores) == told["n_cases"]
    assert pairs(ranked(mean)[:20]) == told["top20"]
    assert [mean[tuple(head)] for head in told["top20"]] == pytest.approx(told["top20_mean_a2r"])
    common = [[list(head), n] for head, n in times_on_top(scores, 10).most_common(10)]
    assert sorted(common) == sorted(told["per_case_top10_count_most_common"])
    low, high = intervals(scores, 200, 0)
    assert ((low <= mean) & (mean <= high)).all()
    assert split_half(scores) > 0.99


def test_lists_of_heads_overlap_as_published(shared):
    lists = json.loads((shared / "golden/r2a/published/head_lists.json").read_text())
    shared_by = {}
    for model in ("qwen-1p5B", "qwen-7B", "llama-8B"):
        of_model = {kind: [as_head(one) for one in found[model]] for kind, found in lists.items()}
        shared_by[model] = overlaps(of_model)
    for other, counts in {"retrieval": [4, 1, 2], "induction": [2, 0, 0]}.items():
        assert [found[f"rfh & {other}"] for found in shared_by.values()] == counts


def as_head(told: list | dict) -> tuple[int, int]:
    return (told["layer"], told["head"]) if isinstance(told, dict) else (told[0], told[1])


def test_vertical_scores_equal_the_golden_ones(shared):
    stored = np.load(shared / "golden/thought_anchors/whitebox/vertical_scores.npz")
    for name in [name for name in stored.files if name.count("|") == 3]:
        matrix, proximity, control, average = name.split("|")
        found = vertical_scores(
            stored[matrix],
            int(proximity[2:]),
            median=average == "median",
            depth_control=control == "cd1",
        )
        np.testing.assert_allclose(found, stored[name], atol=1e-6, err_msg=name)
        kurtosis = excess_kurtosis(found)
        np.testing.assert_allclose(kurtosis, stored[f"{name}|kurt"][0], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("case", "ac")
def test_receiver_heads_equal_the_golden_ones(shared, case):
    stored = np.load(shared / f"golden/thought_anchors/whitebox/receiver_heads_{case}.npz")
    vertical = [vertical_scores(stored[f"avg_{number}"]) for number in range(3)]
    kurtosis = mean_over_cases(np.stack([excess_kurtosis(scores) for scores in vertical]))
    np.testing.assert_allclose(kurtosis, stored["kurt_mean"], atol=1e-4)
    heads = receiver_heads(kurtosis, len(stored["top_heads"]))
    assert pairs(heads) == stored["top_heads"].tolist()
    for number, scores in enumerate(vertical):
        np.testing.assert_allclose(
            receiver_scores(scores, heads), stored[f"receiver_score_{number}"], atol=1e-6
        )


def test_what_is_known_of_too_little_is_nan():
    assert np.isnan(split_half(np.ones((1, 2, 2))))
    assert np.isnan(excess_kurtosis(np.full(5, np.nan)))
    assert np.isnan(vertical_scores(np.ones((3, 3)))).all()
    assert receiver_heads(np.full((2, 2), np.nan), 3) == []
    assert overlaps({"a": [(0, 1)], "b": [(0, 1), (2, 2)]}) == {"a & b": 1}
