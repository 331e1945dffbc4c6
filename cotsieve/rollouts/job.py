"""A generation job: load the model, run the shard, write its table."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cotsieve.ground import tables
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.generate import Recipe, generate, in_order
from cotsieve.rollouts.latent_model import load_latent_model
from cotsieve.rollouts.schema import ROLLOUTS

log = logging.getLogger(__name__)


def run_shard(
    output: str | Path,
    *,
    problems: Sequence[Problem],
    reference: Sequence[Problem],
    model: Mapping[str, Any],
    files: Mapping[str, str],
    identity: Mapping[str, Any],
    conditions: Mapping[str, dict[str, Any] | None],
    reference_digest: str,
    decoding: Mapping[str, Any],
    code: str,
    libraries: Mapping[str, str],
    engine: Mapping[str, Any],
    threads: int,
) -> None:
    """Write the rollouts of `problems` under `conditions` to `output`.

    `model` is the definition to load from `files` (checkpoint and base), `identity` the same with
    the digests of those files; `engine` says how much to do at once and changes no result.
    """
    torch.set_num_threads(threads)
    decides = {"model": identity, "decoding": decoding, "code": code, "libraries": libraries}
    recipe = Recipe(conditions, decides, reference_digest)
    rows: list[dict[str, Any]] = []
    started = time.perf_counter()
    device = "none"
    if problems:
        loaded = load_latent_model(
            model,
            files,
            decoding["max_new_tokens"],
            device=engine["device"],
            batch_rows=engine["batch_rows"],
        )
        device = str(loaded.engine.decoder.device)
        log.info("model loaded in %.1f s on %s", time.perf_counter() - started, device)
        for finished in generate(loaded, recipe, problems, reference):
            rows += finished
    seconds = time.perf_counter() - started
    failed = sum(row["finish_reason"] == "failed" for row in rows)
    log.info("%d problems, %d rows, %d failed, %.1f s", len(problems), len(rows), failed, seconds)
    origin = {**decides, "conditions": conditions, "device": device}
    tables.write(in_order(rows, problems, recipe), output, ROLLOUTS, origin)
