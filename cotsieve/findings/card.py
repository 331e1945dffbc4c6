"""The dataset card: what a row is, what it means and does not, how it was made, how often."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cotsieve.findings.controls import HOW_TO_READ, Control, Failure
from cotsieve.findings.dataset import COLUMNS
from cotsieve.findings.markdown import cell, code, in_yaml, number, some, table
from cotsieve.findings.necessity import Rates, rates
from cotsieve.findings.publisher import citation, language, licence, licence_told
from cotsieve.findings.strata import StratumCount
from cotsieve.findings.summary import side_by_side
from cotsieve.rollouts.schema import BASELINE

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
KEYWORDS = ("math", "chain-of-thought", "interpretability", "reasoning")
_MOST_REASONS = 50


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


def card(facts: CardFacts) -> str:
    """The text of the dataset's README.md; no dates, so equal facts give equal bytes."""
    sections = [
        _header(facts),
        f"# {facts.title}",
        opening(facts),
        "## What a row is\n\n" + _ROW.format(columns=_columns()),
        "## What `needs_cot` means\n\n" + _meaning(facts),
        "## Counts by stratum\n\n" + _counts(facts),
        "## Rates\n\n" + _rates(facts),
        "## Other conditions on the same problems\n\n" + _controls(facts),
        "## Failed rollouts\n\n" + _failures(facts.failures),
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
    if existing:
        text += (
            f" {existing:,} were known before and are kept (`is_existing`): their outcome was "
            "taken from a file and not measured again."
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


def _counts(facts: CardFacts) -> str:
    header = [
        "stratum",
        "problems",
        "baseline right",
        "ablated right",
        "needs CoT",
        "existing",
        "target",
        "drawn",
        "missing",
    ]
    lines = []
    for found, count in side_by_side(rates(facts.rows, "stratum"), facts.strata):
        tested = [found.problems, *_right(found)] if found else [0] * 4
        target = None if count is None else count.target
        kept = [count.existing, target, count.drawn, count.missing] if count else [0, None, 0, 0]
        name = cell(found.group if found else count.stratum)
        lines.append([name, *map(number, [*tested, *kept])])
    reached = _shortages(facts.strata) if facts.total is None else _shares_of(facts)
    return table(header, lines) + "\n\n" + reached


def _right(found: Rates) -> list[int]:
    return [found.baseline_correct.count, found.ablated_correct.count, found.needs_cot.count]


def _shortages(strata: Sequence[StratumCount]) -> str:
    short = [count for count in strata if count.missing]
    lines = [
        f"- {cell(count.stratum)}: {count.drawn:,} of {count.target:,}, all there are: "
        f"{count.existing:,} existing and {count.new:,} new."
        for count in short
    ]
    if lines:
        return "\n".join(["Strata that fall short of their target:", "", *lines])
    if any(count.target is not None for count in strata):
        return "Every stratum reaches its target."
    return "No stratum has a target."


def _shares_of(facts: CardFacts) -> str:
    asked = f"The study asks for {facts.total:,} problems in all (`draw.total`). "
    if len(facts.drawn) > facts.total:
        return f"{asked}There are more, since all that were known before are kept."
    if len(facts.drawn) < facts.total:
        return f"{asked}There are {len(facts.drawn):,}, and all of them are here."
    return f"{asked}Each target is the share of its stratum, in proportion to what passed."


def _rates(facts: CardFacts) -> str:
    header = ["problems", "graded", "baseline right", "ablated right", "needs CoT"]
    header.append("needs CoT, of baseline right")
    parts = ["Shares with Wilson's 95 % intervals. Failed problems are in no share."]
    for by in ("stratum", "source"):
        groups = [*rates(facts.rows, by), *rates(facts.rows)]
        lines = [
            [cell(group.group), number(group.problems), number(group.needs_cot.total)]
            + [str(share) for share in group[3:]]
            for group in groups
        ]
        parts.append(table([by, *header], lines))
    if facts.cut_off:
        parts.append(
            f"**Cut off.** {facts.cut_off:,} rollouts of the baseline ended at the limit of tokens "
            "and are judged by what they had come to. Where an ablation is given the chain of "
            "thought, all of the limit is left for its answer."
        )
    trained = sorted({row["source"] for row in facts.rows if "train" in row["source"].lower()})
    if trained:
        names = ", ".join(map(code, trained))
        parts.append(
            f"**Training data.** {names} may have been seen in training: the published CODI "
            "models were trained on an augmentation of the GSM8K train split. Such problems are "
            "right at baseline more often, so more of them are found to need a chain of thought. "
            "Compare rates within a source, not across sources."
        )
    return "\n\n".join(parts)


def _controls(facts: CardFacts) -> str:
    if not facts.controls:
        return "The sweep has no other conditions."
    marks = {BASELINE: " (no intervention)", facts.condition: " (decides `needs_cot`)"}
    lines = [
        [
            code(control.condition) + marks.get(control.condition, ""),
            str(control.correct),
            str(control.broken),
            str(control.broken_of_needed),
        ]
        for control in facts.controls
    ]
    header = ["condition", "right", "broken, of baseline right", "broken, of needs CoT"]
    others = {control.condition for control in facts.controls} - {BASELINE, facts.condition}
    text = (
        f"Conditions of sweep {code(facts.sweep)} on the {facts.controls[0].correct.total:,} "
        'problems that failed under none of them. "Broken" means not right any more.\n\n'
    )
    text += table(header, lines)
    if others:
        text += f"\n\n{HOW_TO_READ}"
    else:
        text += "\n\nNo control was run: the ablation's effect has nothing to be compared with."
    return text


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return "None."
    groups: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        groups.setdefault((failure.condition, failure.error), []).append(failure.problem_id)
    lines = [
        [code(condition), cell(error), number(len(ids)), cell(some(list(dict.fromkeys(ids))))]
        for (condition, error), ids in list(groups.items())[:_MOST_REASONS]
    ]
    text = f"{len(failures):,} rollouts failed. They count as neither right nor wrong.\n\n"
    text += table(["condition", "reason", "rollouts", "problems"], lines)
    if len(groups) > _MOST_REASONS:
        text += f"\n\nAnd {len(groups) - _MOST_REASONS:,} more reasons."
    return text


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
