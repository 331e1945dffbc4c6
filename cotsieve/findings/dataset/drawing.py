"""From verdicts to the dataset folder: who is kept, who is drawn, and what the card says of it."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from cotsieve.findings.dataset.card import KEYWORDS, CardFacts, card, opening
from cotsieve.findings.dataset.croissant import Described, write_croissant
from cotsieve.findings.dataset.existing import read_existing
from cotsieve.findings.dataset.folder import (
    COLUMNS,
    DATASET,
    JSON,
    PARQUET,
    new_rows,
    write_dataset,
)
from cotsieve.findings.dataset.strata import Draw, draw_original, draw_seeded, shared_out
from cotsieve.findings.dataset.summary import summary
from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.controls import MERGED_COLUMNS, controls, cut_off, failures
from cotsieve.findings.necessity.judging import NECESSITY
from cotsieve.findings.necessity.net_effect import require_net
from cotsieve.ground import tables
from cotsieve.ground.faults import BadInput, Finding
from cotsieve.ground.files import write_text

log = logging.getLogger(__name__)
_OTHERWISE = (
    "Nothing is drawn. Name another ablation in sieve.ablation, test more problems, or set "
    "draw.require.net to false."
)
DRAWS = {"seeded": draw_seeded, "original": draw_original}


def draw_dataset(
    *,
    study: str,
    model: str,
    necessity: str,
    merged: str,
    exclusions: str,
    existing: str | None,
    variant: str | None,
    card_file: str,
    summary_file: str,
    sweep: str,
    condition: str,
    method: str,
    seed: int,
    on_shortage: str,
    about: dict[str, str],
    made: dict[str, Any],
    targets: dict[str, int] | None = None,
    total: int | None = None,
    require: dict[str, Any] | None = None,
) -> None:
    """Write the dataset folder around `card_file`, and the summary.

    Draws to `targets` per stratum, or `total` problems in proportion to what passed. `about` is
    what its publisher says of it, as `publish.about` holds it; `made` is what decided
    the rows, for the card. Raises BadInput for a shortage when `on_shortage` is `fail`; the files
    are written before. Raises it too when `require` asks for a net effect and there is none.
    """
    rows = tables.read(necessity, NECESSITY).to_pylist()
    if require and require.get("net"):
        require_net(rows, condition, _OTHERWISE)
    kept, repeated = read_existing(existing, variant) if existing else ([], [])
    fresh = new_rows(rows, kept, model, sweep, condition)
    if targets is None:
        had = Counter(row["stratum"] for row in kept)
        passed = had + Counter(row["stratum"] for row in fresh)
        targets = shared_out(total, passed, (row["stratum"] for row in rows), had)
    found = DRAWS[method](kept, fresh, targets, seed)
    table = tables.read(merged, MERGED, MERGED_COLUMNS)
    excluded = json.loads(Path(exclusions).read_text(encoding="utf-8"))
    facts = CardFacts(
        title=f"{study}: problems that {model} solves with its chain of thought, not without",
        model=model,
        sweep=sweep,
        condition=condition,
        rows=rows,
        drawn=found.rows,
        strata=found.strata,
        controls=controls(table, rows, sweep, condition),
        failures=failures(table, sweep),
        cut_off=cut_off(table, sweep),
        provenance=_ordered(made | excluded | {"draw": _rule(targets, total, method, seed)}),
        about=about,
        total=total,
        repeated=repeated,
    )
    folder = Path(card_file).parent
    write_dataset(folder, found.rows, card(facts), tables.provenance(necessity))
    _describe(folder, facts)
    place = f"results/{study}/dataset/{model}"
    write_text(summary_file, summary(rows, found.strata, place, total))
    _report_shortage(found, total, on_shortage)


def _describe(folder: Path, facts: CardFacts) -> None:
    columns = {name: meaning for names, meaning in COLUMNS for name in names}
    told = Described(facts.title, opening(facts), KEYWORDS, "problems", columns, facts.about)
    write_croissant(folder, PARQUET, DATASET, (JSON,), told)


_ORDER = (
    "cotsieve", "sources", "select", "left_out", "exclusions", "repeated_questions", "strata",
    "existing",
    "results", "model", "decoding", "conditions", "conditions otherwise", "reference", "sieve",
    "grading", "grader libraries", "draw", "libraries", "engine",
)  # fmt: skip
"""From the problems to the draw; the long list of the engine's code comes last."""


def _ordered(told: dict[str, Any]) -> dict[str, Any]:
    """The same in an order to read it in; what is not foreseen comes first."""
    place = {name: index for index, name in enumerate(_ORDER)}
    return {name: told[name] for name in sorted(told, key=lambda name: place.get(name, -1))}


def _rule(targets: dict[str, int], total: int | None, method: str, seed: int) -> dict[str, Any]:
    asked = {} if total is None else {"total": total}
    return {**asked, "targets": dict(targets), "method": method, "seed": seed}


def _report_shortage(found: Draw, total: int | None, on_shortage: str) -> None:
    otherwise = ", or set draw.on_shortage to warn" if on_shortage == "fail" else ""
    short = [
        Finding(
            f"draw.targets.{count.stratum}",
            f"{count.drawn} of {count.target} problems drawn",
            f"Test more problems, or lower the target{otherwise}.",
        )
        for count in found.strata
        if count.missing
    ]
    if total is not None and len(found.rows) < total:  # the targets were cut to what there is
        what = f"{len(found.rows)} of {total} problems drawn"
        mend = f"Test more problems, or lower the total{otherwise}."
        short.append(Finding("draw.total", what, mend))
    if short and on_shortage == "fail":
        raise BadInput(short)
    for finding in short:
        log.warning("%s", finding)
