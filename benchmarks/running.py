"""The engine on a benchmark model: built, told how long each answer is, and timed by phase."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch

from benchmarks.reference import Zeroed
from benchmarks.shapes import Case, Model
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Completion, Decoding, Rows
from cotsieve.engine.devices import DTYPES
from cotsieve.engine.latent.engine import LatentEngine, Projection
from cotsieve.engine.latent.narrow import Gate
from cotsieve.engine.latent.settling import settled
from cotsieve.engine.latent.work import Work
from cotsieve.interventions.thoughts import Intervention

Outcome = dict[tuple[int, int], Completion]
"""(problem, condition) → what was written."""


class Phases:
    """Seconds spent in named phases; an inner phase is not counted in the outer one."""

    def __init__(self, device: torch.device):
        self.seconds: dict[str, float] = defaultdict(float)
        self.on = False
        self._device, self._open, self._since = device, [], 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        if not self.on:
            yield
            return
        self._switch()
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def _switch(self) -> None:
        now = clock(self._device)
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


class TimedEngine(LatentEngine):
    """The engine with a clock around its parts; synchronising costs a little, so timed apart."""

    phases: Phases
    lengths: "Lengths | None" = None
    """How long the answers of the run at hand are."""
    finished = 0
    """Rows so far."""

    def run(self, work):
        ended = _ended_at(self.lengths.of(work)) if self.lengths else contextlib.nullcontext()
        with ended:
            for rows in super().run(work):
                self.finished += len(rows)
                yield rows

    def _batch(self, work, chosen):
        with self.phases.phase("answers"):
            return super()._batch(work, chosen)

    def _think(self, questions, count, edits):
        with self.phases.phase("thoughts"):
            return super()._think(questions, count, edits)

    def _read(self, questions, count, edits):
        with self.phases.phase("prefill"):
            return super()._read(questions, count, edits)

    def _drain(self, pool):
        with self.phases.phase("stragglers"):
            return super()._drain(pool)


def build(model: Model, precision: str, batch_rows: int) -> TimedEngine:
    """The engine on a model's merged weights."""
    device = model.embedding.device
    decoder = Decoder(
        model.architecture,
        model.merged(),
        model.frequencies(),
        1.0,
        device=device,
        dtype=DTYPES[precision],
    )
    longest = Decoding(256, model.stop_ids, model.architecture.vocabulary - 1)
    projection = Projection(model.projection, device)
    engine = TimedEngine(decoder, projection, model.style, longest, batch_rows=batch_rows)
    engine.phases = Phases(device)
    return engine


def work_of(cases: Sequence[Case], ablations: Sequence[Zeroed]) -> Work:
    """The same run as data; `seed` style also hits the prompt's last token, as its hook does."""
    conditions = [None] + [
        Intervention("zero", ablation.block, ablation.thoughts, scope="seed")
        for ablation in ablations
    ]
    ids = [f"made_{number}" for number in range(len(cases))]
    return Work([case.question for case in cases], ids, conditions)


class Lengths:
    """The answer lengths of a run and of any part of it, whose rows are counted anew."""

    def __init__(self, whole: Work, cases: Sequence[Case]):
        self._cases = {
            id(question): case for question, case in zip(whole.questions, cases, strict=True)
        }
        self._conditions = {id(what): index for index, what in enumerate(whole.conditions)}

    def of(self, part: Work) -> Mapping[tuple[int, int], int]:
        """(problem, condition) of the part → most tokens of its answer."""
        conditions = [self._conditions[id(what)] for what in part.conditions]
        return {
            (index, place): self._cases[id(question)].lengths[condition]
            for index, question in enumerate(part.questions)
            for place, condition in enumerate(conditions)
        }


def run(
    engine: TimedEngine,
    work: Work,
    cases: Sequence[Case],
    gate: Gate | None = None,
    *,
    settle: bool = False,
) -> Outcome:
    """All rows of a run; with `settle` those near a tie, or doubted by the gate, are run again."""
    lengths = Lengths(work, cases)
    engines = [engine, gate.engine()] if gate else [engine]
    for one in engines:
        one.lengths = lengths
    rows = settled(engine, work, gate) if settle else engine.run(work)
    return {key: done for finished in rows for key, done in finished}


@contextlib.contextmanager
def _ended_at(lengths: Mapping[tuple[int, int], int]) -> Iterator[None]:
    """End every row at its own length: there the stop token's logit is raised above all others."""
    choose = Rows.choose

    def choose_or_end(rows: Rows, how: Decoding, *more):
        due = [row for row in rows.live if len(rows.written[row]) >= lengths[rows.keys[row]]]
        if due:
            rows.scores[torch.tensor(due, device=rows.scores.device), min(how.stop_ids)] = 1e6
        return choose(rows, how, *more)

    Rows.choose = choose_or_end
    try:
        yield
    finally:
        Rows.choose = choose


def clock(device: torch.device) -> float:
    """Seconds of this process on a CPU, which other processes do not lengthen; wall on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()
