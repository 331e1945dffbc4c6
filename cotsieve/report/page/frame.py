"""The report as one file: style, script and data inside, nothing loaded from anywhere."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotsieve.report.facts.wording import escaped, joined
from cotsieve.report.page import plots
from cotsieve.report.page.sections import anchor, headline, model_section

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
    """A value as code; what is long is folded away, mapping by mapping, and lists."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str | int | float):
        return f"<code>{escaped(text)}</code>"
    if len(text) <= _LONG or not isinstance(value, Mapping | list):
        return f"<code>{escaped(text)}</code>" if value else "–"
    found = f"<code>{escaped(text)}</code>"
    if isinstance(value, Mapping):
        rows = [(escaped(key), _plain_value(item)) for key, item in value.items()]
        found = plots.table(("entry", "value"), rows, words=2)
    entries = "1 entry" if len(value) == 1 else f"{len(value):,} entries"
    return f"<details><summary>{entries}</summary>{found}</details>"


PAGE = Path(__file__).with_name("page.html")
STYLE = Path(__file__).with_name("page.css")
SCRIPT = Path(__file__).with_name("explorer.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(
    facts: Mapping[str, Any],
    explorer: Mapping[str, Any],
    figures: str = "figures",
    anchors: Sequence[str] = (),
) -> str:
    """The text of index.html; equal facts give equal bytes.

    `facts` come from `study_facts`, `explorer` from `packed`; `figures` is the folder of figures,
    seen from the page, `anchors` are the models whose sentences have a page of their own.
    """
    script = SCRIPT.read_text(encoding="utf-8")
    models = facts["models"]
    links = "".join(f'<a href="#{anchor(model)}">{escaped(model["model"])}</a>' for model in models)
    links += "".join(
        f'<a href="anchors/{escaped(name)}.html">Sentences of {escaped(name)}</a>'
        for name in anchors
    )
    return filled(
        PAGE.read_text(encoding="utf-8"),
        {
            "title": escaped(facts["study"]),
            "standfirst": _standfirst(facts),
            "style": STYLE.read_text(encoding="utf-8"),
            "hashes": source_hash(script),
            "links": links,
            "headlines": "".join(map(headline, models)),
            "models": "".join(
                model_section(model, f"{figures}/{escaped(model['model'])}") for model in models
            ),
            "provenance": provenance(facts),
            "data": compressed(explorer),
            "script": script,
        },
    )


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its {{places}} filled; what is filled in is not looked into again."""
    return _PLACE.sub(lambda match: values[match[1]], template)


def compressed(data: Mapping[str, Any]) -> str:
    """Plain values as JSON, gzip and base 64; no time of making inside."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(_valid(text), 9, mtime=0)).decode("ascii")


def uncompressed(text: str) -> dict[str, Any]:
    """What `compressed` was given."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


def source_hash(script: str) -> str:
    """The entry of a content security policy that lets just this script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _valid(text: str) -> bytes:
    """UTF-8; the half of a character that a model was cut off in becomes a replacement mark."""
    return text.encode("utf-8", "replace")


def _standfirst(facts: Mapping[str, Any]) -> str:
    sources = [f"{count:,} from <i>{escaped(name)}</i>" for name, count in facts["sources"].items()]
    models = [f"<i>{escaped(model['model'])}</i>" for model in facts["models"]]
    count = f"{facts['problems']:,} problems"
    if len(sources) == 1:
        count += f" from <i>{escaped(next(iter(facts['sources'])))}</i>"
    elif sources:
        count += f" ({joined(sources)})"
    return (
        f"{count}, answered by {joined(models)} with the chain of thought intact and ablated. "
        "A problem needs its chain of thought, as measured here, when the answer is right with it "
        "and not without."
    )
