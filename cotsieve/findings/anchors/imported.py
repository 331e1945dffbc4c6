"""Published rollouts as the tables of this workflow: sentences, texts, and what became of them."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from cotsieve.findings.anchors.published import Entry, PublishedTrace
from cotsieve.findings.anchors.trace_rollouts import RESAMPLED
from cotsieve.ground.seeds import digest
from cotsieve.interventions.places import placed
from cotsieve.interventions.prefixes import unit_id
from cotsieve.rollouts.schema import ROLLOUTS

TRACES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("folder", pa.string()),
        ("problem", pa.string()),  # as JSON, like
        ("base", pa.string()),
        ("thought", pa.string()),
        ("chunks", pa.list_(pa.string())),
        ("labels", pa.string()),  # as JSON, or null
    ]
)
"""What is published of a trace besides rollouts; kept for the way back."""

Row = dict[str, Any]


def sentences_of_published(trace: PublishedTrace, every: int | None = None) -> Iterator[Row]:
    """Rows of SENTENCES; offsets where the published sentences are those of the thought.

    Chosen are those with rollouts, or where these are to be completed each `every`-th and the last.
    """
    last = len(trace.chunks) - 1
    places = placed(trace.thought)
    same = [place.text for place in places] == trace.chunks
    for number, text in enumerate(trace.chunks):
        yield {
            "problem_id": trace.problem_id,
            "sample": 0,
            "sentence": number,
            "sentences": len(trace.chunks),
            "text": text,
            "start": places[number].start if same else None,
            "end": places[number].end if same else None,
            "first_token": None,
            "end_token": None,
            "chosen": (number % every == 0 or number == last)
            if every
            else number in trace.rollouts,
            "base_correct": trace.base.get("is_correct"),
            "base_answer": trace.base.get("answer"),
            "reference_answer": str(trace.problem["gt_answer"]),
        }


def texts_of_published(trace: PublishedTrace, kind: str) -> pa.Table:
    """Rows of ROLLOUTS for its rollouts of one kind, failed ones among them."""
    found = trace.rollouts if kind == RESAMPLED else trace.forced
    rows = [
        _text_row(trace, kind, sentence, number, entry)
        for sentence, entries in found.items()
        for number, entry in enumerate(entries)
    ]
    return pa.Table.from_pylist(rows, schema=ROLLOUTS)


def _text_row(trace: PublishedTrace, kind: str, sentence: int, number: int, entry: Entry) -> Row:
    failed = "error" in entry
    name = unit_id(trace.problem_id, 0, sentence)
    return dict.fromkeys(ROLLOUTS.names) | {
        "problem_id": name,
        "condition": kind,
        "sample": number,
        "text": None if failed else entry.get("rollout", ""),
        "finish_reason": "failed" if failed else "imported",
        "error": str(entry["error"]) if failed else None,
        "imported_prediction": None if failed else str(entry.get("answer") or ""),
        "row_key": digest("published rollout", name, kind, number, entry),
    }


def trace_row(trace: PublishedTrace) -> Row:
    """The row of TRACES."""
    return {
        "problem_id": trace.problem_id,
        "folder": trace.folder,
        "problem": json.dumps(dict(trace.problem)),
        "base": json.dumps(dict(trace.base)),
        "thought": trace.thought,
        "chunks": trace.chunks,
        "labels": json.dumps(trace.labels) if trace.labels is not None else None,
    }


def label_rows(trace: PublishedTrace) -> Iterator[Row]:
    """Rows of LABELS from the published labels, where there are any."""
    for label in trace.labels or []:
        yield {
            "problem_id": trace.problem_id,
            "sample": 0,
            "sentence": label["chunk_idx"],
            "tags": label.get("function_tags", []),
            "depends_on": [int(other) for other in label.get("depends_on", [])],
            "summary": label.get("summary"),
            "labeller": "published",
        }
