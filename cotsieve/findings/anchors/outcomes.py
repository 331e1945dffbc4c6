"""What became of every rollout around a sentence: its answer, whether it is right, what it wrote."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cotsieve.answers.exact import exact
from cotsieve.answers.graders import compare_many
from cotsieve.answers.thought_anchors import normalized
from cotsieve.findings.anchors.published import Entry, PublishedTrace
from cotsieve.findings.anchors.trace_rollouts import FORCED, RESAMPLED

Row = dict[str, Any]

WINDOWS = (400, 4000)
"""Characters in which a first sentence is looked for before the whole text is split."""


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
