"""The reasoning a model was given to read, made again as text from the traces in its tables."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.answers.boxed import last_box
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.changed import changed_span, changed_thought, kind_of
from cotsieve.report.facts.inputs import ModelTables
from cotsieve.rollouts.schema import BASELINE

Key = tuple[str, int]
"""Problem id and sample."""
Row = Mapping[str, Any]
_READ = (
    "problem_id", "sample", "condition", "text", "answer_text", "answer", "donor",
    "changed_start", "changed_end", "finish_reason",
)  # fmt: skip


class GivenTexts:
    """What stood in the think block under every condition of a sweep of a reasoning model."""

    def __init__(self, tables: ModelTables, problems: pa.Table, sweep: str):
        """The baseline's own thought, or the one that came with the problem, is what is changed."""
        self._tables, self._sweep = tables, sweep
        ids, texts = (problems[name].to_pylist() for name in ("problem_id", "reasoning"))
        self._brought = dict(zip(ids, texts, strict=True)) if tables.given else {}
        self._baseline = {(row["problem_id"], row["sample"]): row for row in self._rows(BASELINE)}

    def under(self, condition: str) -> dict[Key, str]:
        """Each problem and sample → its text; without those that have none or cannot be made
        again, which is seen by the span that the row tells of."""
        definition = self._tables.definition(self._sweep, condition)
        found = {}
        for row in self._rows(condition):
            key = row["problem_id"], row["sample"]
            if row["finish_reason"] == "failed" or key not in self._baseline:
                continue
            text = self._made(definition, row, key)
            if text is not None:
                found[key] = text
        return found

    def _rows(self, condition: str) -> list[Row]:
        wanted = (pc.field("sweep") == self._sweep) & (pc.field("condition") == condition)
        return self._tables.merged.filter(wanted).select(_READ).to_pylist()

    def _made(self, definition: Mapping[str, Any] | None, row: Row, key: Key) -> str | None:
        before = self._thought(key)
        if before is None or definition is None:
            return before
        after = self._changed(definition, row, before, self._baseline[key])
        if after is None:
            return None
        told = row["changed_start"], row["changed_end"]
        return after if (changed_span(before, after) or (None, None)) == told else None

    def _changed(
        self, definition: Mapping[str, Any], row: Row, before: str, baseline: Row
    ) -> str | None:
        if kind_of(definition) == "swap":
            return self._thought((row["donor"], 0))
        if "operation" in definition:
            return before
        if "fraction" in definition:
            return before if row["changed_start"] is None else before[: row["changed_start"]]
        stated = last_box(baseline["answer_text"] or "") or row["answer"]
        try:
            return changed_thought(definition, before, row["problem_id"], stated)
        except BadInput:
            return None

    def _thought(self, key: Key) -> str | None:
        """What a trace reasons, without its answer; a tag may be a token without text."""
        if key[0] in self._brought:
            return self._brought[key[0]]
        row = self._baseline.get(key)
        if row is None or row["text"] is None:
            return None
        thought, tag, _ = row["text"].partition(self._tables.close)
        return thought if tag else row["text"].removesuffix(row["answer_text"] or "")
