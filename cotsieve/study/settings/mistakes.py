"""What pydantic has to say about a study file, in words that help to mend it."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from cotsieve.ground.faults import Finding

SEVERAL_KINDS = {
    "layer": "Give early, middle or late, a block index, or a fraction of the depth.",
    "thoughts": "Give all, {first: k}, or a list of positions counted from 0.",
}
"""Keys of a condition whose values may be of several kinds; pydantic tells one error per kind."""


def placed(origin: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings with their paths below `origin`."""
    return [finding._replace(where=f"{origin}: {finding.where}") for finding in findings]


def mistakes(origin: str, errors: Sequence[Any], known_keys: Sequence[str]) -> list[Finding]:
    """One finding per wrong value: its path below `origin`, what was found, and the mend."""
    found: dict[tuple, Finding] = {}
    for item in errors:
        location, mend = path_in_file(item["loc"])
        where = f"{origin}: {'.'.join(str(step) for step in location if step != '[key]')}"
        found.setdefault(location, _finding(where, item, mend, known_keys))
    return list(found.values())


def path_in_file(location: tuple) -> tuple[tuple, str | None]:
    """Where in the file a value stands, and the mend of values that may be of several kinds."""
    steps = list(location)
    # Which kind of model or condition was looked for stands nowhere in a path of the file.
    if steps[0] == "models" and len(steps) > 2 and steps[2] in ("codi", "reasoning", "imported"):
        del steps[2]
    if steps[:2] == ["anchors", "published"]:
        steps[:2] = ["models"]
    if steps[0] == "sweeps" and len(steps) > 4 and steps[4] in ("state", "text"):
        del steps[4]
    if steps[0] == "sweeps" and len(steps) > 3:
        field = 4 if steps[2] == "conditions" else 3
        if len(steps) > field + 1 and steps[field] in SEVERAL_KINDS:
            in_grid = isinstance(steps[field + 1], int)
            return tuple(steps[: field + 1 + in_grid]), SEVERAL_KINDS[steps[field]]
    return tuple(steps), None


def _finding(
    where: str, item: dict[str, Any], mend: str | None, known_keys: Sequence[str]
) -> Finding:
    found = item.get("input")
    shown = "" if isinstance(found, dict) and len(str(found)) > 80 else f" (found: {_short(found)})"
    if mend:
        return Finding(where, f"not a choice{shown}", mend)
    if item["type"] == "extra_forbidden":
        return Finding(where, f"unknown key{shown}", _nearest(item["loc"][-1], known_keys))
    if item["type"] == "missing":
        return Finding(where, "is missing", "Add it; config/README.md says how.")
    if item["type"] == "union_tag_invalid":
        what, choices = f"there is no '{item['ctx']['tag']}'", item["ctx"]["expected_tags"]
        return Finding(f"{where}.family", what, f"Use one of: {choices}.")
    told = _TOLD.get(item["type"], item["msg"].removeprefix("Value error, "))
    return Finding(where, told + shown, _mend(item))


_TOLD = {
    "dict_type": "it is no mapping",
    "model_type": "it is no mapping",
    "model_attributes_type": "it is no mapping",
    "list_type": "it is no list",
    "int_type": "it is no whole number",
    "int_from_float": "it is no whole number",
    "float_type": "it is no number",
    "bool_type": "it is neither true nor false",
    "string_type": "it is no text",
    "string_pattern_mismatch": "it is not what can stand here",
    "too_short": "it is empty",
    "string_too_short": "it is empty",
}
"""Type of an error → what is wrong; pydantic tells the others well."""


def _short(value: object, most: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


_PATTERNS = {
    "0-9a-f": "Give the full 40-digit commit, so that the result can be repeated.",
    "https?": "Write an address that begins with https://.",
    "[a-z]{2,3}": "Write the code of the language, such as en.",
}
"""Part of a pattern → what to write."""


def _mend(item: dict[str, Any]) -> str:
    if item["type"] == "string_pattern_mismatch":
        wanted = (mend for part, mend in _PATTERNS.items() if part in item["ctx"]["pattern"])
        return next(wanted, "Names become paths: use letters, digits and . _ + - only.")
    if item["type"] in ("dict_type", "model_type", "model_attributes_type"):
        return "Write `key: value` lines below it, indented; config/README.md lists the keys."
    if item["type"] in ("too_short", "string_too_short"):
        return "Write at least one; config/README.md lists what each key takes."
    if item["type"] in ("int_type", "float_type") and isinstance(item["input"], str):
        return "Write it as a number: without quotes, and as 0.001 or 1.0e-3 instead of 1e-3."
    return "Correct the value; config/README.md lists what each key takes."


def _nearest(key: object, known_keys: Sequence[str]) -> str:
    if key in known_keys:
        return "Remove it; it belongs to other parts, and config/README.md says to which."
    close = difflib.get_close_matches(str(key), known_keys, n=1)
    return f"Did you mean '{close[0]}'?" if close else "Remove it; config/README.md lists the keys."
