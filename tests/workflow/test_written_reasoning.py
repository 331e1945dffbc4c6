"""Models that write their reasoning, through the whole workflow."""

import csv
import json
from pathlib import Path

import pytest
from running import ROOT, json_lines, merged, run, write_study
from written import EDITS

from cotsieve.answers.graders import NOT_READ
from cotsieve.demo.stories import make_problems
from cotsieve.findings.dataset.traces import TRACES
from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.ground.tables import read
from cotsieve.rollouts.schema import ROLLOUTS

END = 421
"""The end token of the golden model, which its recorded rows hold."""


def reasoning_study(model: Path, source: dict, **changes) -> dict:
    study = {
        "study": "words",
        "sources": {"words": source},
        "models": {"tiny": {"family": "reasoning", "model": str(model)}},
        "decoding": {"max_new_tokens": 24},
        "sweeps": {"written": {"conditions": {"empty": {"reasoning": "empty"}}}},
        "sieve": {"sweep": "written", "ablation": "empty"},
        "grading": {"grader": "r2a"},
        "draw": {"total": 5},
        "engine": {"batch_rows": 64, "shard_size": 10},
    }
    return merged(study, changes)


@pytest.fixture(scope="module")
def r2a(shared: Path) -> Path:
    return shared / "golden" / "r2a"


def tables(*names: str) -> list[str]:
    """Targets, for what a test does not need takes most of the time of a run."""
    return [f"results/words/{name}" for name in names]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def recorded(r2a) -> dict[tuple[str, str], dict]:
    rows = lines(r2a / "ablation" / "results.jsonl")
    return {(row["unique_id"], row["condition"]): row for row in rows}


def test_the_recorded_ablations_come_out_as_recorded(r2a, recorded, tmp_path):
    """All 264 rows: token ids, verdicts and what was read as the answer."""
    problems = [
        {**row, "think": recorded[row["unique_id"], "full"]["think"]}
        for row in lines(r2a / "ablation" / "problems.jsonl")
    ]
    json_lines(problems, tmp_path / "problems.jsonl")
    columns = {"id": "unique_id", "question": "question"}
    columns |= {"answer": "final_answer", "reasoning": "think"}
    source = {"path": "problems.jsonl", "format": "columns", "columns": columns}
    study = reasoning_study(
        r2a / "models" / "tiny-copy",
        source,
        models={"tiny": {"traces": "given"}},
        sweeps={"written": {"conditions": EDITS}},
    )
    write_study(tmp_path, study)
    run(tmp_path, *tables("necessity/tiny.parquet", "reasoning/tiny.json"))

    found = read(tmp_path / "results/words/merged/tiny.parquet", MERGED).to_pylist()
    rows = {(row["problem_id"], row["condition"]): row for row in found}
    for key, expected in recorded.items():
        row = rows.pop(key)
        tokens = [token for token in expected["new_token_ids"] if token != END]
        assert row["token_ids"] == tokens
        assert (row["verdict"] == "correct") == expected["is_correct"]
        assert row["prediction"] == (expected["extracted_answer"] or None)
        assert (row["finish_reason"] == "stop") == expected["finished"]
    assert len(recorded) == len(problems) * len(EDITS)
    # what is left is the baseline, which is the full reasoning
    assert {condition for _, condition in rows} == {"baseline"}
    assert len(rows) == len(problems)
    for (problem_id, _), row in rows.items():
        assert row["token_ids"] == [
            token for token in recorded[problem_id, "full"]["new_token_ids"] if token != END
        ]
    found = read(tmp_path / "results/words/necessity/tiny.parquet", NECESSITY).to_pylist()
    needed = {row["problem_id"]: row["needs_cot"] for row in found}
    right = {key: row["is_correct"] for key, row in recorded.items()}
    ids = {name for name, _ in recorded}
    assert needed == {name: right[name, "full"] and not right[name, "empty"] for name in ids}
    effects = json.loads((tmp_path / "results/words/reasoning/tiny.json").read_text())
    accuracy = {
        entry["condition"]: entry["effect"]["everything"]["without"]["value"] for entry in effects
    }
    for name in EDITS:
        right = [row["is_correct"] for (_, edit), row in recorded.items() if edit == name]
        assert accuracy[name] == sum(right) / len(right)


