"""What the page of anchors tells of a model: traces with their sentences, means, correlations."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import spearmanr, t

from cotsieve.findings.anchors.trace_rollouts import RESAMPLED

MEASURES = {
    "gain_resampled": "accuracy gained, rewritten",
    "gain_counterfactual": "accuracy gained, replaced by another",
    "gain_forced": "accuracy gained, answer forced",
    "shift_resampled_js": "answers moved, rewritten",
    "shift_counterfactual_js": "answers moved, replaced by another",
    "shift_forced_js": "answers moved, answer forced",
    "resilience": "comes back when left out",
    "gain_scored": "likelihood of the answer gained",
    "gain_unaltered": "likelihood lost when its numbers are altered",
    "true_thinking_score": "true thinking",
}
"""Column → what it is called."""
SCORED = ("gain_scored", "gain_unaltered", "true_thinking_score")
"""Those of scored answers."""
PARTS = 10
MOST_MEANINGS, MOST_PAIRS = 6, 40
_TOLD = (
    "text", "accuracy_without", "accuracy_without_low", "accuracy_without_high", "q_value",
    "rollouts", "valid", "errors", "tags", "depends_on", *MEASURES,
    "gain_resampled_low", "gain_resampled_high",
)  # fmt: skip

Row = Mapping[str, Any]


def anchor_facts(
    anchors: pa.Table,
    outcomes: Iterable[pa.Table],
    likeness: pa.Table,
    pairs: pa.Table | None,
    scores: pa.Table | None = None,
) -> dict[str, Any]:
    """Plain values: `traces`, `tags` and `positions` with means and intervals, `correlations`."""
    rows = _with_scores(anchors.to_pylist(), scores)
    shown = {
        name: told for name, told in MEASURES.items() if scores is not None or name not in SCORED
    }
    groups = _meanings(outcomes, likeness)
    arcs = _arcs(pairs)
    traces: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        traces[row["problem_id"], row["sample"]].append(row)
    return {
        "measures": shown,
        "traces": [_trace(name, found, groups, arcs) for name, found in traces.items()],
        "tags": _by_tag(traces),
        "labellers": sorted({row["labeller"] for row in rows if row["labeller"]}),
        "positions": _by_position(traces),
        "correlations": _correlations(rows, shown),
        "significant": sum((row["q_value"] or 1) < 0.05 for row in rows),
        "tested": sum(row["q_value"] is not None for row in rows),
    }


def _with_scores(rows: Sequence[Row], scores: pa.Table | None) -> list[Row]:
    """The rows with what scored answers tell of their sentences; nulls where nothing is known."""
    known = {}
    for row in scores.to_pylist() if scores is not None else ():
        known[row["problem_id"], row["sample"], row["sentence"]] = row
    return [
        row
        | {
            name: known.get((row["problem_id"], row["sample"], row["sentence"]), {}).get(name)
            for name in SCORED
        }
        for row in rows
    ]


def _trace(
    name: tuple[str, int], rows: Sequence[Row], groups: Mapping[Any, Any], arcs: Mapping[Any, Any]
) -> dict[str, Any]:
    return {
        "problem": name[0],
        "sample": name[1],
        "correct": rows[0]["base_correct"],
        "sentences": [
            {column: _short(row[column]) for column in _TOLD}
            | {"meanings": groups.get((*name, row["sentence"]), [])}
            for row in rows
        ],
        "pairs": arcs.get(name, []),
    }


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _meanings(outcomes: Iterable[pa.Table], likeness: pa.Table) -> dict[tuple, list[list]]:
    """Sentence → its largest groups of like replacements: an example, how many, their answers."""
    named = ("problem_id", "sample", "sentence", "rollout")
    meaning = {
        tuple(row[name] for name in named): row["meaning"]
        for row in likeness.select([*named, "meaning"]).to_pylist()
    }
    found: dict[tuple, dict[int, tuple[str, Counter]]] = defaultdict(dict)
    for table in outcomes:
        for row in table.select([*named, "kind", "replacement", "answer_class"]).to_pylist():
            group = meaning.get(tuple(row[name] for name in named))
            if row["kind"] != RESAMPLED or group is None or group >= MOST_MEANINGS:
                continue
            place = found[tuple(row[name] for name in named[:3])]
            _, answers = place.setdefault(group, (row["replacement"], Counter()))
            answers[row["answer_class"] or "no answer"] += 1
    return {
        name: [
            [example, answers.total(), answers.most_common(4)]
            for _, (example, answers) in sorted(groups.items())
        ]
        for name, groups in found.items()
    }


def _arcs(pairs: pa.Table | None) -> dict[tuple[str, int], list[list]]:
    """Trace → its strongest pairs: source, target, importance."""
    found: dict[tuple[str, int], list[list]] = defaultdict(list)
    for row in pairs.to_pylist() if pairs is not None else ():
        if row["importance"] and row["importance"] > 0:
            arc = [row["source"], row["target"], round(row["importance"], 3)]
            found[row["problem_id"], row["sample"]].append(arc)
    return {
        name: sorted(arcs, key=lambda arc: (-arc[2], arc))[:MOST_PAIRS]
        for name, arcs in found.items()
    }


def _by_tag(traces: Mapping[Any, Sequence[Row]]) -> list[dict[str, Any]]:
    """Mean gain per first tag: of traces first, then over them (spec of the publication)."""
    return _grouped(traces, lambda row: row["tags"][0] if row["tags"] else None)


def _by_position(traces: Mapping[Any, Sequence[Row]]) -> list[dict[str, Any]]:
    """Mean gain per tenth of the trace."""

    def part(row: Row) -> int:
        last = row["sentences"] - 1
        share = row["sentence"] / last if last else 0.5
        return min(PARTS - 1, int(share * PARTS))

    return _grouped(traces, part)


def _grouped(traces: Mapping[Any, Sequence[Row]], group_of: Any) -> list[dict[str, Any]]:
    means: dict[Any, list[float]] = defaultdict(list)
    for rows in traces.values():
        inside: dict[Any, list[float]] = defaultdict(list)
        for row in rows:
            if group_of(row) is not None and row["gain_resampled"] is not None:
                inside[group_of(row)].append(row["gain_resampled"])
        for group, values in inside.items():
            means[group].append(float(np.mean(values)))
    return [
        {"group": group, "traces": len(values), **_mean(values)}
        for group, values in sorted(means.items())
    ]


def _mean(values: Sequence[float]) -> dict[str, float | None]:
    """The mean over traces with its 95 % t-interval, which one trace does not have."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "low": None, "high": None}
    half = float(t.ppf(0.975, count - 1) * np.std(values, ddof=1) / sqrt(count))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _correlations(rows: Sequence[Row], measures: Iterable[str]) -> list[list[float | None]]:
    """Spearman's rank correlation of the measures over all sentences."""
    columns = [[row[name] for row in rows] for name in measures]
    return [[_correlation(one, other) for other in columns] for one in columns]


def _correlation(one: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    known = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(known) < 4 or any(len(set(values)) < 2 for values in zip(*known, strict=True)):
        return None
    return float(spearmanr(*zip(*known, strict=True)).statistic)
