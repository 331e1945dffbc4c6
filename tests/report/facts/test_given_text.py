"""What was read is told as it was, or not at all."""

from dataclasses import replace

import made_up
import pyarrow as pa
import pytest

from cotsieve.findings.merge import MERGED
from cotsieve.interventions.changed import changed_span, changed_thought
from cotsieve.problems.problem import PROBLEMS
from cotsieve.report.facts.given_text import GivenTexts
from cotsieve.report.page.explorer import packed

THOUGHTS = {
    "p_0": "\nThere are 3. One goes away. So 3 - 1 = 2. The answer is 2.\n",
    "p_1": "\nHalf of 90. That is 45. The answer is 45.\n",
}
CONDITIONS = {
    "baseline": None,
    "altered": {"reasoning": "alter-statement"},
    "mixed": {"reasoning": "shuffle", "seed": 4},
    "swapped": {"reasoning": "swap"},
    "half": {"reasoning": "truncate", "fraction": 0.5},
    "zero": {"operation": "zero", "layer": 1},
}
ANSWERS = {"p_0": "2", "p_1": "45"}


def made(problem_id: str, name: str) -> str:
    """What the condition gives, worked out by hand where it is no edit of text."""
    thought, definition = THOUGHTS[problem_id], CONDITIONS[name]
    if name == "swapped":
        return THOUGHTS["p_1" if problem_id == "p_0" else "p_0"]
    if name == "half":
        return thought[:20]
    if definition is None or "operation" in definition:
        return thought
    return changed_thought(definition, thought, problem_id, ANSWERS[problem_id])


def row(problem_id: str, name: str) -> dict:
    thought, answer = THOUGHTS[problem_id], ANSWERS[problem_id]
    start, end = changed_span(thought, made(problem_id, name)) or (None, None)
    text = f"It is {answer}."
    return {
        "sweep": "s", "condition": name, "problem_id": problem_id, "sample": 0, "answer": answer,
        "text": f"{thought}</think>{text}" if name == "baseline" else text, "answer_text": text,
        "finish_reason": "stop", "verdict": "correct", "changed_start": start,
        "changed_end": end, "token_ids": [1],
        "donor": {"p_0": "p_1", "p_1": "p_0"}[problem_id] if name == "swapped" else None,
    }  # fmt: skip


@pytest.fixture
def study():
    rows = [row(problem_id, name) for problem_id in THOUGHTS for name in CONDITIONS]
    ids = [{"problem_id": key, "question": "?", "source": "s", "row": 0} for key in THOUGHTS]
    whole = made_up.study(4)
    model = replace(
        whole.models[1], merged=pa.Table.from_pylist(rows, schema=MERGED), sweep="s",
        condition="altered", conditions={"s": CONDITIONS}, necessity=[], drawn=[],
    )  # fmt: skip
    return replace(whole, problems=pa.Table.from_pylist(ids, schema=PROBLEMS), models=[model])


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_text_is_made_again(study, name):
    found = GivenTexts(study.models[0], study.problems, "s").under(name)
    assert found == {(key, 0): made(key, name) for key in THOUGHTS}


def test_what_does_not_fit_its_row_is_not_shown(study):
    (model,) = study.models
    rows = model.merged.to_pylist()
    for one in rows:
        one["changed_start"] = one["changed_start"] and one["changed_start"] - 1
    other = replace(model, merged=pa.Table.from_pylist(rows, schema=MERGED))
    given = GivenTexts(other, study.problems, "s")
    assert given.under("altered") == given.under("mixed") == {}


def test_the_explorer_holds_it(study):
    data = packed(study)
    columns = {column["condition"]: column for column in data["models"][0]["columns"]}
    for name in CONDITIONS:
        places = columns[name]["samples"][0]["given"]
        assert [data["givens"][place] for place in places] == [made(key, name) for key in THOUGHTS]
    assert columns["swapped"]["samples"][0]["donors"] == [1, 0]
    assert columns["mixed"]["seed"] == 4 and columns["altered"]["seed"] is None
