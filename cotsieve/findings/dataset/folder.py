"""The finished dataset in a folder: Parquet for `datasets`, JSON in the published form, a card."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from cotsieve.findings.published import json_rows, number_or_text, tested_row
from cotsieve.ground import tables
from cotsieve.ground.files import write_text
from cotsieve.problems.problem import TOLD

DATASET = pa.schema(
    [
        ("is_existing", pa.bool_()),
        *TOLD,
        ("needs_cot", pa.bool_()),
        ("baseline_correct", pa.bool_()),
        ("baseline_prediction", pa.string()),
        ("ablated_correct", pa.bool_()),
        ("ablated_prediction", pa.string()),
        ("model", pa.string()),
        ("sweep", pa.string()),
        ("condition", pa.string()),
    ]
)
COLUMNS = (
    (
        ("is_existing",),
        "the problem was known before and is kept; such rows have no source, solution or "
        "predictions",
    ),
    (
        ("problem_id", "source", "row"),
        "where the problem comes from; `row` counts from 0 in its source",
    ),
    (
        ("question", "solution", "answer"),
        "the problem, its written solution, its reference answer as text",
    ),
    (
        ("steps", "stratum"),
        "calculations in the solution, and the group the problem was drawn from",
    ),
    (
        ("baseline_prediction", "baseline_correct"),
        "the model's answer as text, and whether it is right",
    ),
    (("ablated_prediction", "ablated_correct"), "the same under the ablation"),
    (("needs_cot",), "right at baseline, not right under the ablation"),
    (
        ("model", "sweep", "condition"),
        "which run and which ablation; empty for existing rows",
    ),
)
"""What the columns mean, some of them together, as the card lists them."""
PARQUET = "data/train-00000-of-00001.parquet"
JSON = "dataset.json"
CARD = "README.md"


def new_rows(
    rows: Iterable[Mapping], existing: Iterable[Mapping], model: str, sweep: str, condition: str
) -> list[dict]:
    """The NECESSITY rows that need their chain of thought, with the columns of the dataset.

    A problem whose question is among the existing ones is left to them, and of those with the same
    question the first stands for all, so none comes twice.
    """
    known = {row["question"].strip() for row in existing}
    first = {}
    for row in rows:
        if row["needs_cot"]:
            first.setdefault(row["question"].strip(), row)
    return [
        {
            **row,
            "is_existing": False,
            "baseline_correct": row["baseline_verdict"] == "correct",
            "ablated_correct": row["ablated_verdict"] == "correct",
            "model": model,
            "sweep": sweep,
            "condition": condition,
        }
        for question, row in first.items()
        if question not in known
    ]


def write_dataset(
    folder: str | Path,
    rows: Sequence[Mapping],
    card: str,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write the rows of `new_rows` and `read_existing`, and the text of their card.

    `datasets.load_dataset(folder)` reads the Parquet file: one schema for all rows, predictions
    as text. `dataset.json` keeps the keys and the key order of the published dataset, where new
    and existing rows differ, and adds `is_existing` to the new ones; numbers are JSON numbers.
    """
    folder = Path(folder)
    tables.write(rows, folder / PARQUET, DATASET, provenance)
    write_text(folder / JSON, json_rows(map(published_row, rows)))
    write_text(folder / CARD, card)


def published_row(row: Mapping) -> dict[str, object]:
    """A row of the dataset under the keys of the published one."""
    if not row["is_existing"]:
        return {
            **tested_row(row),
            "reasoning_steps": row["steps"],
            "difficulty": row["stratum"],
            "is_existing": False,
        }
    return {
        "pair_id": row["pair_id"],
        "variant": row["variant"],
        "question": row["question"],
        "answer": number_or_text(row["answer"]),
        "reasoning_steps": row["steps"],
        "baseline_correct": row["baseline_correct"],
        "ablated_correct": row["ablated_correct"],
        "needs_cot": row["needs_cot"],
        "is_existing": True,
        "gsm8k_id": row["problem_id"],
        "difficulty": row["stratum"],
    }
