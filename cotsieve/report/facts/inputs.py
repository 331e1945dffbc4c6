"""What a report is made from: the finished tables of a study and what its file says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class ModelTables:
    """The results of one model."""

    model: str
    merged: pa.Table
    """Schema MERGED."""
    necessity: list[dict]
    """Rows of NECESSITY."""
    drawn: list[dict]
    """Rows of the dataset: stratum, is_existing, problem_id."""
    sweep: str
    condition: str
    """Sweep and ablation that decide for this model."""
    conditions: Mapping[str, Mapping[str, Any]]
    """Sweep → condition → its definition as in the study file, None for the baseline."""
    family: str = "codi"
    """codi, reasoning or imported."""
    thoughts: int | None = None
    """Latent thoughts the model thinks; None where they are words."""
    close: str = "</think>"
    """The tag that ends a written thought."""
    given: bool = False
    """The reasoning came with the problems, and the model only answered."""
    targets: Mapping[str, int] | None = None
    """Problems per stratum that were asked for."""
    total: int | None = None
    """Instead of targets: problems over all strata, in proportion to what there is."""
    disagreements: pa.Table | None = None
    """Schema DISAGREEMENTS."""
    compared: int = 0
    """Rollouts on which graders were compared."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def definition(self, sweep: str, condition: str) -> Mapping[str, Any] | None:
        """What a condition does; None for the baseline, and for one that nothing is known of."""
        return (self.conditions.get(sweep) or {}).get(condition)


@dataclass(frozen=True)
class StudyTables:
    """The results of a study."""

    study: str
    problems: pa.Table
    """Schema PROBLEMS."""
    models: list[ModelTables]
    exclusions: Mapping[str, Any] = field(default_factory=dict)
    """What was excluded, and how often questions were repeated."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the study decides besides its models: sources, selection, strata, grading, draw."""
