"""Where graders differ on the same texts."""

from collections.abc import Mapping, Sequence

from cotsieve.answers.graders import grade_many


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
