"""A generation job: reuse the rows that are kept, run the others, write the shard's table."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.kept import KeptRows, Row, reusable
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """How a model is run; nothing here changes a result."""

    files: Mapping[str, str]
    """Where the checkpoint and the base of the model lie on this machine."""
    device: str
    batch_rows: int
    threads: int


def run_shard(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    reference: Sequence[Problem],
    model: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
    kept: KeptRows,
) -> None:
    """Write the rollouts of `problems` under the conditions of `recipe` to `output`.

    `model` is the definition to load. The model is loaded only if a row is missing.
    """
    started = time.perf_counter()
    rows = dict(_reused(kept, recipe, problems))
    log.info("%d problems; %d rows are kept from before", len(problems), len(rows))
    missing = _missing(rows, recipe, problems)
    if missing:
        fresh = _generated(missing, reference, model, recipe, running)
        for finished in fresh:
            rows |= {(row["problem_id"], row["condition"]): row for row in finished}
            kept.add(finished)
        kept.flush()
    ordered = [rows[p.problem_id, condition] for p in problems for condition in recipe.conditions]
    tables.write(ordered, output, ROLLOUTS, recipe.origin())
    kept.finish(output)
    failed = sum(row["finish_reason"] == "failed" for row in ordered)
    seconds = time.perf_counter() - started
    log.info("%d rows, %d of them failed, %.1f s", len(ordered), failed, seconds)


def _reused(
    kept: KeptRows, recipe: Recipe, problems: Sequence[Problem]
) -> Iterator[tuple[tuple[str, str], Row]]:
    keys = {
        (problem.problem_id, condition): recipe.row_key(problem, condition)
        for problem in problems
        for condition in recipe.conditions
    }
    found = kept.find(keys.values())
    for (problem_id, condition), key in keys.items():
        row = reusable(found, key, problem_id, condition)
        if row:
            yield (problem_id, condition), row


def _missing(
    rows: Mapping[tuple[str, str], Row], recipe: Recipe, problems: Sequence[Problem]
) -> dict[tuple[str, ...], list[Problem]]:
    """Conditions that are missing → the problems that miss just these."""
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        names = tuple(name for name in recipe.conditions if (problem.problem_id, name) not in rows)
        if names:
            groups.setdefault(names, []).append(problem)
    return groups


def _generated(
    missing: Mapping[tuple[str, ...], list[Problem]],
    reference: Sequence[Problem],
    model: Mapping[str, Any],
    recipe: Recipe,
    running: Running,
) -> Iterator[list[Row]]:
    """Run what is missing; the heavy libraries are imported only here."""
    import torch

    from cotsieve.rollouts.generate import generate
    from cotsieve.rollouts.latent_model import load_latent_model

    torch.set_num_threads(running.threads)
    started = time.perf_counter()
    loaded = load_latent_model(
        model,
        running.files,
        recipe.max_new_tokens,
        device=running.device,
        batch_rows=running.batch_rows,
        stop_at=recipe.stop_at,
    )
    seconds = time.perf_counter() - started
    log.info("model loaded on %s in %.1f s", loaded.engine.decoder.device, seconds)
    for names, problems in missing.items():
        for rows in generate(loaded, recipe.limited_to(names), problems, reference):
            yield [row for row in rows if row["condition"] in names]
