"""What became of every rollout around a sentence: its answer, whether it is right, what it wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from cotsieve.answers.exact import exact
from cotsieve.answers.graders import compare_many
from cotsieve.answers.thought_anchors import checks, normalized, read_answer
from cotsieve.findings.anchors.published import Entry, PublishedTrace
from cotsieve.findings.anchors.trace_rollouts import FORCED, RESAMPLED
from cotsieve.findings.grades import grade_rollouts
from cotsieve.interventions.places import first_sentence
from cotsieve.interventions.prefixes import parsed_unit

Row = dict[str, Any]


def answer_class(prediction: str) -> str:
    """A text that equal answers have in common: 54 and 54.0 are one, 5/12 and \\frac{15}{36}."""
    return exact(prediction) or normalized(prediction, 3)


def published_outcomes(
    trace: PublishedTrace, grader: str, tolerance: float = 0.0, processes: int = 1
) -> list[Row]:
    """Rows of OUTCOMES for the rollouts of a published trace, in their order.

    Answers and whether they are right stay as published; `grader` judges the answers anew.
    """
    rows = [
        _published_row(trace, kind, sentence, number, entry)
        for kind, found in ((RESAMPLED, trace.rollouts), (FORCED, trace.forced))
        for sentence, entries in found.items()
        for number, entry in enumerate(entries)
    ]
    graded(rows, {trace.problem_id: str(trace.problem["gt_answer"])}, grader, tolerance, processes)
    return rows


def _published_row(
    trace: PublishedTrace, kind: str, sentence: int, number: int, entry: Entry
) -> Row:
    failed = "error" in entry
    answer = None if failed else str(entry.get("answer") or "")
    return {
        "problem_id": trace.problem_id,
        "sample": 0,
        "sentence": sentence,
        "kind": kind,
        "rollout": number,
        "status": "error" if failed else "valid" if answer else "empty",
        "error": str(entry["error"]) if failed else None,
        "published_answer": answer,
        "published_correct": None if failed else entry.get("is_correct"),
        "prediction": answer or None,
        "replacement": None if failed else entry.get("chunk_resampled"),
    }


def graded(
    rows: Sequence[Row],
    references: Mapping[str, str],
    grader: str,
    tolerance: float,
    processes: int = 1,
) -> None:
    """Add verdict and answer class to rows that have a prediction; an error is failed, not wrong.

    Right answers are in the class of the reference answer, however they are written.
    """
    pairs = [(row["prediction"], references[row["problem_id"]]) for row in rows]
    distinct = list(dict.fromkeys(pairs))
    found = compare_many(grader, distinct, tolerance, processes)
    verdicts = {pair: result.verdict for pair, result in zip(distinct, found, strict=True)}
    classes = {pair: _class(pair, verdicts[pair]) for pair in distinct}
    for row, pair in zip(rows, pairs, strict=True):
        row["verdict"] = "failed" if row["status"] == "error" else verdicts[pair]
        row["answer_class"] = classes[pair]


def _class(pair: tuple[str | None, str], verdict: str) -> str | None:
    prediction, reference = pair
    if prediction is None or verdict == "no_answer":
        return None
    return answer_class(reference if verdict == "correct" else prediction)


def rollout_outcomes(
    rollouts: pa.Table,
    kind: str,
    references: Mapping[str, str],
    before: Mapping[tuple[str, int, int], str],
    grader: str,
    tolerance: float,
    processes: int = 1,
) -> list[Row]:
    """Rows of OUTCOMES for rollouts of one kind, in their order.

    `references` maps problems to reference answers, `before` sentences to the thought read before
    them: by the published rule a box in it is the forced answer.
    """
    units = rollouts["problem_id"].to_pylist()
    names = [parsed_unit(unit) for unit in units]
    expected = {unit: references[name[0]] for unit, name in zip(units, names, strict=True)}
    grades = grade_rollouts(rollouts, expected, grader, tolerance, processes)
    columns = ["sample", "text", "answer_text", "finish_reason", "error"]
    rows = [
        _row(kind, name, written, grade, before)
        for name, written, grade in zip(
            names, rollouts.select(columns).to_pylist(), grades, strict=True
        )
    ]
    answered = [row for row in rows if row["published_answer"] is not None]
    pairs = [(row["published_answer"], references[row["problem_id"]]) for row in answered]
    for row, correct in zip(answered, checks(pairs, processes), strict=True):
        row["published_correct"] = correct
    for row in rows:
        pair = row["prediction"], references[row["problem_id"]]
        row["answer_class"] = _class(pair, row["verdict"])
    return rows


def _row(
    kind: str,
    name: tuple[str, int, int],
    written: Row,
    grade: Row,
    before: Mapping[tuple[str, int, int], str],
) -> Row:
    failed = written["finish_reason"] == "failed"
    prediction = grade["prediction"]
    seen = written["text"] if kind == RESAMPLED else before[name] + (written["answer_text"] or "")
    answer = None if failed else read_answer(seen)
    silent = "unfinished" if written["finish_reason"] == "length" else "empty"
    return {
        **dict(zip(("problem_id", "sample", "sentence"), name, strict=True)),
        "kind": kind,
        "rollout": written["sample"],
        "status": "error" if failed else silent if prediction is None else "valid",
        "error": written["error"] or grade["reason"],
        "published_answer": answer,
        "published_correct": None,
        "prediction": prediction,
        "verdict": grade["verdict"],
        "replacement": None if failed or kind != RESAMPLED else first_sentence(written["text"]),
    }
