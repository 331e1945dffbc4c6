"""How much was written: quantiles of the tokens of each condition."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.rollouts.schema import BASELINE

QUANTILES = (5, 25, 50, 75, 95)


def written_lengths(
    merged: pa.Table, conditions: Mapping[str, Iterable[str]]
) -> list[dict[str, Any]]:
    """Tokens written per sweep and condition, in the order of `conditions`.

    Counts what the model wrote itself, thought and answer. Without token ids (imported results)
    there is nothing to count, and the condition is left out. The baselines of all sweeps are the
    same rollouts: the first stands for them. `cut` counts the rollouts that ended at the token
    limit, `ended` those with an answer: in the others a written thought never ended.
    """
    tokens = pc.list_value_length(merged["token_ids"])
    table = merged.select(["sweep", "condition", "finish_reason", "answer_text"]).append_column(
        "tokens", tokens
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for sweep, names in conditions.items():
        of_sweep = table.filter(pc.field("sweep") == sweep)
        for condition in names:
            place = ("" if condition == BASELINE else sweep, condition)
            rows = of_sweep.filter(pc.field("condition") == condition)
            values = rows["tokens"].drop_null().to_numpy()
            if len(values) and place not in found:
                cut = pc.sum(pc.equal(rows["finish_reason"], "length")).as_py() or 0
                ended = len(rows) - rows["answer_text"].null_count
                about = {"sweep": sweep, "condition": condition, "rows": len(values)}
                found[place] = about | {"cut": cut, "ended": ended} | _quantiles(values)
    return list(found.values())


def _quantiles(values: np.ndarray) -> dict[str, float]:
    cuts = np.percentile(values, QUANTILES)
    found = {f"p{q}": round(float(cut), 2) for q, cut in zip(QUANTILES, cuts, strict=True)}
    return found | {"mean": round(float(values.mean()), 2), "max": int(values.max())}
