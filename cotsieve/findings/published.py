"""Rows of JSON as the published expansion study (GusSand/CoT_Exploration) writes them.

Numbers go out digit for digit as they came: a prediction may have more digits than a 64-bit
integer or a float can hold.
"""

import json
import re
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Number(str):
    """The digits of a JSON number."""


def number_or_text(text: str | None) -> str | None:
    """The same text, marked as a number where JSON would read it as one."""
    return Number(text) if text is not None and _NUMBER.fullmatch(text) else text


def tested_row(row: Mapping, reason: str = "") -> dict[str, object]:
    """A NECESSITY row under the study's keys, in its order.

    A failed row has no predictions but an `error`, and does not need its chain of thought there.
    """
    about = {
        "gsm8k_id": row["problem_id"],
        "question": row["question"],
        "answer": number_or_text(row["answer"]),
        "full_solution": row["solution"],
        "source": row["source"],
    }
    if row["needs_cot"] is None:
        return {**about, "success": False, "error": reason, "needs_cot": False}
    return {
        **about,
        "baseline_correct": row["baseline_verdict"] == "correct",
        "baseline_prediction": number_or_text(row["baseline_prediction"]),
        "ablated_correct": row["ablated_verdict"] == "correct",
        "ablated_prediction": number_or_text(row["ablated_prediction"]),
        "needs_cot": row["needs_cot"],
        "success": True,
    }


def json_rows(rows: Iterable[Mapping[str, object]], indent: int = 0) -> str:
    """An array of flat objects, laid out as `json.dump(..., indent=2)` does `indent` blanks in."""
    margin = " " * indent
    objects = [
        f"{margin}  {{\n"
        + ",\n".join(f"{margin}    {json.dumps(key)}: {_value(row[key])}" for key in row)
        + f"\n{margin}  }}"
        for row in rows
    ]
    return "[\n" + ",\n".join(objects) + f"\n{margin}]" if objects else "[]"


def _value(value: object) -> str:
    return str(value) if isinstance(value, Number) else json.dumps(value, allow_nan=False)
