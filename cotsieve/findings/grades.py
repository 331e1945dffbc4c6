"""Rollouts → grades: the answer each rollout gave, and whether it is the reference answer."""

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from cotsieve.answers.graders import grade, matches
from cotsieve.ground.faults import BadInput, Finding

GRADES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("condition", pa.string()),
        ("sample", pa.int32()),
        ("prediction", pa.string()),
        ("verdict", pa.string()),
    ]
)
VERDICTS = ("correct", "incorrect", "no_answer", "failed")


class _Read(NamedTuple):
    prediction: str | None
    verdict: str


def grade_rollouts(
    rollouts: pa.Table, answers: Mapping[str, str], grader: str, tolerance: float
) -> list[dict]:
    """One grade per rollout, in the order of the rollouts.

    `answers` maps problem ids to reference answers. A failed rollout is not wrong: its verdict is
    "failed". An imported rollout brings its prediction along and is only compared; every other
    one is read by `grader`. Raises BadInput when problems have no reference answer.
    """
    rows = rollouts.select(
        ["problem_id", "condition", "sample", "text", "finish_reason", "imported_prediction"]
    ).to_pylist()
    _refuse_unknown(rows, answers)
    grades = []
    for row in rows:
        read = _read(row, answers.get(row["problem_id"]), grader, tolerance)
        key = {name: row[name] for name in ("problem_id", "condition", "sample")}
        grades.append({**key, "prediction": read.prediction, "verdict": read.verdict})
    return grades


def _read(row: dict, reference: str | None, grader: str, tolerance: float) -> _Read:
    if row["finish_reason"] == "failed":
        return _Read(None, "failed")
    if row["finish_reason"] == "imported":
        prediction = row["imported_prediction"]
        if prediction is None:
            return _Read(None, "no_answer")
        right = matches(grader, prediction, reference, tolerance)
        return _Read(prediction, "correct" if right else "incorrect")
    graded = grade(grader, row["text"], reference, tolerance)
    return _Read(graded.prediction, graded.verdict)


def _refuse_unknown(rows: list[dict], answers: Mapping[str, str]) -> None:
    """Failed rollouts need no reference: their problem may never have had one."""
    unknown = dict.fromkeys(
        row["problem_id"]
        for row in rows
        if row["finish_reason"] != "failed" and answers.get(row["problem_id"]) is None
    )
    if unknown:
        mend = "Grade rollouts together with the problems they were made from."
        raise BadInput(
            Finding(f"rollouts, problem {problem_id}", "there is no reference answer", mend)
            for problem_id in list(unknown)[:20]
        )
