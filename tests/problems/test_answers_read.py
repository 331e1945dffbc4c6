"""Answers in the forms that published sets write them in, and what is none."""

import json

import pytest
from rows import read_source

from cotsieve.ground.faults import BadInput


def answers(folder, kind: str, *rows: dict, **more) -> list[str]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_source("made", {"format": kind, **more}, file)
    return [problem.error or problem.answer for problem in found]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("5", "5"), (".5", "0.5"), ("-.5", "-0.5"), ("$5", "5"), ("−5", "-5"),
        ("$1,250.00", "1250"),
        ("010", "10"), ("25%", "25"), ("12 dollars", "12"), ("2.50", "2.5"),
        ("3/4", None), ("1 1/2", None), ("12 345", None), ("12,34", None), ("x", None), ("", None),
    ],
)  # fmt: skip
def test_what_stands_behind_the_marks(written, read, tmp_path):
    row = {"question": "q", "answer": f"x\n#### {written}"}
    if read is None:
        with pytest.raises(BadInput, match="not one number behind ####"):
            answers(tmp_path, "gsm8k", row)
    else:
        assert answers(tmp_path, "gsm8k", row) == [read]


@pytest.mark.parametrize("word", ["proof", " Proof ", "notfound", "", None])
def test_words_for_no_answer_are_none(word, tmp_path):
    rows = [{"problem": "x", "answer": word}, {"problem": "y", "answer": "5"}]
    bad, good = answers(tmp_path, "deepscaler", *rows, bad_rows="record")
    assert good == "5" and bad.startswith("the answer")


def message(role: str, reference: str | None = None) -> dict:
    return {"role": role, "content": role, "info": {"reference_answer": reference}}


def test_a_system_may_speak_first(tmp_path):
    system, user, model = message("system"), message("user", "5"), message("assistant")
    for messages in ([user, model], [system, user, model]):
        assert answers(tmp_path, "am", {"messages": messages}) == ["5"]
    for messages in ([system, user], [system, system, user, model], [user, model, user], [user]):
        with pytest.raises(BadInput, match="not a user's and an assistant's"):
            answers(tmp_path, "am", {"messages": messages})
