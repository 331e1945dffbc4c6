"""How much was written: quantiles of the tokens of each condition."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

QUANTILES = (5, 25, 50, 75, 95)


def written_lengths(merged: pa.Table) -> list[dict[str, Any]]:
    """Tokens written per sweep and condition, in the order of the merged table.

    Counts what the model wrote itself, thought and answer. Without token ids (imported results)
    there is nothing to count, and the condition is left out. `cut` counts the rollouts that ended
    at the token limit.
    """
    tokens = pc.list_value_length(merged["token_ids"])
    table = merged.select(["sweep", "condition", "finish_reason"]).append_column("tokens", tokens)
    found = []
    for sweep, condition in _pairs(table):
        rows = table.filter((pc.field("sweep") == sweep) & (pc.field("condition") == condition))
        values = rows["tokens"].drop_null().to_numpy()
        if len(values):
            cut = pc.sum(pc.equal(rows["finish_reason"], "length")).as_py() or 0
            place = {"sweep": sweep, "condition": condition}
            found.append(place | {"rows": len(values), "cut": cut} | _quantiles(values))
    return found


def _pairs(table: pa.Table) -> list[tuple[str, str]]:
    names = table.group_by(["sweep", "condition"], use_threads=False).aggregate([])
    return list(zip(names["sweep"].to_pylist(), names["condition"].to_pylist(), strict=True))


def _quantiles(values: np.ndarray) -> dict[str, float]:
    cuts = np.percentile(values, QUANTILES)
    found = {f"p{q}": round(float(cut), 2) for q, cut in zip(QUANTILES, cuts, strict=True)}
    return found | {"mean": round(float(values.mean()), 2), "max": int(values.max())}