def test_real_competition_problems_go_through(shared, r2a, tmp_path):
    """200 problems of MATH: every row is finished, or failed with a reason."""
    problems = shared / "data" / "math" / "test.jsonl.gz"
    study = reasoning_study(
        r2a / "models" / "tiny-qwen2",
        {"path": str(problems), "format": "math"},
        select={"limit": 200},
        decoding={"max_new_tokens": 6},
        sweeps={
            "written": {
                "conditions": {
                    "empty": {"reasoning": "empty"},
                    "direct": {"reasoning": "empty", "answer": "forced"},
                    "half": {"reasoning": "truncate", "fraction": 0.5, "answer": "forced"},
                    "swap": {"reasoning": "swap"},
                    "blocked": {"attention": "blocked"},
                    "zero": {"operation": "zero", "layer": "middle"},
                }
            }
        },
        grading={"grader": "math"},
        strata={"by": "level-subject"},
        engine={"shard_size": 100, "held_rows": 300},
    )
    write_study(tmp_path, study)
    run(tmp_path, *tables("merged/tiny.parquet"), cores=2)
    rows = read(tmp_path / "results/words/merged/tiny.parquet", MERGED).to_pylist()
    assert len(rows) == 200 * 7
    for row in rows:
        failed = row["finish_reason"] == "failed"
        assert failed == (row["verdict"] == "failed")
        unread = row["verdict"] == "incorrect" and row["error"] == NOT_READ
        assert bool(row["error"]) == (failed or unread)
        assert failed or row["token_ids"] is not None
    assert len({row["stratum"] for row in rows}) > 3
    assert sum(row["finish_reason"] == "failed" for row in rows) < len(rows) / 10


def test_what_fails_says_why_everywhere(r2a, tmp_path):
    """A row that cannot be used, one that is too long, and one that is fine."""
    rows = [
        {"q": "2+2?", "a": "4"},
        {"q": "", "a": "4"},
        {"q": "many words " * 3000, "a": "4"},
        {"q": "1+1?", "a": "2"},
    ]
    json_lines(rows, tmp_path / "problems.jsonl")
    source = {"path": "problems.jsonl", "format": "columns", "bad_rows": "record"}
    source["columns"] = {"question": "q", "answer": "a"}
    conditions = {"empty": {"reasoning": "empty"}, "swap": {"reasoning": "swap"}}
    write_study(
        tmp_path,
        reasoning_study(
            r2a / "models" / "tiny-qwen2",
            source,
            sweeps={"written": {"conditions": conditions}},
        ),
    )
    run(tmp_path, *tables("necessity/tiny.parquet"))
    found = read(tmp_path / "results/words/merged/tiny.parquet", MERGED).to_pylist()
    errors = {(row["problem_id"], row["condition"]): row["error"] for row in found}
    assert errors["words_0", "baseline"] is errors["words_3", "swap"] is None
    for condition in ("baseline", "empty", "swap"):
        assert "question" in errors["words_1", condition]
        assert "too long" in errors["words_2", condition]
    needed = read(tmp_path / "results/words/necessity/tiny.parquet", NECESSITY).to_pylist()
    assert [row["needs_cot"] is None for row in needed] == [False, True, True, False]
    traced = read(tmp_path / "results/words/traces/tiny/words/0000.parquet", ROLLOUTS)
    assert traced["finish_reason"].to_pylist()[1:3] == ["failed", "failed"]


SAMPLED = {"max_new_tokens": 24, "temperature": 1.0, "top_p": 0.95, "samples": 3}


def test_several_samples_and_their_traces(r2a, tmp_path):
    """Samples go through every step; what is right among them is published."""
    rows = [
        {"q": f"Zoe has {n} cards and gets {n} more cards. How many?", "a": str(2 * n)}
        for n in range(11, 23)
    ]
    json_lines(rows, tmp_path / "problems.jsonl")
    source = {"path": "problems.jsonl", "format": "columns"}
    source["columns"] = {"question": "q", "answer": "a"}
    conditions = {"empty": {"reasoning": "empty"}, "zero": {"operation": "zero", "layer": 1}}
    study = reasoning_study(
        r2a / "models" / "tiny-copy",
        source,
        decoding=SAMPLED,
        sweeps={"written": {"conditions": conditions}},
        publish={"traces": {"choose": "random", "per_problem": 2}},
        engine={"shard_size": 5},
    )
    write_study(tmp_path, study)
    run(tmp_path, *tables("necessity/tiny.parquet", "traces_dataset/tiny/README.md"))
    found = read(tmp_path / "results/words/merged/tiny.parquet", MERGED).to_pylist()
    assert len(found) == 12 * 3 * 3
    texts = {(row["problem_id"], row["text"]) for row in found if row["condition"] == "baseline"}
    assert len(texts) > 12  # samples differ
    needed = read(tmp_path / "results/words/necessity/tiny.parquet", NECESSITY).to_pylist()
    for row in needed:
        verdicts = [
            item["verdict"]
            for item in found
            if item["problem_id"] == row["problem_id"] and item["condition"] == "baseline"
        ]
        assert row["samples"] == 3
        assert row["baseline_pass_rate"] == verdicts.count("correct") / 3
        assert row["baseline_pass_low"] <= row["baseline_pass_rate"] <= row["baseline_pass_high"]
    folder = tmp_path / "results/words/traces_dataset/tiny"
    published = read(folder / "data/train-00000-of-00001.parquet", TRACES).to_pylist()
    unsolved = list(csv.DictReader((folder / "unsolved.csv").open(encoding="utf-8")))
    solved = {row["problem_id"] for row in published}
    assert len(solved) + len(unsolved) == 12
    assert len(lines(folder / "am.jsonl")) == len(published)


