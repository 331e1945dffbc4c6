"""Where the results of a study come from, as HTML."""

import json
from collections.abc import Mapping
from typing import Any

from cotsieve.report import plots
from cotsieve.report.wording import escaped

Facts = Mapping[str, Any]
_LONG = 120
"""Characters of a value that is shown as it is."""


def provenance(facts: Facts) -> str:
    """What made the results: problems, settings, and for each model its files and versions."""
    excluded = facts["exclusions"]
    about = {
        **facts["settings"],
        "problems": facts["sources"],
        "unusable problems": facts["unusable"],
        **{key.replace("_", " "): value for key, value in excluded.items()},
    }
    parts = _definitions(about)
    for model in facts["models"]:
        parts += f"<h3>{escaped(model['model'])}</h3>" + _definitions(model["provenance"])
    return parts


def _definitions(values: Mapping[str, Any]) -> str:
    items = "".join(
        f"<dt>{escaped(key)}</dt><dd>{_plain_value(value)}</dd>" for key, value in values.items()
    )
    return f'<dl class="provenance">{items}</dl>'


def _plain_value(value: Any) -> str:
    """A value as code; what is long is folded away, mapping by mapping."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str | int | float):
        return f"<code>{escaped(text)}</code>"
    if len(text) <= _LONG or not isinstance(value, Mapping):
        return f"<code>{escaped(text)}</code>" if value else "–"
    rows = [(escaped(key), _plain_value(item)) for key, item in value.items()]
    entries = "1 entry" if len(rows) == 1 else f"{len(rows)} entries"
    found = plots.table(("entry", "value"), rows, words=2)
    return f"<details><summary>{entries}</summary>{found}</details>"
