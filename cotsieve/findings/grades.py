"""Rollouts → grades: the answer each rollout gave, and whether it is the reference answer."""

from collections.abc import Mapping

import pyarrow as pa

from cotsieve.answers.graders import Graded, compare_many, predict
from cotsieve.answers.thinking import CLOSE
from cotsieve.ground.faults import BadInput, Finding

GRADES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("condition", pa.string()),
        ("sample", pa.int32()),
        ("prediction", pa.string()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("followed", pa.bool_()),  # equals what the reasoning was altered to; null where it was not
    ]
)
VERDICTS = ("correct", "incorrect", "no_answer", "failed")


def grade_rollouts(
    rollouts: pa.Table,
    answers: Mapping[str, str],
    grader: str,
    tolerance: float,
    processes: int = 1,
) -> list[dict]:
    """One grade per rollout, in the order of the rollouts; the same whatever `processes` is.

    `answers` maps problem ids to reference answers. A failed rollout is not wrong: its verdict is
    "failed", as it is, with a reason, where the grader cannot tell within its limits; "incorrect"
    with the reason "not read" is an answer that could not be read to its end. An imported
    rollout brings its prediction along and is only compared; every other one is read by `grader`.
    Raises BadInput when problems have no reference answer, or one the grader cannot compare with.
    """
    rows = rollouts.select(_READ).to_pylist()
    _refuse_unknown(rows, answers)
    finished = [row for row in rows if row["finish_reason"] != "failed"]
    pairs = [(_prediction(row, grader), answers[row["problem_id"]]) for row in finished]
    altered = [
        (prediction, row["altered_to"])
        for (prediction, _), row in zip(pairs, finished, strict=True)
        if row["altered_to"] is not None
    ]
    compared = compare_many(grader, [*pairs, *altered], tolerance, processes)
    found, followed = iter(compared[: len(pairs)]), iter(compared[len(pairs) :])
    return [
        _grade(row, Graded(None, "failed"), None)
        if row["finish_reason"] == "failed"
        else _grade(row, next(found), None if row["altered_to"] is None else next(followed))
        for row in rows
    ]


_READ = (
    "problem_id", "condition", "sample", "answer_text", "finish_reason", "imported_prediction",
    "altered_to",
)  # fmt: skip


def _prediction(row: dict, grader: str) -> str | None:
    if row["finish_reason"] == "imported":
        return row["imported_prediction"]
    if row["answer_text"] is None:
        return None
    # The rules of that study look for the closing tag, which stands before the answer's text.
    return predict(grader, CLOSE + row["answer_text"] if grader == "r2a" else row["answer_text"])


def _grade(row: dict, graded: Graded, altered: Graded | None) -> dict:
    """`altered` is the grade against what the reasoning was altered to."""
    key = {name: row[name] for name in ("problem_id", "condition", "sample")}
    known = altered is not None and altered.verdict != "failed"
    return {**key, **graded._asdict(), "followed": altered.verdict == "correct" if known else None}


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
