"""A study is written for whatever file and model there is, and can be read as it stands."""

import json
from pathlib import Path

import pytest
import yaml
from hub_server import COMMIT, HubHandler, hub_of

from cotsieve.cli.starting import Wanted, write_study
from cotsieve.ground.faults import BadInput
from cotsieve.study.settings.reading import read_study

REASONER = "resources/models/tiny-reasoner"
CODI = "resources/models/tiny-codi"
MARKED = {"question": "One and one?", "answer": "1+1=<<1+1=2>>2\n#### 2"}
BOXED = {"problem": "What is $x$?", "solution": r"It is $\boxed{\frac12}$."}
FILES = {
    "gsm8k.jsonl": (MARKED, "gsm8k", {}, "numbers"),
    "math.jsonl": (BOXED | {"level": "Level 1", "type": "Algebra"}, "math", {}, "math"),
    "deepscaler.json": (BOXED | {"answer": r"\frac12"}, "deepscaler", {}, "math"),
    "am.jsonl": ({"messages": [{"role": "user", "content": "?"}]}, "am", {}, "math"),
    "own.csv": (
        {"UID": "a", "Prompt": "One and one?", "Final_Answer": "$1,250", "n_steps": "2"},
        "columns",
        {"question": "Prompt", "answer": "Final_Answer", "steps": "n_steps", "id": "UID"},
        "numbers",
    ),
    "latex.csv": (
        {"problem": "What is x?", "answer": r"\frac12"},
        "columns",
        {"question": "problem", "answer": "answer"},
        "math",
    ),
}


def wanted(data: object, model: str = REASONER, **options: str) -> Wanted:
    return Wanted(
        str(data), model, **({"base": "", "name": "", "split": "", "subset": ""} | options)
    )


def write(folder: Path, name: str, row: dict) -> Path:
    path = folder / name
    if name.endswith(".csv"):
        lines = [",".join(row), ",".join(f'"{value}"' for value in row.values())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        text = json.dumps(row)
        path.write_text(f"[{text}]" if name.endswith(".json") else text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_format_of_a_file_is_seen(name, tmp_path):
    row, kind, columns, grader = FILES[name]
    file = tmp_path / "study.yaml"
    told = write_study(wanted(write(tmp_path, name, row)), file)
    study = yaml.safe_load(file.read_text("utf-8"))
    (source,) = study["sources"].values()
    assert (source["format"], source.get("columns", {})) == (kind, columns)
    assert study["grading"]["grader"] == grader
    assert read_study(study).study == name.partition(".")[0]
    assert all(f"  {column}: " in told for column in row)


def test_a_latent_model_needs_its_base(tmp_path):
    data = write(tmp_path, "gsm8k.jsonl", MARKED)
    with pytest.raises(BadInput, match=r"If it is a latent one \(CODI\), name its base model"):
        write_study(wanted(data, CODI), tmp_path / "no.yaml")
    write_study(wanted(data, CODI, base=f"{CODI}/base", name="My study!"), tmp_path / "yes.yaml")
    study = read_study(yaml.safe_load((tmp_path / "yes.yaml").read_text("utf-8")))
    assert study.study == "my-study"
    assert study.decoding.max_new_tokens == 128  # half of the positions of the tiny model
    assert study.models["tiny-codi"].family == "codi"


def test_no_file_is_written_over_and_none_without_a_question(tmp_path):
    data = write(tmp_path, "gsm8k.jsonl", MARKED)
    data.with_name("study.yaml").write_text("mine")
    with pytest.raises(BadInput, match="there is such a file"):
        write_study(wanted(data), tmp_path / "study.yaml")
    strange = write(tmp_path, "strange.csv", {"a": "1", "b": "2"})
    with pytest.raises(BadInput, match="no column looks like a question; there are a, b"):
        write_study(wanted(strange), tmp_path / "other.yaml")
    assert not (tmp_path / "other.yaml").exists()


class Hub(HubHandler):
    """A hub with a dataset of two splits, and models."""

    def do_GET(self) -> None:
        splits = [{"name": "train", "num_examples": 7473}, {"name": "test", "num_examples": 1319}]
        features = [{"name": "question", "dtype": "string"}, {"name": "answer", "dtype": "string"}]
        part = {"config_name": "main", "features": features, "splits": splits}
        about = {"id": "owner/gsm8k", "sha": COMMIT, "cardData": {"dataset_info": [part]}}
        self.answer(about if "/datasets/" in self.path else {"id": "owner/r1", "sha": COMMIT})


def test_what_lies_on_a_hub_is_pinned(tmp_path, monkeypatch):
    file = tmp_path / "study.yaml"
    with hub_of(Hub, tmp_path / "cache", monkeypatch) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        write_study(wanted("owner/gsm8k", "owner/r1", split="test"), file)
        with pytest.raises(
            BadInput, match=r"has no split 'dev'\. Name one by --split: train, test"
        ):
            write_study(wanted("owner/gsm8k", split="dev"), tmp_path / "dev.yaml")
    study = read_study(yaml.safe_load(file.read_text("utf-8")))
    hub = study.sources["gsm8k"].hub
    assert (hub.config, hub.split, hub.rows, hub.revision) == ("main", "test", 1319, COMMIT)
    assert study.sources["gsm8k"].format == "gsm8k"
    assert study.models["r1"].revision == COMMIT
