"""The built-in labeller: what each sentence of a trace does, and on which it depends.

Tags are those of "Thought Anchors". A linear model scores the tags of a sentence by its features,
and the best sequence of tags is taken (Viterbi). Made by fitting.py from published labels, whose
licence and how far it agrees with them stand in the file of weights.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotsieve.findings.labels.features import trace_features

WEIGHTS = Path(__file__).with_name("tagger.npz")
TAGS = (
    "problem_setup",
    "plan_generation",
    "fact_retrieval",
    "active_computation",
    "result_consolidation",
    "uncertainty_management",
    "final_answer_emission",
    "self_checking",
)
SIZE = 6.0
"""Length of the feature vector of a sentence."""
SEQUENCE = 0.3
"""Weight of the sequence of tags beside what the sentences say."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Tagger:
    """A linear model of tags and of which follows which."""

    weights: Matrix
    """(features, tags)"""
    following: Matrix
    """Logarithm of how much likelier a tag is after another than at all, (tags, tags)."""
    first: Matrix
    """The same for the first sentence, (tags,)."""

    def tags(self, sentences: Sequence[str]) -> list[str]:
        """One tag per sentence of a trace."""
        return [TAGS[tag] for tag in self.numbers(trace_features(sentences))]

    def numbers(self, features: Sequence[NDArray[np.int64]]) -> list[int]:
        """The best sequence of tags, by their places in TAGS."""
        if not features:
            return []
        scores = [log_shares(features_sum(self.weights, some)) for some in features]
        best, came = scores[0] + SEQUENCE * self.first, []
        for score in scores[1:]:
            paths = best[:, None] + SEQUENCE * self.following
            came.append(paths.argmax(0))
            best = paths.max(0) + score
        tag = int(best.argmax())
        found = [tag]
        for origin in reversed(came):
            tag = int(origin[tag])
            found.append(tag)
        return found[::-1]


def features_sum(weights: Matrix, features: NDArray[np.int64]) -> Matrix:
    """Scores of the tags of one sentence, (tags,)."""
    return weights[features].sum(0) * SIZE / np.sqrt(len(features))


def log_shares(scores: Matrix) -> Matrix:
    shifted = scores - scores.max()
    return shifted - np.log(np.exp(shifted).sum())


def dependencies(tags: Sequence[str]) -> list[list[int]]:
    """On which earlier sentences each depends: the one before, and of the problem none.

    Published dependencies are mostly that; rules that follow numbers agree with them less.
    """
    return [
        [place - 1] if place and tag != "problem_setup" else [] for place, tag in enumerate(tags)
    ]


def label_rows(trace: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Labels of the sentences of a trace, which are rows of the table of sentences."""
    tagger, about = built_in()
    tags = tagger.tags([row["text"] for row in trace])
    known = f"built-in, {about['accuracy']:.0%} agreement with published labels of other problems"
    return [
        {name: row[name] for name in ("problem_id", "sample", "sentence")}
        | {"tags": [tag], "depends_on": others, "summary": None, "labeller": known}
        for row, tag, others in zip(trace, tags, dependencies(tags), strict=True)
    ]


@cache
def built_in() -> tuple[Tagger, dict[str, Any]]:
    """The tagger that comes with the package, and what is known of it: `accuracy` on problems it
    was not fitted on, `majority`, `confusion`, `dependencies`, `licence`, `labels`."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        parts = [file[name].astype(np.float32) for name in ("weights", "following", "first")]
        return Tagger(*parts), json.loads(str(file["about"]))
