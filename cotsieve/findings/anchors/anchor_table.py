"""The table of anchors: one row per sentence of a trace, with every measure of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cotsieve.findings.anchors.importance import Measuring, importance
from cotsieve.findings.anchors.likeness import LIKENESS
from cotsieve.findings.anchors.reference import MEASURES, Rule, measures
from cotsieve.findings.anchors.trace_rollouts import (
    FORCED,
    RESAMPLED,
    rollouts_of,
    traces_in,
)
from cotsieve.ground.faults import bad

SENTENCES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),  # which trace of the problem
        ("sentence", pa.int32()),  # from 0
        ("sentences", pa.int32()),  # of the trace
        ("text", pa.string()),
        ("start", pa.int32()),  # of its first character in the thought
        ("end", pa.int32()),  # behind its last character
        ("first_token", pa.int32()),  # of the thought; null where the tokens are not known
        ("end_token", pa.int32()),  # behind its last token
        ("chosen", pa.bool_()),  # whether there are to be rollouts around it
        ("base_correct", pa.bool_()),
        ("base_answer", pa.string()),
        ("reference_answer", pa.string()),
    ]
)
"""The sentences of the traces that are looked at, in order."""
_TOLD = ("problem_id", "sample", "sentence", "sentences", "text", "start", "end", "first_token",
         "end_token", "base_correct")  # fmt: skip
_COUNTS = ("rollouts", "valid", "errors", "unfinished", "empty", "dissimilar", "forced")
_KINDS = ("resampled", "counterfactual", "forced")
_OWN = (
    "accuracy_with",
    "accuracy_without",
    "accuracy_without_low",
    "accuracy_without_high",
    *(f"gain_{kind}{end}" for kind in _KINDS for end in ("", "_low", "_high")),
    *(f"shift_{kind}_{measure}" for kind in _KINDS for measure in ("kl", "js", "tv")),
    "p_value",
    "q_value",
)
LABELS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("sentence", pa.int32()),
        ("tags", pa.list_(pa.string())),
        ("depends_on", pa.list_(pa.int32())),
        ("summary", pa.string()),
        ("labeller", pa.string()),
    ]
)
ANCHORS = pa.schema(
    [
        *(SENTENCES.field(name) for name in _TOLD),
        *((name, pa.float64()) for name in MEASURES),  # as published, null where undefined
        ("until", pa.int32()),  # the next sentence with rollouts, which this one is compared with
        *((name, pa.float64()) for name in _OWN),  # gains above zero: the sentence helps
        ("meanings", pa.int32()),  # groups of like replacements
        ("resilience", pa.float64()),  # share of rollouts that write the sentence all the same
        *((name, pa.int32()) for name in _COUNTS),
        *(LABELS.field(name) for name in ("tags", "depends_on", "summary", "labeller")),
    ]
)


def anchors(
    sentences: pa.Table,
    outcomes: Iterable[pa.Table],
    likeness: pa.Table,
    how: Measuring,
    pairs: pa.Table | None = None,
    labels: pa.Table | None = None,
) -> pa.Table:
    """Rows of ANCHORS for the traces of `outcomes`, in their order.

    `likeness` has a row for every resampled rollout, in the same order. Raises BadInput where it
    belongs to other rollouts.
    """
    texts = {name: rows for name, rows in traces_in(sentences)}
    alike = {name: rows for name, rows in traces_in(likeness)}
    returns = _resilience(pairs)
    named = {} if labels is None else {name: rows for name, rows in traces_in(labels)}
    found = [ANCHORS.empty_table()]
    for part in outcomes:
        for name, rows in traces_in(part):
            beside = alike.get(name, LIKENESS.empty_table())
            trace = _trace(name, texts[name], rows, beside, how)
            trace["resilience"] = pa.array(
                [returns.get((*name, n)) for n in range(len(texts[name]))], pa.float64()
            )
            found.append(_table(trace, texts[name], named.get(name)))
    return pa.concat_tables(found)


def _trace(
    name: tuple[str, int], texts: pa.Table, rows: pa.Table, likeness: pa.Table, how: Measuring
) -> dict[str, Any]:
    resampled = rows.filter(pc.equal(rows["kind"], RESAMPLED))
    key = ["sentence", "rollout"]
    if not resampled.select(key).equals(likeness.select(key)):
        what = f"it is not that of the rollouts of problem {name[0]}, trace {name[1]}"
        raise bad("likeness of sentences", what, "Run the workflow again.")
    forced = rows.filter(pc.equal(rows["kind"], FORCED))
    size = len(texts)
    cosines = pc.fill_null(likeness["cosine"], np.nan).to_numpy()
    ours = rollouts_of(resampled, size, cosines)
    answers = rollouts_of(forced, size) if len(forced) else None
    found = measures(ours, answers, Rule(threshold=how.threshold))
    found |= importance(name, ours, answers, how)
    groups = pc.fill_null(likeness["meaning"], -1).to_numpy().astype(np.int64)
    kinds = np.zeros(size, np.int64)
    np.maximum.at(kinds, likeness["sentence"].to_numpy(), groups + 1)
    return {column: _nulled(values) for column, values in found.items()} | {"meanings": kinds}


def _nulled(values: NDArray) -> pa.Array:
    if values.dtype.kind == "f":
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values, mask=values < 0)


def _table(found: dict[str, Any], texts: pa.Table, labels: pa.Table | None) -> pa.Table:
    columns = {name: texts[name] for name in _TOLD} | found
    for name in ("tags", "depends_on", "summary", "labeller"):
        kind = ANCHORS.field(name).type
        columns[name] = pa.nulls(len(texts), kind) if labels is None else labels[name]
    arrays = [pa.chunked_array(columns[name]) if isinstance(columns[name], list) else columns[name]
              for name in ANCHORS.names]  # fmt: skip
    return pa.table(arrays, names=ANCHORS.names).cast(ANCHORS)


def _resilience(pairs: pa.Table | None) -> Mapping[tuple[str, int, int], float]:
    """Share of rollouts around each sentence that write it all the same."""
    if pairs is None:
        return {}
    same = pairs.filter(pc.equal(pairs["source"], pairs["target"]))
    columns = (same[name].to_pylist() for name in ("problem_id", "sample", "source"))
    names = zip(*columns, strict=True)
    return dict(zip(names, same["match_without"].to_pylist(), strict=True))
