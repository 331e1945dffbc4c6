"""What became of every rollout around a sentence: its answer, its verdict, what it wrote."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from cotsieve.answers.exact import exact
from cotsieve.answers.graders import compare_many, predict
from cotsieve.answers.symbolic import LONGEST_ANSWER, verdicts
from cotsieve.answers.thinking import CLOSE
from cotsieve.answers.thought_anchors import normalized, read_answer
from cotsieve.findings.anchors.published import Entry, PublishedTrace
from cotsieve.findings.anchors.trace_rollouts import FORCED, OUTCOMES, RESAMPLED
from cotsieve.interventions.places import first_sentence
from cotsieve.interventions.prefixes import parsed_unit

Row = dict[str, Any]
Name = tuple[str, int, int]
"""Problem id, sample and sentence."""


def answer_class(prediction: str) -> str:
    """A text that equal answers have in common: 54 and 54.0 are one, 5/12 and \\frac{15}{36}."""
    return exact(prediction) or normalized(prediction, 3)


def read_rollouts(
    rollouts: Iterable[pa.Table], kind: str, grader: str, before: Mapping[Name, str]
) -> pa.Table:
    """Rows of OUTCOMES without verdicts for rollouts of one kind, some of which come at a time.

    `before` maps sentences to the thought read before them: by the published rule a box in it is
    the forced answer.
    """
    parts = [OUTCOMES.empty_table()]
    for some in rollouts:
        rows = [_read(row, kind, grader, before) for row in some.select(_READ).to_pylist()]
        parts.append(pa.Table.from_pylist(rows, schema=OUTCOMES))
    return pa.concat_tables(parts)


def _read(row: Row, kind: str, grader: str, before: Mapping[Name, str]) -> Row:
    name = parsed_unit(row["problem_id"])
    failed = row["finish_reason"] == "failed"
    answer = row["answer_text"]
    # The rules of "r2a" look for the closing tag, which stands before the answer's text.
    shown = CLOSE + answer if grader == "r2a" and answer is not None else answer
    prediction = None if failed or shown is None else predict(grader, shown)
    imported = row["imported_prediction"] if row["finish_reason"] == "imported" else None
    seen = row["text"] if kind == RESAMPLED else before[name] + (answer or "")
    silent = "unfinished" if row["finish_reason"] == "length" else "empty"
    if imported is not None:  # answers that were published with their rollouts
        prediction = imported or None
    return {
        **dict(zip(("problem_id", "sample", "sentence"), name, strict=True)),
        "kind": kind,
        "rollout": row["sample"],
        "status": "error" if failed else silent if prediction is None else "valid",
        "error": row["error"],
        "published_answer": None if failed else read_answer(seen) if imported is None else imported,
        "prediction": prediction,
        "replacement": None if failed or kind != RESAMPLED else first_sentence(row["text"]),
    }


_READ = [
    "problem_id", "sample", "text", "answer_text", "finish_reason", "error", "imported_prediction",
]  # fmt: skip


def published_outcomes(trace: PublishedTrace) -> pa.Table:
    """Rows of OUTCOMES without verdicts for the rollouts of a published trace, in their order.

    Answers and whether they are right stay as published.
    """
    rows = [
        _published_row(trace, kind, sentence, number, entry)
        for kind, found in ((RESAMPLED, trace.rollouts), (FORCED, trace.forced))
        for sentence, entries in found.items()
        for number, entry in enumerate(entries)
    ]
    return pa.Table.from_pylist(rows, schema=OUTCOMES)


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


def judged(
    outcomes: pa.Table,
    references: Mapping[str, str],
    grader: str,
    tolerance: float,
    *,
    published: bool = False,
    processes: int = 1,
) -> pa.Table:
    """The same rows with verdicts and answer classes; an error is failed, not wrong.

    `references` maps problems to reference answers. Right answers are in the class of the reference
    answer, however they are written. `published`: what is right by the published rule is known.
    """
    ids = outcomes["problem_id"].to_pylist()
    expected = [references[name] for name in ids]
    pairs = list(zip(outcomes["prediction"].to_pylist(), expected, strict=True))
    known = _judgements(pairs, grader, tolerance, processes)
    failed = [status == "error" for status in outcomes["status"].to_pylist()]
    columns = {
        "verdict": [
            "failed" if wrong else known[pair][0] for wrong, pair in zip(failed, pairs, strict=True)
        ],
        "answer_class": [known[pair][1] for pair in pairs],
    }
    if not published:
        answers = list(zip(outcomes["published_answer"].to_pylist(), expected, strict=True))
        there = [pair for pair in dict.fromkeys(answers) if pair[0] is not None]
        found = dict(zip(there, checks(there, processes), strict=True))
        columns["published_correct"] = [found.get(pair) for pair in answers]
    for name, values in columns.items():
        field = OUTCOMES.field(name)
        place = OUTCOMES.get_field_index(name)
        outcomes = outcomes.set_column(place, field, pa.array(values, field.type))
    return outcomes


def _judgements(
    pairs: Iterable[tuple[str | None, str]], grader: str, tolerance: float, processes: int
) -> dict[tuple[str | None, str], tuple[str, str | None]]:
    """Prediction and reference → verdict, and the class of the answer."""
    distinct = list(dict.fromkeys(pairs))
    known = {}
    for pair, graded in zip(
        distinct, compare_many(grader, distinct, tolerance, processes), strict=True
    ):
        silent = graded.verdict == "no_answer" or pair[0] is None
        told = pair[1] if graded.verdict == "correct" else pair[0]
        known[pair] = (graded.verdict, None if silent else answer_class(told))
    return known


def checks(pairs: Sequence[tuple[str, str]], processes: int = 1) -> list[bool | None]:
    """For pairs of answer and reference whether they are equal; None where nobody can tell.

    Equal normal forms are equal answers; what else SymPy finds equal is asked in processes of its
    own. No answer, and one of more than 1000 characters, is wrong.
    """
    known: dict[tuple[str, str], bool | None] = {}
    open_ = []
    for pair in dict.fromkeys(pairs):
        answer, reference = pair
        if answer and normalized(answer) == normalized(reference):
            known[pair] = True
        elif not answer or len(answer) > LONGEST_ANSWER:
            known[pair] = False
        else:
            open_.append(pair)
    for pair, verdict in zip(open_, verdicts("thought-anchors", open_, processes), strict=True):
        known[pair] = verdict if isinstance(verdict, bool) else None
    return [known[pair] for pair in pairs]
