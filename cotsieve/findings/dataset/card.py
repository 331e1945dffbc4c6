"""The dataset card: what a row is, what it means and does not, how it was made, how often."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cotsieve.findings.dataset import card_tables
from cotsieve.findings.dataset.folder import COLUMNS
from cotsieve.findings.dataset.markdown import code, in_yaml
from cotsieve.findings.dataset.publisher import citation, language, licence, licence_told
from cotsieve.findings.dataset.strata import StratumCount
from cotsieve.findings.failure_kinds import Failure
from cotsieve.findings.necessity.controls import Control
from cotsieve.findings.necessity.judging import rates
from cotsieve.findings.necessity.net_effect import balance, doubt
from cotsieve.rollouts.schema import BASELINE

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_NAMED = 5
KEYWORDS = ("math", "chain-of-thought", "interpretability", "reasoning")


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All that a card tells; plain values, so that the same facts give the same text."""

    title: str
    model: str
    sweep: str
    condition: str
    """The ablation that decides `needs_cot`."""
    rows: Sequence[Mapping]
    """NECESSITY rows: every problem that was tested."""
    drawn: Sequence[Mapping]
    """Rows of the dataset."""
    strata: Sequence[StratumCount]
    controls: Sequence[Control]
    failures: Sequence[Failure]
    provenance: Mapping[str, object] = field(default_factory=dict)
    """Model revision, file hashes, prompt style, condition, decoding, versions, ... as plain
    values."""
    cut_off: int = 0
    """Baseline rollouts that ended at the limit of tokens."""
    total: int | None = None
    """Problems asked for over all strata, where the targets are shares of that."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What the publisher says of it, as `publish.about` holds it."""
    repeated: Sequence[tuple[int, int]] = ()
    """Pair ids of existing rows left out, and of the rows that have the same questions."""


def card(facts: CardFacts) -> str:
    """The text of the dataset's README.md; no dates, so equal facts give equal bytes."""
    sections = [
        _header(facts),
        f"# {facts.title}",
        opening(facts),
        "## What a row is\n\n" + _ROW.format(columns=_columns()),
        "## What `needs_cot` means\n\n" + _meaning(facts),
        "## Counts by stratum\n\n"
        + card_tables.counts(facts.rows, facts.strata, len(facts.drawn), facts.total),
        "## Rates\n\n" + card_tables.shares(facts.rows, facts.cut_off),
        "## Other conditions on the same problems\n\n"
        + card_tables.other_conditions(facts.controls, facts.sweep, facts.condition),
        "## Failed rollouts\n\n" + card_tables.failed(facts.failures),
        "## How it was made\n\n" + _provenance(facts.provenance),
        "## Licence\n\n" + _licence(facts),
        *citation(facts.about),
        "## How to load it\n\n" + _LOADING,
    ]
    return "\n\n".join(sections) + "\n"


_ROW = """\
One math word problem. `data/` holds every row under one schema:

{columns}

`dataset.json` holds the same rows with the keys of the published expansion study \
(GusSand/CoT_Exploration), for tools written for that file; answers are JSON numbers there."""

_LOADING = """\
```python
from datasets import load_dataset

problems = load_dataset("path/to/this/folder", split="train")
```"""


def _columns() -> str:
    lines = [f"| {', '.join(map(code, names))} | {meaning} |" for names, meaning in COLUMNS]
    return "\n".join(["| column | meaning |", "|---|---|", *lines])


def _header(facts: CardFacts) -> str:
    count = len(facts.drawn)
    size = next((name for most, name in _SIZES if count < most), "n>10M")
    header = {
        "pretty_name": facts.title,
        "license": licence(facts.about),
        "language": [language(facts.about)],
        "tags": list(KEYWORDS),
        "size_categories": [size],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    return f"---\n{in_yaml(header)}---"


def opening(facts: CardFacts) -> str:
    """What the dataset is, in two or three sentences."""
    existing = sum(row["is_existing"] for row in facts.drawn)
    if not facts.drawn:
        return _empty(facts)
    new = f". {len(facts.drawn) - existing:,} of them are" if existing else ","
    text = (
        f"{len(facts.drawn):,} math problems{new} drawn from {len(facts.rows):,} problems tested "
        f"{_place(facts)}: {code(facts.model)} answers them correctly, and no longer does when its "
        f"chain of thought is ablated ({code(facts.condition)})."
    )
    (found,) = rates(facts.rows)
    text += f" On balance, {balance(found.net)} (exact McNemar test, Newcombe's interval)."
    warning = doubt(found.net)
    if warning:
        text += f" **{warning}**"
    if existing:
        text += (
            f" {existing:,} were known before and are kept (`is_existing`): their outcome was "
            "taken from a file and not measured again."
        )
    if facts.repeated:
        pairs = ", ".join(f"{other} is {kept}" for other, kept in facts.repeated[:_NAMED])
        more = ", …" if len(facts.repeated) > _NAMED else ""
        rows = "row" if len(facts.repeated) == 1 else "rows"
        text += (
            f" {len(facts.repeated):,} {rows} of that file asked what another row asks, and are "
            f"left out (by pair_id: {pairs}{more})."
        )
    return text


def _place(facts: CardFacts) -> str:
    """Where its problems were tested."""
    return "in a run that was imported" if "results" in facts.provenance else "here"


def _empty(facts: CardFacts) -> str:
    (found,) = rates(facts.rows)
    return (
        f"No problems: this dataset is empty. Of {found.problems:,} problems tested "
        f"{_place(facts)} {code(facts.model)} answers {found.baseline_correct.count:,} correctly, "
        f"and of these {found.needs_cot.count:,} no longer when its chain of thought is ablated "
        f"({code(facts.condition)})."
    )


def _meaning(facts: CardFacts) -> str:
    return (
        f"`needs_cot` says: **this perturbation breaks a correct answer.** The model was right "
        f"without intervention ({code(BASELINE)}) and not right, or without any answer, under "
        f"{code(facts.condition)} in sweep {code(facts.sweep)}.{_sampled(facts.rows)}\n\n"
        "It does not say that the problem cannot be solved without a chain of thought: not by "
        "this model under another perturbation, and not by another model. A perturbation also "
        "does harm that has nothing to do with the thoughts it removes, and it leaves some traces "
        "of them in place. Read it together with the other conditions below."
    )


def _sampled(rows: Iterable[Mapping]) -> str:
    samples = max((row["samples"] or 1 for row in rows), default=1)
    if samples == 1:
        return ""
    return (
        f" Each was run {samples} times per problem, and counts as right when at least half of "
        "the runs that did not fail are."
    )


def _provenance(provenance: Mapping[str, object]) -> str:
    if not provenance:
        return "Nothing was recorded."
    plain = json.loads(json.dumps(provenance))  # YAML would mark repeated and refuse tuple values
    return f"```yaml\n{in_yaml(plain)}```"


def _licence(facts: CardFacts) -> str:
    text = licence_told(facts.about)
    text += (
        "Questions and solutions stay under the licences of their sources. GSM8K is MIT-licensed; "
        "check the terms of every other source before you publish this folder."
    )
    if any(row["is_existing"] for row in facts.drawn):
        text += (
            " Rows with `is_existing` come from a file of earlier results, which may have terms "
            "of its own."
        )
    return text