def test_missing_chains_are_filled_and_solutions_judged(r2a, recorded, tmp_path):
    """Only problems without a solution are run; the others keep what they have."""
    rows = [
        {"problem": row["question"], "answer": row["final_answer"], "solution": solution}
        for row, solution in zip(
            lines(r2a / "ablation" / "problems.jsonl")[:6],
            ["", "It is so.", "", "", "See above, \\boxed{1}.", ""],
            strict=True,
        )
    ]
    json_lines(rows, tmp_path / "problems.jsonl")
    other = json_lines([{"problem": rows[3]["problem"], "answer": "1"}], tmp_path / "test.jsonl")
    study = reasoning_study(
        r2a / "models" / "tiny-copy",
        {"path": "problems.jsonl", "format": "deepscaler", "chain_below": 1},
        decoding=SAMPLED,
        publish={"traces": {}, "fill": 0.5},
        quality={"model": "tiny", "against": [{"path": str(other), "format": "deepscaler"}]},
    )
    write_study(tmp_path, study)
    run(tmp_path, *tables("filled/tiny.json", "quality/words.json"))
    found = lines(tmp_path / "results/words/filled/tiny.jsonl")
    assert [row["chain_from"] == "source" for row in found] == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]
    told = json.loads((tmp_path / "results/words/filled/tiny.json").read_text())
    assert told["own_chains"] == 2 and told["problems"] == 6
    assert told["met"] == (told["share"] >= 0.5)
    judged = json.loads((tmp_path / "results/words/quality/words.json").read_text())
    assert judged["empty_solutions"]["count"] == 4
    assert judged["also_in"]["test.jsonl"]["ids"] == ["words_3"]
    assert judged["length"]["unit"] == "tokens of tiny"
    assert (tmp_path / "results/words/quality/words.md").read_text().startswith("# Solutions")


def test_rounds_end_where_enough_is_filled(tmp_path):
    """Rounds are traced until enough is filled; where more is wanted, only more is traced.

    Other sources, and the donors of a sweep, are traced all the same.
    """
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, size in ((one, 2), (two, 4)):
        write_rounds(folder, size, share=0.25)
        run(folder, FILLED, cores=4 // size)
    told = json.loads((one / FILLED).read_text())
    assert told["met"] and (told["problems"], told["own_chains"], told["filled"]) == (14, 2, 2)
    traced = traced_problems(one)
    assert {"known_0", "known_1", *(f"words_{row}" for row in range(4))} <= traced.keys()
    assert len(traced) < 14
    for name in ("merged/tiny.parquet", "filled/tiny.jsonl"):
        bytes_of = [(folder / "results/words" / name).read_bytes() for folder in (one, two)]
        assert bytes_of[0] == bytes_of[1]

    write_rounds(one, 2, share=0.6)
    run(one, FILLED)
    more = traced_problems(one)
    assert traced.items() < more.items()
    first = {path.stem for path in traced.values()}
    new = {path.stem for path in more.values()} - first
    logs = one / "results/words/logs/trace/tiny/words"
    loads = {log.stem: "model loaded" in log.read_text() for log in logs.glob("*.log")}
    assert any(loads[shard] for shard in new)
    assert not any(loads[shard] for shard in first - {"0000", "0001"})  # these never ran again


FILLED = "results/words/filled/tiny.json"


def write_rounds(folder: Path, shard_size: int, share: float) -> None:
    """A study of 12 problems without solutions, traced four at a time, and of two with them."""
    folder.mkdir(exist_ok=True)
    made = make_problems(14, seed=5)
    rows = [{"q": item.question, "a": item.answer.rpartition("#### ")[2]} for item in made]
    json_lines(rows[:12], folder / "problems.jsonl")
    json_lines(rows[12:], folder / "known.jsonl")
    source = {"format": "columns", "columns": {"question": "q", "answer": "a"}}
    swap = {"swap": {"reasoning": "swap"}}
    study = reasoning_study(
        ROOT / "resources" / "models" / "tiny-reasoner",
        source | {"path": "problems.jsonl", "chain_below": 1},
        sources={"known": source | {"path": "known.jsonl"}},
        sweeps={"written": {"conditions": swap, "reference": {"problems": 2}}},
        engine={"shard_size": shard_size},
        grading={"grader": "numbers"},
        decoding={"max_new_tokens": 160},
        publish={"traces": {}, "fill": share, "fill_round": 4},
    )
    write_study(folder, study)


def traced_problems(folder: Path) -> dict[str, Path]:
    """Problem → the file of its shard, of those that were traced."""
    found = {}
    for path in sorted((folder / "results/words/traces/tiny").rglob("*.parquet")):
        for row in read(path, ROLLOUTS).to_pylist():
            if row["finish_reason"] != "failed":
                found[row["problem_id"]] = path
            else:
                assert "the share to be filled was met" in row["error"]
    return found
