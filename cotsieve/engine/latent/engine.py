"""Latent chain of thought (CODI): read the question, think in vectors, answer in tokens.

Every problem runs under all conditions of a sweep at once. The question is read once; the
conditions are continuations of it that differ only by what an intervention writes while the
thoughts are computed. See Shen et al., arXiv 2502.21074, for the model.
"""

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from cotsieve.engine.block import at_least_float32, like
from cotsieve.engine.continuations import Continuations
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Decoding, Finished, Rows, decode, join
from cotsieve.engine.latent.edits import Batch, Edits, Recorder, Site
from cotsieve.engine.latent.reading import read_all_but_last
from cotsieve.engine.latent.vocabulary import Vocabulary
from cotsieve.engine.latent.work import Chosen, Work
from cotsieve.engine.memory import OUT_OF_MEMORY, failed_for_memory, release_memory
from cotsieve.interventions.thoughts import PRE_PROJECTION

REFERENCE_BATCH = 16
"""Fixed, so that reference activations do not depend on any batch setting."""

FIRST_STEPS = 16
"""Answer tokens written before unfinished rows move to the pool; answers have about eight."""


@dataclass(frozen=True)
class LatentStyle:
    """How a CODI checkpoint is run; the two published code bases differ."""

    prompt_style: str
    """`codi-eval`: the begin-of-thought token ends the prompt, then `thoughts` latents are fed.
    `seed`: that token is itself the first of the thoughts."""
    thoughts: int
    begin_id: int
    end_id: int
    eos_id: int | None
    """Set when the model was trained with an end-of-sequence token around the thoughts."""

    def prompt(self, question: list[int]) -> list[int]:
        """Token ids read before the first thought."""
        if self.prompt_style == "seed":
            return question
        return question + ([] if self.eos_id is None else [self.eos_id]) + [self.begin_id]

    @property
    def after_thoughts(self) -> list[int]:
        """Token ids fed between the last thought and the answer."""
        return [self.end_id] + ([] if self.eos_id is None else [self.eos_id])


class Projection:
    """The network that turns a final hidden state into the next thought's input embedding."""

    def __init__(self, weights: dict[str, Tensor | None], device: torch.device):
        """`weights` in float32, from the checkpoint loader; the norm may be None."""
        moved = {name: None if w is None else w.to(device) for name, w in weights.items()}
        self._down = (moved["down.weight"], moved["down.bias"])
        self._up = (moved["up.weight"], moved["up.bias"])
        self._norm = (moved["norm.weight"], moved["norm.bias"])

    def __call__(self, hidden: Tensor) -> Tensor:
        inner = at_least_float32(hidden)
        down, up, norm = (like(inner, *pair) for pair in (self._down, self._up, self._norm))
        inner = F.linear(F.gelu(F.linear(inner, *down)), *up)
        if self._norm[0] is not None:
            inner = F.layer_norm(inner, inner.shape[-1:], *norm, eps=1e-5)
        return inner.to(hidden.dtype)


@dataclass
class Observer:
    """Sees intermediate values of a run; what a test or a notebook wants to look at."""

    def prompt(self, hidden: Tensor) -> None:
        """Final hidden state of the last prompt token, (B, C, H)."""

    def thought(self, thought: int, inputs: Tensor, hidden: Tensor) -> None:
        """Input and final hidden state of one thought, (B, C, H) each."""

    def first_scores(self, chosen: Chosen, scores: Tensor) -> None:
        """Logits of the first answer token of a batch, (B, C, vocabulary)."""


