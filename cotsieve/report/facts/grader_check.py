"""The answers of the baseline and of the deciding ablation, read by every grader that fits them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.answers.exact import value_of
from cotsieve.answers.graders import grade_many
from cotsieve.answers.thinking import CLOSE
from cotsieve.rollouts.schema import BASELINE

DISAGREEMENTS = pa.schema(
    [
        ("condition", pa.string()),
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("answer", pa.string()),
        ("grader", pa.string()),
        ("verdict", pa.string()),
        ("prediction", pa.string()),
        ("reason", pa.string()),
    ]
)


class Compared(NamedTuple):
    """What graders make of the same answers."""

    rows: list[dict]
    """Schema DISAGREEMENTS: for every answer on which they differ, what each of them says."""
    graders: list[str]
    answers: int
    """How many answers were read."""


_READ = ["condition", "problem_id", "sample", "answer", "answer_text"]
MERGED_COLUMNS = ("sweep", *_READ)
"""What is read of the merged table."""


def compare_graders(
    merged: pa.Table,
    sweep: str,
    condition: str,
    family: str,
    tolerance: float,
    processes: int = 1,
) -> Compared:
    """Grade the answers of a sweep's baseline and of `condition` in every way that fits.

    `merged` is of schema MERGED. Failed rollouts and those without an answer are left out: there
    graders cannot differ.
    """
    wanted = pc.field("condition").isin([BASELINE, condition]) & (pc.field("sweep") == sweep)
    told = merged.filter(wanted & pc.field("answer_text").is_valid())
    graders = fitting(family, told["answer"].unique().to_pylist())
    # One of the graders looks for the tag that closes the reasoning.
    rows = [{**row, "text": CLOSE + row["answer_text"]} for row in told.select(_READ).to_pylist()]
    found = disagreements(rows, graders, tolerance, processes)
    flat = [
        {
            **{name: row[name] for name in ("condition", "problem_id", "sample", "answer")},
            "grader": grader,
            "verdict": graded.verdict,
            "prediction": graded.prediction,
            "reason": graded.reason,
        }
        for row in found
        for grader, graded in row["graded"].items()
    ]
    return Compared(flat, graders, len(rows))


def fitting(family: str, references: Iterable[str]) -> list[str]:
    """Graders that can read the answers of a family of models and compare with the references."""
    if not all(map(_is_number, references)):
        return ["math", "r2a"]
    return ["math", "r2a", "numbers"] if family == "reasoning" else ["numbers", "original", "codi"]


def _is_number(reference: str) -> bool:
    try:
        value_of(reference)
    except (ValueError, ZeroDivisionError):
        return False
    return True


def disagreements(
    rows: Sequence[Mapping[str, object]],
    graders: Sequence[str],
    tolerance: float = 0.01,
    processes: int = 1,
) -> list[dict]:
    """The rows on which not all graders give the same verdict, in order.

    Each row has `text` (what a model wrote) and `answer` (the reference), and keeps all it has;
    `graded` is added, which maps each grader to what it read, its verdict and the reason (Graded).
    Raises BadInput for an unknown grader and for a reference that one of them cannot compare with.
    """
    pairs = [(row["text"], row["answer"]) for row in rows]
    by_grader = [grade_many(grader, pairs, tolerance, processes) for grader in graders]
    found = []
    for row, *graded in zip(rows, *by_grader, strict=True):
        if len({item.verdict for item in graded}) > 1:
            found.append({**row, "graded": dict(zip(graders, graded, strict=True))})
    return found
