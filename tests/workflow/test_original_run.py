"""The published expansion study (GusSand/CoT_Exploration) on its own files; real questions."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from running import ROOT, json_lines, merged, run, write_study

from cotsieve.findings.merge import MERGED
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS

TARGETS = {"2-step": 150, "3-step": 150, "4-step": 100, "5+step": 50}


def published(shared: Path, name: str) -> Path:
    return shared / "data" / "cot_expansion" / f"{name}.json.gz"


def unzipped(path: Path) -> object:
    return json.loads(gzip.decompress(path.read_bytes()))


def original_study(shared: Path, limit: int) -> dict:
    """The published job: GSM8K test then train, without the pairs tested before."""
    gsm8k = shared / "data" / "gsm8k"
    return {
        "study": "original",
        "sources": {
            split: {"path": str(gsm8k / f"{split}.jsonl.gz")} for split in ("test", "train")
        },
        "select": {
            "limit": limit,
            "exclude": [
                {"path": str(published(shared, "problem_pairs_gpt4_answers")), "format": "pairs"}
            ],
        },
        "existing": {"path": str(published(shared, "llama_cot_all"))},
        "models": {
            "original": {
                "family": "imported",
                "results": str(published(shared, "test_checkpoint_10")),
                "ablation": "zero-middle",
            }
        },
        "sweeps": {
            "main": {
                "conditions": {
                    "zero-middle": {"operation": "zero", "layer": "middle", "scope": "seed"}
                }
            }
        },
        "sieve": {"sweep": "main", "ablation": "zero-middle"},
        "grading": {"grader": "original"},
        "draw": {"targets": TARGETS, "method": "original", "seed": 42},
        "engine": {"shard_size": 1000},
    }


def test_the_candidates_are_the_published_ones(shared, tmp_path):
    write_study(tmp_path, original_study(shared, 7500))
    run(tmp_path, "results/original/problems.parquet")

    table = read(tmp_path / "results/original/problems.parquet", PROBLEMS)
    ids = table["problem_id"].to_pylist()
    assert len(ids) == len(set(ids)) == 7500
    assert Counter(table["source"].to_pylist()) == {"test": 819, "train": 6681}
    assert ids[:4] == ["test_1", "test_29", "test_39", "test_40"]
    assert ids[819] == "train_0"
    assert ids[-1] == "train_6680"
    assert set(table["error"].to_pylist()) == {None}

    report = json.loads((tmp_path / "results/original/exclusions.json").read_text())
    (match,) = report["exclusions"]
    assert (match["entries"], match["distinct"], match["rows_matched"]) == (532, 500, 500)
    assert match["unmatched"] == []
    assert report["repeated_questions"] == 0


def test_a_published_checkpoint_is_continued_to_the_published_dataset(shared, tmp_path):
    write_study(tmp_path, original_study(shared, 10))
    run(tmp_path, "all", "export")

    drawn = json.loads((tmp_path / "results/original/dataset/original/dataset.json").read_text())
    wanted = unzipped(published(shared, "test_expansion_10"))
    assert len(drawn) == 134
    # The published rows lack the mark that their report claims for new ones.
    assert drawn == [{**row, "is_existing": row.get("is_existing", False)} for row in wanted]

    exported = tmp_path / "results/original/export/original/gsm8k_expansion_checkpoint.json"
    checkpoint = unzipped(published(shared, "test_checkpoint_10"))
    assert json.loads(exported.read_text()) | {"timestamp": checkpoint["timestamp"]} == checkpoint


def test_real_questions_run_through_the_bundled_model(shared, tmp_path):
    """200 GSM8K questions; some are longer than the model, and say so."""
    folder = ROOT / "resources" / "models" / "tiny-codi"
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"needs the bundled model in {folder}")
    lines = gzip.decompress((shared / "data/gsm8k/test.jsonl.gz").read_bytes()).splitlines()
    json_lines([json.loads(line) for line in lines[:200]], tmp_path / "gsm8k.jsonl")
    study = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    study["sources"] = {"gsm8k": {"path": "gsm8k.jsonl"}}
    changes = {"study": "real", "engine": {"shard_size": 100}}
    # What it writes on these questions is not looked at, and most of it would have no end.
    changes |= {"models": {"tiny-reasoner": {"decoding": {"max_new_tokens": 24}}}}
    write_study(tmp_path, merged(study, changes))
    run(tmp_path, cores=2)

    table = read(tmp_path / "results/real/merged/tiny-codi.parquet", MERGED).to_pylist()
    conditions = ["baseline", *study["sweeps"]["default"]["conditions"]]
    assert [(row["problem_id"], row["condition"]) for row in table] == [
        (f"gsm8k_{index}", condition) for index in range(200) for condition in conditions
    ]
    for row in table:
        assert row["finish_reason"] in ("stop", "length", "failed")
        assert (row["finish_reason"] == "failed") == (row["error"] is not None)
        assert (row["verdict"] == "failed") == (row["error"] is not None)
    assert sum(row["error"] is None for row in table) > 0