class LatentEngine:
    """Runs one model; `run` takes any number of problems and keeps the batches full."""

    def __init__(
        self,
        decoder: Decoder,
        projection: Projection,
        style: LatentStyle,
        greedy: Decoding,
        *,
        batch_rows: int,
        vocabulary: Vocabulary | None = None,
        observer: Observer | None = None,
    ):
        """`vocabulary` is needed by interventions that read a hidden state as a token."""
        self.decoder = decoder
        self.projection = projection
        self.style = style
        self.greedy = greedy
        self.batch_rows = batch_rows
        self.vocabulary = vocabulary
        self.observer = observer

    @torch.inference_mode()
    def run(self, work: Work) -> Iterator[list[Finished]]:
        """Yield finished rows, keyed (index of the question, index of the condition).

        Rows come in no promised order, each exactly once. Where memory runs out, the batch is
        halved; what does not fit alone is reported as failed.
        """
        pool: list[Rows] = []
        waiting = deque(self._batches(work))
        while waiting:
            batch = waiting.popleft()
            try:
                finished, rest = self._batch(work, batch)
            except OUT_OF_MEMORY as error:
                release_memory(error)
                smaller = batch.halved()
                waiting.extendleft(reversed(smaller))
                yield [] if smaller else batch.failed()
                continue
            yield finished
            if rest.live:
                pool.append(rest)
            if sum(len(rows.live) for rows in pool) >= self.batch_rows:
                yield self._drain(pool)
        if pool:
            yield self._drain(pool)

    def in_double(self) -> Self:
        """The same engine in float64, where no two batches disagree but on perfect ties."""
        double = copy.copy(self)
        double.decoder = self.decoder.in_double()
        return double

    @torch.inference_mode()
    def activations(self, questions: Sequence[list[int]], sites: set[Site]) -> dict[Site, Tensor]:
        """Baseline activations at some sites during every thought, (N, T, H) per site."""
        parts = []
        for start in range(0, len(questions), REFERENCE_BATCH):
            recorder = Recorder(sites, self.style.thoughts)
            self._think(questions[start : start + REFERENCE_BATCH], 1, recorder)
            parts.append(recorder.activations())
        return {site: torch.cat([part[site] for part in parts]) for site in sites}

    def _batches(self, work: Work) -> Iterator[Chosen]:
        """Questions of similar length together, longest first, under as many conditions as fit."""
        order = sorted(range(len(work.questions)), key=lambda i: (-len(work.questions[i]), i))
        others = list(range(1, len(work.conditions)))
        needed = any(what and what.needs_baseline for what in work.conditions)
        width = max(1, self.batch_rows - 1)
        groups = [others[start : start + width] for start in range(0, len(others), width)] or [[]]
        size = max(1, self.batch_rows // (len(groups[0]) + (work.baseline or needed)))
        for start in range(0, len(order), size):
            for number, group in enumerate(groups):
                first = number == 0 and work.baseline
                beside = [0] if first or needed else []
                yield Chosen(order[start : start + size], [*beside, *group], first)

    def _batch(self, work: Work, chosen: Chosen) -> tuple[list[Finished], Rows]:
        questions = [work.questions[i] for i in chosen.problems]
        conditions = [work.conditions[i] for i in chosen.conditions]
        batch = Batch(
            [work.problem_ids[i] for i in chosen.problems],
            work.reference,
            given={
                place: work.given[condition][chosen.problems]
                for place, condition in enumerate(chosen.conditions)
                if condition in work.given
            },
            vocabulary=self.vocabulary,
        )
        early = {
            what.source
            for what in conditions
            if what and what.operation == "patch" and what.scope == "seed"
        }
        if early:
            batch.own = self.activations(questions, early)
        edits = Edits(conditions, batch, self.style.thoughts)
        state, hidden = self._think(questions, len(conditions), edits)
        for token in self.style.after_thoughts:
            hidden = self.decoder.step(self._repeated(token, hidden), state)
        scores = self.decoder.logits(hidden, self.greedy.vocabulary)
        if self.observer:
            self.observer.first_scores(chosen, scores)
        gaps = _choice_gaps(batch, len(questions), len(conditions))
        rows = Rows.begin(chosen.keys(), state, scores.flatten(0, 1), gaps)
        if not chosen.first:  # the baseline of these problems is written by their first batch
            rows.live = [row for row, (_, condition) in enumerate(rows.keys) if condition]
        finished: list[Finished] = []
        decode(self.decoder, rows, self.greedy, FIRST_STEPS, finished)
        return finished, rows

    def _think(
        self, questions: Sequence[list[int]], count: int, edits: Edits | Recorder
    ) -> tuple[Continuations, Tensor]:
        """Read the questions and compute all thoughts; returns the state and the last hidden."""
        state, hidden = self._read(questions, count, edits)
        if self.observer:
            self.observer.prompt(hidden)
        for thought in range(self.style.thoughts):
            edit = edits.during(thought)
            if self.style.prompt_style == "seed" and thought == 0:
                inputs = self._repeated(self.style.begin_id, hidden)
            else:
                inputs = self.projection(edit(-1, PRE_PROJECTION, hidden) if edit else hidden)
            hidden = self.decoder.step(inputs, state, edit)
            if self.observer:
                self.observer.thought(thought, inputs, hidden)
        return state, hidden

    def _read(
        self, questions: Sequence[list[int]], count: int, edits: Edits | Recorder
    ) -> tuple[Continuations, Tensor]:
        """Read the prompts; the last token is read per condition only where an edit hits it."""
        prompts = [self.style.prompt(question) for question in questions]
        device = self.decoder.device
        shared = read_all_but_last(self.decoder, prompts)
        room = 1 + self.style.thoughts + len(self.style.after_thoughts)
        room += min(FIRST_STEPS, self.greedy.max_new_tokens)
        last = torch.tensor([prompt[-1] for prompt in prompts], device=device)
        inputs = self.decoder.embed(last)[:, None]
        edit = edits.on_prompt
        if edit:
            state = Continuations.begin(shared, count, room)
            return state, self.decoder.step(inputs.expand(-1, count, -1), state, edit)
        state = Continuations.begin(shared, 1, room)
        hidden = self.decoder.step(inputs, state)
        return state.fork(count), hidden.expand(-1, count, -1)

    def _repeated(self, token: int, like: Tensor) -> Tensor:
        embedding = self.decoder.embed(torch.tensor(token, device=self.decoder.device))
        return embedding.expand_as(like)

    def _drain(self, pool: list[Rows]) -> list[Finished]:
        """Write the rows of the pool to their end, together as far as memory allows."""
        finished: list[Finished] = []
        groups = [list(pool)]
        pool.clear()
        while groups:
            group = groups.pop()
            try:
                group = [join(group)]
                decode(self.decoder, group[0], self.greedy, self.greedy.max_new_tokens, finished)
            except OUT_OF_MEMORY as error:
                release_memory(error)
                groups += _halves(group, finished)
        return finished


def _halves(group: list[Rows], finished: list[Finished]) -> list[list[Rows]]:
    """Two groups of half the rows each; a row that does not fit alone is finished, as failed."""
    if len(group) > 1:
        middle = len(group) // 2
        return [group[:middle], group[middle:]]
    rows = group[0]
    if len(rows.live) > 1:
        return [[half] for half in rows.halves()]
    finished += [(rows.keys[row], failed_for_memory()) for row in rows.live]
    return []


def _choice_gaps(batch: Batch, problems: int, conditions: int) -> list[float] | None:
    """For each row of a batch the smallest lead of a token its edits chose; None without any."""
    if not batch.choice_gaps:
        return None
    gaps = torch.full((problems, conditions), torch.inf)
    for condition, lead in batch.choice_gaps.items():
        gaps[:, condition] = lead.cpu()
    return gaps.flatten().tolist()
