"""Whose sentences are looked at, which files hold what was found, and what decides them."""

from collections.abc import Mapping, Sequence
from typing import Any

from cotsieve.study.settings.part import plain
from cotsieve.study.settings.study import Study

COUNTS = {"resample": "rollouts", "force": "forced"}
"""Kind of rollouts around a sentence → the key that says how many."""


class Anchored:
    """The models of a study whose traces are looked at sentence by sentence, if it has any."""

    def __init__(self, study: Study, shards: Sequence[str]):
        """`shards` are the names source/number of all shards."""
        self._study, self._shards = study, shards
        settings = study.anchors
        computed = settings.computed if settings else []
        self.published = settings.published if settings else {}
        """Models of which finished rollouts are imported."""
        self.completed = [name for name in computed if study.models[name].anchors_from]
        """Models that go on with published traces instead of their own."""
        self.traced = [name for name in computed if name not in self.completed]
        """Models whose own traces are looked at."""
        self.models = [*computed, *self.published]
        self.kinds = ["resample", "force"] if settings and settings.forced else ["resample"]

    @property
    def folders(self) -> dict[str, str]:
        """Model → the folder its published traces come from."""
        own = {name: self._study.models[name].anchors_from for name in self.completed}
        return {name: model.anchors_from for name, model in self.published.items()} | own

    def told(self, *names: str, **others: Any) -> dict[str, Any]:
        """Some of the settings, with their defaults, and what else a job is to be told."""
        settings = plain(self._study.anchors) if self._study.anchors else {}
        return {name: settings.get(name) for name in names} | others

    def files(self, kind: str, model: str) -> list[str]:
        """The files of a kind for all shards of a model, in order."""
        names = self._shards
        if model in self.published or model in self.completed:
            names = ["published" if model in self.published else "completed"]
        return [self._path(f"{model}/{kind}/{name}") for name in names]

    def tables(self, model: str) -> list[str]:
        """What is made of the sentences of a model's traces."""
        return [self._path(model), *self.pairs(model), *self.scores(model)]

    def pairs(self, model: str) -> list[str]:
        """The table of what sentences do for each other, where it is asked for."""
        return [self._path(f"{model}-pairs")] if self._study.anchors.pairs != 0 else []

    def labels(self, model: str) -> list[str]:
        """The table of what sentences do: published, or by the built-in labeller."""
        known = model in self.folders or self._study.anchors.labels == "built-in"
        return [self._path(f"{model}/labels")] if known else []

    def scores(self, model: str) -> list[str]:
        """The table of scored answers; those of published traces are not scored."""
        asked = self._study.anchors.score and model in self.traced
        return [self._path(f"{model}-scores")] if asked else []

    def _path(self, name: str) -> str:
        return f"results/{self._study.study}/anchors/{name}.parquet"

    def decided_by(self, kind: str) -> dict[str, Any]:
        """What decides the rollouts of a kind beside the model."""
        count = getattr(self._study.anchors, COUNTS[kind])
        return {"kind": kind, "prefix": self._study.anchors.prefix, "rollouts": count}

    def grading(self, usual: str | None = None) -> Mapping[str, Any]:
        """How answers around sentences are graded; `usual` where the study's grader may not fit."""
        own = self._study.anchors.grader if self._study.anchors else None
        grader = own or usual
        return plain(self._study.grading) | ({"grader": grader} if grader else {})
