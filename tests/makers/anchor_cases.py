"""The golden traces of "Thought Anchors", and made-up rollouts around sentences."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from cotsieve.findings.anchors.outcomes import judged, published_outcomes
from cotsieve.findings.anchors.published import PublishedTrace, published_traces
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES, RESAMPLED, Rollouts, rollouts_of


class Golden:
    """Problem 9001 with its rollouts and what the reference implementation makes of them."""

    def __init__(self, shared: Path):
        self.folder = shared / "golden" / "thought_anchors"
        (self.trace,) = published_traces(self.folder / "math_rollouts")
        told = self.folder / "expected" / "problem_9001_metrics.json"
        self.expected = json.loads(told.read_text())
        stored = np.load(self.folder / "expected" / "problem_9001_embeddings.npz")
        self.places = {text: place for place, text in enumerate(stored["texts"].tolist())}
        self.vectors = stored["embeddings"]
        self.outcomes = judged_outcomes(self.trace)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return self.vectors[[self.places[text] for text in texts]]

    def rollouts(self, kind: str) -> Rollouts:
        rows = of_kind(self.outcomes, kind)
        return rollouts_of(rows, len(self.trace.chunks), self._likeness(rows, kind))

    def _likeness(self, rows: pa.Table, kind: str) -> np.ndarray | None:
        if kind != RESAMPLED:
            return None
        pairs = zip(rows["sentence"].to_pylist(), rows["replacement"].to_pylist(), strict=True)
        return np.array([self._cosine(self.trace.chunks[n], text) for n, text in pairs])

    def _cosine(self, chunk: str, text: str | None) -> float:
        return np.nan if text is None else float(np.prod(self.embed([chunk, text]), 0).sum())


def judged_outcomes(trace: PublishedTrace, grader: str = "thought-anchors") -> pa.Table:
    reference = {trace.problem_id: str(trace.problem["gt_answer"])}
    return judged(published_outcomes(trace), reference, grader, 0, published=True)


def of_kind(outcomes: pa.Table, kind: str) -> pa.Table:
    return outcomes.filter(pa.compute.equal(outcomes["kind"], kind))


def outcome(sentence: int, rollout: int, answer: str | None, **more: object) -> dict:
    """A row of OUTCOMES; the answer 1 is right, "" is none, None a failure."""
    verdict = "correct" if answer == "1" else "incorrect" if answer else "no_answer"
    return dict.fromkeys(OUTCOMES.names) | {
        "problem_id": "p",
        "sample": 0,
        "sentence": sentence,
        "kind": RESAMPLED,
        "rollout": rollout,
        "status": "error" if answer is None else "valid" if answer else "empty",
        "published_answer": answer,
        "published_correct": None if answer is None else answer == "1",
        "prediction": answer or None,
        "verdict": "failed" if answer is None else verdict,
        "answer_class": answer or None,
        "replacement": None if answer is None else f"written {rollout}",
    } | more  # fmt: skip


def made_up(*answers: Sequence[str | None], likeness: float = 0.0) -> Rollouts:
    """Rollouts around sentences that gave these answers."""
    rows = [
        outcome(sentence, number, answer)
        for sentence, some in enumerate(answers)
        for number, answer in enumerate(some)
    ]
    table = pa.Table.from_pylist(rows, schema=OUTCOMES)
    return rollouts_of(table, len(answers), np.full(len(rows), likeness))
