"""Tables of this workflow as published traces again, for the way out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from cotsieve.findings.anchors.export import entry, failed_entry
from cotsieve.findings.anchors.published import Entry, PublishedTrace
from cotsieve.findings.anchors.reference import MEASURES
from cotsieve.findings.anchors.trace_rollouts import FORCED, RESAMPLED
from cotsieve.interventions.places import first_sentence
from cotsieve.interventions.prefixes import parsed_unit, prefix, unit_id
from cotsieve.interventions.prompts import THOUGHT_ANCHORS

PUBLISHED_FORCE = "\n</think>\n\nTherefore, the final answers is \\boxed{"
"""What the publication wrote between a thought and the answer that it forced."""

Row = Mapping[str, Any]


def published_trace(row: Row) -> PublishedTrace:
    """A row of TRACES as the trace that was imported, without its rollouts."""
    return PublishedTrace(
        row["problem_id"],
        row["folder"],
        json.loads(row["problem"]),
        json.loads(row["base"]),
        row["chunks"],
        row["thought"],
        {},
        labels=json.loads(row["labels"]) if row["labels"] else None,
    )


def own_trace(problem: Row, sample: Row, sentences: Sequence[Row], style: Row) -> PublishedTrace:
    """A trace of a model that was run, without its rollouts; `style` is how it marks reasoning.

    The level is written as in MATH, what a source does not tell is left empty.
    """
    first = sentences[0]
    before, after = "", f"{style['instruction']} "
    if style["prompt"] == "thought-anchors":
        before, after = THOUGHT_ANCHORS
    prompt = f"{before}{problem['question']}{after}{style['open']}\n"
    level = f"Level {problem['level']}" if problem["level"] else ""
    base = {
        "prompt": prompt,
        "solution": sample["text"],
        "full_cot": prompt + sample["text"],
        "answer": first["base_answer"] or "",
        "is_correct": first["base_correct"],
    }
    told = {
        "problem": problem["question"],
        "level": level,
        "type": problem["subject"] or "",
        "gt_solution": problem["solution"] or "",
        "gt_answer": problem["answer"],
    }
    kind = "correct" if first["base_correct"] else "incorrect"
    return PublishedTrace(
        problem["problem_id"],
        f"{kind}_base_solution/problem_{problem['problem_id']}.{sample['sample']}",
        told,
        base,
        [row["text"] for row in sentences],
        sample["text"].partition(style["close"])[0].strip(),
        {},
        labels=[],
    )


def with_rollouts(
    traces: Iterable[PublishedTrace],
    outcomes: Iterable[pa.Table],
    texts: Iterable[pa.Table],
    measured: pa.Table,
    told: Mapping[str, Any],
) -> Iterator[PublishedTrace]:
    """The traces with their rollouts, those of a trace at a time.

    `told` holds `style`, None for a published model, and `prefix`, the form of what was read.
    """
    ends = {
        (
            unit_id(row["problem_id"], row["sample"], row["sentence"]),
            row["kind"],
            row["rollout"],
        ): row
        for table in outcomes
        for row in table.to_pylist()
    }
    written: dict[tuple[str, int], list[Row]] = {}
    for table in texts:
        for row in table.select(["problem_id", "condition", "sample", "text"]).to_pylist():
            written.setdefault(parsed_unit(row["problem_id"])[:2], []).append(row)
    labels: dict[tuple[str, int], list[Row]] = {}
    for row in measured.to_pylist():
        labels.setdefault((row["problem_id"], row["sample"]), []).append(row)
    for name, trace in zip(labels, traces, strict=True):
        kinds: dict[str, dict[int, list[Entry]]] = {RESAMPLED: {}, FORCED: {}}
        for row in written.get(name, []):
            sentence = parsed_unit(row["problem_id"])[2]
            end = ends[row["problem_id"], row["condition"], row["sample"]]
            found = kinds[row["condition"]].setdefault(sentence, [])
            found.append(_entry(trace, sentence, row, end, told))
        own = None if told["style"] is None else [_label(row) for row in labels[name]]
        yield replace(
            trace,
            rollouts=kinds[RESAMPLED],
            forced=kinds[FORCED],
            labels=trace.labels if own is None else own,
        )


def _entry(
    trace: PublishedTrace, sentence: int, row: Row, end: Row, told: Mapping[str, Any]
) -> Entry:
    style = told["style"]
    form = "reference" if style is None or told["prefix"] == "reference" else "joined"
    before, removed = prefix(trace.chunks, sentence, form), trace.chunks[sentence]
    if row["text"] is None:
        return failed_entry(removed, before, end["error"] or "failed")
    force = PUBLISHED_FORCE if style is None else f"\n{style['close']}{style['forced_answer']}"
    prompt = trace.base["prompt"] + before + (force if row["condition"] == FORCED else "")
    replacement = end["replacement"] or first_sentence(row["text"]) or ""
    return entry(
        removed,
        before,
        prompt,
        row["text"],
        replacement,
        end["published_answer"],
        end["published_correct"],
    )


def _label(row: Row) -> Entry:
    """An entry of chunks_labeled.json, with the zeros that the publication has for undefined."""
    found = {
        "chunk": row["text"],
        "chunk_idx": row["sentence"],
        "function_tags": row["tags"] or [],
        "depends_on": [str(other) for other in row["depends_on"] or []],
    }
    forced = bool(row["forced"])
    names = [name for name in MEASURES if forced or not name.startswith("forced")]
    return found | {name: row[name] or 0.0 for name in names} | {"summary": row["summary"] or ""}
