"""Problems that are known already to need their chain of thought, and are to be kept."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from cotsieve.ground.faults import Finding, bad
from cotsieve.problems.files.records import read_records, refuse
from cotsieve.problems.files.segments import place
from cotsieve.problems.problem import difficulty

log = logging.getLogger(__name__)

_KINDS = {
    "pair_id": (int, "a whole number"),
    "question": (str, "text"),
    "answer": ((int, float), "a number"),
    "reasoning_steps": (int, "a whole number"),
    "baseline_correct": (bool, "true or false"),
    "ablated_correct": (bool, "true or false"),
    "needs_cot": (bool, "true or false"),
}


class Existing(NamedTuple):
    """What a file of earlier results holds."""

    rows: list[dict]
    repeated: list[tuple[int, int]]
    """Pair ids of rows that are left out, as another row has their question, and of that row."""


def read_existing(path: str | Path, variant: str = "clean") -> Existing:
    """The rows of one variant, in file order, with the columns of the dataset.

    The file is a list of objects with the keys above and `variant`, the form of the published
    `llama_cot_all.json`: a problem may stand there twice, in its original wording ("clean") and
    with other numbers ("corrupted"). `problem_id` is "existing_" and the pair id; the stratum
    follows from `reasoning_steps`; what the file does not tell (source, solution, predictions)
    is None. Of rows with the same question the first is kept, and the log names the others. Raises
    BadInput with every bad row.
    """
    path = Path(path)
    chosen = [
        (index, row)
        for index, row in enumerate(read_records(path))
        if row.get("variant") == variant
    ]
    if not chosen:
        what = f'no row has variant "{variant}"'
        raise bad(path, what, "Name a variant that the file holds, such as clean.")
    pairs = Counter(row.get("pair_id") for _, row in chosen)
    findings: list[Finding] = []
    for index, row in chosen:
        found = _findings(row, pairs)
        findings += [Finding(place(path, index), what, mend) for what, mend in found]
    refuse(findings)
    first: dict[str, dict] = {}
    repeated: list[tuple[int, int]] = []
    for _, row in chosen:
        same = first.setdefault(row["question"].strip(), row)
        if same is not row:
            repeated.append((row["pair_id"], same["pair_id"]))
            log.warning(
                "%s: pair_id %s asks what pair_id %s asks, and is left out",
                path, row["pair_id"], same["pair_id"],
            )  # fmt: skip
    return Existing([_row(row) for row in first.values()], repeated)


def _findings(row: dict, pairs: Counter) -> list[tuple[str, str]]:
    found = []
    for key, (kind, words) in _KINDS.items():
        value = row.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            found.append((f"{key} is {json.dumps(value)}", f"It must be {words}."))
    if found:
        return found
    if not row["question"].strip():
        found.append(("question is empty", "Give the question's text."))
    if row["reasoning_steps"] < 0:
        found.append((f"reasoning_steps is {row['reasoning_steps']}", "It must be 0 or more."))
    if (row["needs_cot"], row["baseline_correct"], row["ablated_correct"]) != (True, True, False):
        what = "it is not a problem that was right at baseline and wrong when ablated"
        found.append((what, "Keep only rows with needs_cot true."))
    if pairs[row["pair_id"]] > 1:
        what = f"pair_id {row['pair_id']} comes {pairs[row['pair_id']]} times"
        found.append((what, "Keep one of them."))
    return found


def _row(row: dict) -> dict:
    return {
        "is_existing": True,
        "problem_id": f"existing_{row['pair_id']}",
        "source": None,
        "row": None,
        "question": row["question"],
        "solution": None,
        "answer": json.dumps(row["answer"]),
        "steps": row["reasoning_steps"],
        "stratum": difficulty(row["reasoning_steps"]),
        "needs_cot": True,
        "baseline_correct": True,
        "baseline_prediction": None,
        "ablated_correct": False,
        "ablated_prediction": None,
        "model": None,
        "sweep": None,
        "condition": None,
        "pair_id": row["pair_id"],
        "variant": row["variant"],
    }
