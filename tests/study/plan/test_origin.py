"""What a dataset was made from can be checked by whoever has the files."""

import hashlib
import json
from pathlib import Path

from studies import changed

from cotsieve.study.plan.origin import study_origin
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.reading import read_study

ROWS = [{"question": f"What is {n}?", "answer": f"It is.\n#### {n}"} for n in range(4)]
HUB = {"repo": "me/problems", "split": "train", "revision": "a" * 40, "rows": 3}


def lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_are_told_by_content_and_hub_files_by_commit(tmp_path):
    source, listed = lines(tmp_path / "a.jsonl", ROWS), lines(tmp_path / "b.jsonl", ROWS[:1])
    study = changed("sources toy path", str(source))
    study = changed("sources far", {"hub": HUB, "format": "math", "bad_rows": "record"}, study)
    study = changed("select", {"limit": 3, "exclude": [{"path": str(listed)}]}, study)
    study = changed("existing", {"path": str(listed)}, study)
    told = study_origin(Plan(read_study(study)))
    assert told["sources"] == {
        "toy": {"sha256": sha256(source), "format": "gsm8k", "bad_rows": "stop"},
        "far": HUB | {"config": "default", "format": "math", "bad_rows": "record"},
    }
    assert told["select"] == {
        "limit": 3,
        "exclude": [{"sha256": sha256(listed), "format": "gsm8k", "by": "question"}],
    }
    assert told["existing"] == {"sha256": sha256(listed), "variant": "clean"}
    assert str(tmp_path) not in json.dumps(told)


def test_reference_problems_are_told_where_a_condition_takes_from_them(tmp_path):
    source = str(lines(tmp_path / "a.jsonl", ROWS))
    mean = {"operation": "mean", "layer": "middle"}
    study = changed("sweeps more", {"conditions": {"mean": mean}, "reference": {"problems": 7}})
    told = study_origin(Plan(read_study(changed("sources toy path", source, study))))
    assert told["reference"] == {"more": {"source": "toy", "problems": 7}}
    assert told["strata"] == {"by": "steps"}
