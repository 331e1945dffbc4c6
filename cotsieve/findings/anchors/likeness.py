"""How alike two sentences are: cosines of their embeddings, and groups of like meaning."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cotsieve.findings.anchors.trace_rollouts import RESAMPLED

LIKENESS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("sentence", pa.int32()),
        ("rollout", pa.int32()),
        ("cosine", pa.float64()),  # of the sentence and what replaced it; null where it failed
        ("meaning", pa.int32()),  # number of its group of like replacements, the largest is 0
    ]
)
"""One row per resampled rollout."""

DIGITS = 6
"""Of a cosine: what lies behind may depend on the texts that were embedded together."""
LIKE = 0.8
"""Replacements of one meaning have this cosine with the first of their group."""

Vectors = NDArray[np.float32]
"""(texts, dimensions), of length 1 each."""
Embed = Callable[[Sequence[str]], Vectors]


def likeness_rows(
    outcomes: pa.Table, texts: Mapping[tuple[str, int, int], str], embed: Embed
) -> list[dict]:
    """Rows of LIKENESS for the resampled rollouts in `outcomes`, in their order.

    `texts` maps problem, sample and sentence to the sentence that was replaced. Every distinct text
    is embedded once.
    """
    rows = [row for row in outcomes.select(_READ).to_pylist() if row["kind"] == RESAMPLED]
    names = [(row["problem_id"], row["sample"], row["sentence"]) for row in rows]
    wanted = dict.fromkeys(row["replacement"] for row in rows if row["replacement"])
    wanted |= dict.fromkeys(texts[name] for name in names)
    places = {text: place for place, text in enumerate(wanted)}
    vectors = embed(list(wanted))
    groups: dict[tuple[str, int, int], list[int]] = {}
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        row["cosine"] = row["meaning"] = None
        if row["replacement"]:
            pair = vectors[[places[texts[name]], places[row["replacement"]]]]
            row["cosine"] = round(float(pair[0] @ pair[1]), DIGITS)
            groups.setdefault(name, []).append(number)
    for members in groups.values():
        found = meanings(vectors[[places[rows[member]["replacement"]] for member in members]])
        for member, meaning in zip(members, found, strict=True):
            rows[member]["meaning"] = meaning
    return [{name: row[name] for name in LIKENESS.names} for row in rows]


_READ = ["problem_id", "sample", "sentence", "kind", "rollout", "replacement"]


def meanings(vectors: Vectors, like: float = LIKE) -> list[int]:
    """The group of each text: that of the first leader it is like, or one of its own.

    Groups are numbered by size, equally large ones in the order of their first members.
    """
    leaders: list[int] = []
    homes = []
    for place, vector in enumerate(vectors):
        cosines = vectors[leaders] @ vector
        near = np.flatnonzero(cosines >= like)
        if len(near):
            homes.append(int(near[0]))
        else:
            homes.append(len(leaders))
            leaders.append(place)
    sizes = np.bincount(homes)
    ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return [int(ranks[home]) for home in homes]
