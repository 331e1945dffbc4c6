"""Interventions applied: what happens to the residual stream of each condition of a batch.

Shapes: B problems, C conditions (the baseline first, if one of them needs it), T thoughts,
H hidden; a residual stream is (B, C, H), recorded activations are (B, T, H).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.block import at_least_float32
from cotsieve.engine.decoder import Edit
from cotsieve.engine.latent.vocabulary import Vocabulary
from cotsieve.engine.latent.vocabulary_edits import are_numbers, vocabulary_change
from cotsieve.ground.seeds import seed_from
from cotsieve.interventions.thoughts import VOCABULARY_OPERATIONS, Intervention

Site = tuple[int, str]
Change = Callable[[Tensor, dict[Site, Tensor]], Tensor]
"""(activation (B, H), the baseline's activations by site in this step) → new activation."""


@dataclass
class Reference:
    """Baseline activations of the reference problems: means and donors come from here."""

    problem_ids: Sequence[str]
    activations: dict[Site, Tensor]
    """Per site (N, T, H)."""

    def mean(self, site: Site) -> Tensor:
        """Mean over the reference problems, (T, H)."""
        activations = self.activations[site]
        return activations.double().mean(0).to(activations.dtype)

    def donors(self, problem_ids: Sequence[str], seed: int) -> list[int]:
        """For each problem another one, by a draw that depends on its id and the seed only."""
        chosen = []
        for problem_id in problem_ids:
            others = [i for i, donor in enumerate(self.problem_ids) if donor != problem_id]
            chosen.append(others[seed_from("donor", seed, problem_id) % len(others)])
        return chosen


@dataclass
class Batch:
    """What the edits of one batch may draw on."""

    problem_ids: Sequence[str]
    reference: Reference | None = None
    own: dict[Site, Tensor] = field(default_factory=dict)
    """The batch's own baseline activations, (B, T, H) per site, where a patch needs them early."""
    given: dict[int, Tensor] = field(default_factory=dict)
    """Condition → activations from a file, (B, T, H)."""
    vocabulary: Vocabulary | None = None
    choice_gaps: dict[int, Tensor] = field(default_factory=dict)
    """Condition → by how much the tokens its edits chose led at least, (B,); filled by them."""

    def note(self, condition: int) -> Callable[[Tensor], None]:
        def keep(lead: Tensor) -> None:
            known = self.choice_gaps.get(condition, lead)
            self.choice_gaps[condition] = torch.minimum(known, lead)

        return keep


class Edits:
    """The edits of C conditions; `during(thought)` gives the one for a step, or None."""

    def __init__(self, interventions: Sequence[Intervention | None], batch: Batch, thoughts: int):
        self._steps: list[dict[Site, list[tuple[int, Change]]]] = [{} for _ in range(thoughts)]
        self._prompt: dict[Site, list[tuple[int, Change]]] = {}
        self._live: set[Site] = set()
        for condition, intervention in enumerate(interventions):
            if intervention is not None:
                self._add(condition, intervention, batch, thoughts)

    def _add(self, condition: int, what: Intervention, batch: Batch, thoughts: int) -> None:
        changes = _changes(condition, what, batch, thoughts)
        if what.needs_baseline:
            self._live |= {what.site, what.source}
        for thought in range(thoughts):
            if thought in what.thoughts:
                change = changes[thought]
            elif what.rest == "frozen":
                change = _baseline_at(what.site)
            else:
                continue
            self._steps[thought].setdefault(what.site, []).append((condition, change))
        if what.scope == "seed" and 0 in what.thoughts:
            self._prompt.setdefault(what.site, []).append((condition, changes[0]))

    def during(self, thought: int) -> Edit | None:
        """The edit while thought number `thought` is computed."""
        return self._edit(self._steps[thought])

    @property
    def on_prompt(self) -> Edit | None:
        """The edit while the last prompt token is computed (scope `seed`)."""
        return self._edit(self._prompt)

    def _edit(self, plan: dict[Site, list[tuple[int, Change]]]) -> Edit | None:
        if not plan:
            return None
        live: dict[Site, Tensor] = {}

        def edit(block: int, side: str, residual: Tensor) -> Tensor:
            site = (block, side)
            if site in self._live:
                live[site] = residual[:, 0].clone()
            if site not in plan:
                return residual
            residual = residual.clone()
            for condition, change in plan[site]:
                residual[:, condition] = change(residual[:, condition], live).to(residual.dtype)
            return residual

        return edit


class Recorder:
    """Keeps the activations of the first condition at some sites, thought by thought."""

    def __init__(self, sites: set[Site], thoughts: int):
        self._thoughts = thoughts
        self._seen: dict[Site, dict[int, Tensor]] = {site: {} for site in sites}

    def during(self, thought: int) -> Edit:
        def edit(block: int, side: str, residual: Tensor) -> Tensor:
            if (block, side) in self._seen:
                self._seen[block, side][thought] = residual[:, 0].clone()
            return residual

        return edit

    on_prompt = None

    def activations(self) -> dict[Site, Tensor]:
        """(B, T, H) per site; not a number where a thought has no such activation."""
        return {site: self._stacked(seen) for site, seen in self._seen.items()}

    def _stacked(self, seen: dict[int, Tensor]) -> Tensor:
        nothing = torch.full_like(next(iter(seen.values())), torch.nan)
        return torch.stack([seen.get(thought, nothing) for thought in range(self._thoughts)], dim=1)


def _changes(condition: int, what: Intervention, batch: Batch, thoughts: int) -> list[Change]:
    """One change per thought; the thoughts that are not overwritten have theirs unused."""
    note = batch.note(condition)
    if what.operation in VOCABULARY_OPERATIONS:
        change = vocabulary_change(what, batch.vocabulary, note)
        changes = [lambda activation, _live: change(activation)] * thoughts
    else:
        changes = _plain_changes(condition, what, batch, thoughts)
    if what.where == "all":
        return changes
    return [_on_numbers(change, batch.vocabulary, note) for change in changes]


def _on_numbers(change: Change, vocabulary: Vocabulary, note: Callable[[Tensor], None]) -> Change:
    def changed(activation: Tensor, live: dict[Site, Tensor]) -> Tensor:
        numeric = are_numbers(activation, vocabulary, note)
        return torch.where(numeric, change(activation, live).to(activation.dtype), activation)

    return changed


def _plain_changes(condition: int, what: Intervention, batch: Batch, thoughts: int) -> list[Change]:
    """The changes of operations that know nothing of tokens."""
    match what.operation:
        case "zero":
            return [_zero] * thoughts
        case "noise":
            return [_noise(what, batch.problem_ids, thought) for thought in range(thoughts)]
        case "mean":
            mean = batch.reference.mean(what.source)
            return [_constant(mean[thought]) for thought in range(thoughts)]
        case "resample":
            donors = batch.reference.donors(batch.problem_ids, what.seed)
            values = batch.reference.activations[what.source][donors]
        case "patch" if what.activations != "self":
            values = batch.given[condition]
        case "patch" if what.scope == "latent":
            return [_baseline_at(what.source)] * thoughts
        case "patch":
            values = batch.own[what.source]
    return [_constant(values[:, thought]) for thought in range(thoughts)]


def _zero(activation: Tensor, _live: dict[Site, Tensor]) -> Tensor:
    return torch.zeros_like(activation)


def _constant(value: Tensor) -> Change:
    return lambda activation, _live: value.expand_as(activation)


def _baseline_at(site: Site) -> Change:
    """The problem's own baseline activation, which the same step has just computed."""
    return lambda _activation, live: live[site]


def _noise(what: Intervention, problem_ids: Sequence[str], thought: int) -> Change:
    def change(activation: Tensor, _live: dict[Site, Tensor]) -> Tensor:
        size = activation.shape[-1]
        draws = [
            np.random.default_rng(
                seed_from("noise", what.seed, problem_id, thought)
            ).standard_normal(size)
            for problem_id in problem_ids
        ]
        noise = torch.from_numpy(np.stack(draws)).to(activation.device, torch.float32)
        if what.units == "relative":
            noise = noise * at_least_float32(activation).square().mean(-1, keepdim=True).sqrt()
        return activation + what.scale * noise

    return change
