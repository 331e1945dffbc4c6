"""The tables of a study from Python, and one problem to look at."""

from pathlib import Path

import made_up
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cotsieve
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.ground.faults import BadInput
from cotsieve.notebook.opened import OpenStudy


@pytest.fixture(scope="module")
def made() -> made_up.StudyTables:
    return made_up.study(problems=12)


@pytest.fixture(scope="module")
def opened(made, tmp_path_factory) -> OpenStudy:
    folder = tmp_path_factory.mktemp("results") / "toy"
    for part in ("merged", "necessity"):
        (folder / part).mkdir(parents=True)
    pq.write_table(made.problems, folder / "problems.parquet")
    for model in made.models:
        pq.write_table(model.merged, folder / f"merged/{model.model}.parquet")
        rows = pa.Table.from_pylist(model.necessity, schema=NECESSITY)
        pq.write_table(rows, folder / f"necessity/{model.model}.parquet")
    return cotsieve.open(folder)


def test_tables_are_those_of_the_study(made, opened):
    model = made.models[0]
    assert opened.models == sorted(one.model for one in made.models)
    assert opened.problems["problem_id"].tolist() == made.problems["problem_id"].to_pylist()
    assert opened.rollouts(model.model, arrow=True).equals(model.merged)
    assert opened.necessity(model.model)["needs_cot"].tolist() == [
        row["needs_cot"] for row in model.necessity
    ]


def test_rollouts_are_those_asked_for(made, opened):
    model, first = made.models[0], made.problems["problem_id"][0].as_py()
    rows = opened.rollouts(
        model.model, "baseline", problems=[first], columns=["problem_id", "text"]
    )
    wanted = [
        (row["problem_id"], row["text"])
        for row in model.merged.to_pylist()
        if (row["condition"], row["problem_id"]) == ("baseline", first)
    ]
    assert list(rows.itertuples(index=False, name=None)) == wanted and wanted


def test_a_problem_as_text_and_as_a_cell(made, opened):
    name = made.problems["problem_id"][0].as_py()
    card = opened.problem(name)
    text = "\n".join(card.lines())
    rows = sum(len(rows) for rows in card.rollouts.values())
    assert text.startswith(name) and sum(text.count(f"  {sign}  ") for sign in "✓✗–!") == rows
    assert card._repr_html_().count("<tr>") == rows


def test_texts_are_shown_as_text(opened):
    card = opened.problem(opened.problems["problem_id"][0])
    card.about["question"] = "<script>alert(1)</script>"
    assert "<script" not in card._repr_html_()


def test_what_is_not_there_is_told(opened, tmp_path: Path):
    with pytest.raises(BadInput, match="holds no results of a study"):
        cotsieve.open(tmp_path)
    with pytest.raises(BadInput, match=r"there is no such table\. There is: "):
        opened.rollouts("nobody")
    with pytest.raises(BadInput, match=r"is no problem of study toy\. Ids look like "):
        opened.problem("nothing")
