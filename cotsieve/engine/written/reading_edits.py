"""Interventions on the residual stream at the reasoning tokens of a start, while it is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.written.starts import Change, ReadingEdit
from cotsieve.ground.faults import bad
from cotsieve.ground.seeds import seed_from
from cotsieve.interventions.thoughts import Intervention

Site = tuple[int, str]


@dataclass(frozen=True)
class ReferenceText:
    """A reference problem's question and reasoning, as token ids."""

    problem_id: str
    tokens: tuple[int, ...]
    first: int
    """Where the reasoning begins."""
    last: int
    """Where it ends; this position is not part of it."""


class ReadingReference:
    """Activations at the reasoning tokens of reference problems, per site."""

    def __init__(
        self,
        decoder: Decoder,
        texts: Sequence[ReferenceText],
        *,
        averaged: set[Site],
        kept: set[Site],
    ):
        """Sites of which the mean is asked for, and those whose single activations are."""
        self.problem_ids = [text.problem_id for text in texts]
        self._sums: dict[Site, Tensor] = {}
        self._dtype = decoder.dtype
        self._tokens = sum(text.last - text.first for text in texts)
        self._activations: dict[Site, list[Tensor]] = {site: [] for site in kept}
        for text in texts:  # one by one, so that they do not depend on any batch
            self._read(decoder, text, averaged)

    def mean(self, site: Site) -> Tensor:
        """Mean over all reasoning tokens of all reference problems, (H,)."""
        return (self._sums[site] / self._tokens).to(self._dtype)

    def of(self, site: Site, donor: int) -> Tensor:
        """One reference problem's activations, (tokens, H), in main memory."""
        return self._activations[site][donor]

    def _read(self, decoder: Decoder, text: ReferenceText, averaged: set[Site]) -> None:
        def keep(block: int, side: str, residual: Tensor) -> Tensor:
            site, found = (block, side), residual[0, text.first : text.last]
            if site in averaged:
                self._sums[site] = self._sums.get(site, 0) + found.double().sum(0)
            if site in self._activations:
                self._activations[site].append(found.to("cpu", copy=True))
            return residual

        tokens = torch.tensor([text.tokens], device=decoder.device)
        decoder.read(tokens, torch.tensor([len(text.tokens)], device=decoder.device), keep)


def donor_of(problem_id: str, donors: Sequence[str], seed: int) -> int:
    """The place of another problem, by a draw that depends on the id and the seed only."""
    others = [place for place, donor in enumerate(donors) if donor != problem_id]
    if not others:
        what = "no other reference problem has a trace to take from"
        raise bad("reference problems", what, "Name a source with more of them.")
    return others[seed_from("donor", seed, problem_id) % len(others)]


def reading_edit(
    what: Intervention,
    problem_id: str,
    span: tuple[int, int],
    reference: ReadingReference | None,
) -> ReadingEdit:
    """The edit that applies `what` to the positions [first, last) of a start."""
    return ReadingEdit(what.site, span, _change(what, problem_id, reference))


def _change(what: Intervention, problem_id: str, reference: ReadingReference | None) -> Change:
    if what.needs_reference and not reference.problem_ids:
        mend = "Look into the errors of their traces, or name another source."
        raise bad("reference problems", "none of them has a trace with reasoning", mend)
    match what.operation:
        case "zero":
            return torch.zeros_like
        case "mean":
            return lambda activation: reference.mean(what.source).expand_as(activation)
        case "resample":
            donor = donor_of(problem_id, reference.problem_ids, what.seed)
            return lambda activation: _stretched(reference.of(what.source, donor), len(activation))
        case "noise":
            return _noise(what, problem_id)
        case _:
            return lambda activation: activation


def _stretched(values: Tensor, count: int) -> Tensor:
    """As many rows, from the start again where there are too few."""
    return values[torch.arange(count) % len(values)]


def _noise(what: Intervention, problem_id: str) -> Change:
    def change(activation: Tensor) -> Tensor:
        generator = np.random.default_rng(seed_from("noise", what.seed, problem_id))
        noise = torch.from_numpy(generator.standard_normal(activation.shape))
        noise = noise.to(activation.device, torch.float32)
        if what.units == "relative":
            noise = noise * activation.float().square().mean(-1, keepdim=True).sqrt()
        return activation + what.scale * noise

    return change
