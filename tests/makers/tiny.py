"""Tiny random latent models, and short ways to run them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from make_codi import MadeCodi
from torch import Tensor

from cotsieve.engine.decoding import Completion
from cotsieve.engine.latent.model import LatentModel, load_latent_model
from cotsieve.engine.latent.work import Chosen, Work
from cotsieve.interventions.thoughts import Intervention

QUESTIONS = [
    "Tom has 3 apples and eats one.  How many are left?",
    "A box holds 12 pens. How many pens do 7 boxes hold in the store, if two boxes are empty?",
    "2+2?",
    "The train leaves at 10 and needs 4 hours. When does it arrive in the other town?",
    "x",
    "Ann reads 10 pages a day. How long does she need for 120 pages?",
    "Half of 90?",
]
IDS = [f"made_{number}" for number in range(len(QUESTIONS))]
ALL = tuple(range(6))


def load(
    made: MadeCodi,
    batch_rows: int | str = 64,
    max_new_tokens: int = 12,
    device: str = "cpu",
    **changes,
) -> LatentModel:
    """The engine on a made checkpoint; `changes` are keys of the model's definition."""
    definition = {
        "lora": {"rank": made.rank, "alpha": made.alpha},
        "precision": "float32",
        "prompt_style": "codi-eval",
        "thoughts": 6,
        "remove_eos": True,
        "collapse_spaces": None,
    }
    files = {"base": str(made.base), "checkpoint": str(made.checkpoint)}
    decoding = {"max_new_tokens": max_new_tokens, "stop_at": "eos"}
    return load_latent_model(
        definition | changes, files, decoding, device=device, batch_rows=batch_rows
    )


def never_stopping(model: LatentModel, max_new_tokens: int) -> LatentModel:
    """The same model without end-of-sequence tokens."""
    engine = model.engine
    engine.greedy = replace(engine.greedy, stop_ids=frozenset(), max_new_tokens=max_new_tokens)
    return model


def work_on(
    model: LatentModel,
    conditions: Sequence[Intervention | None],
    order: Iterable[int] = range(len(QUESTIONS)),
    **more,
) -> Work:
    order = list(order)
    questions = model.encode([QUESTIONS[i] for i in order])
    return Work(questions, [IDS[i] for i in order], conditions, **more)


def answers(model: LatentModel, work: Work) -> dict[tuple[str, int], tuple[tuple[int, ...], str]]:
    """(problem id, condition) → token ids and finish reason; every row must come once."""
    finished = [row for rows in model.engine.run(work) for row in rows]
    conditions = range(not work.baseline, len(work.conditions))
    wanted = {(p, c) for p in range(len(work.questions)) for c in conditions}
    assert len(finished) == len(wanted)
    assert {key for key, _ in finished} == wanted
    return {(work.problem_ids[p], c): outcome(completion) for (p, c), completion in finished}


def outcome(completion: Completion) -> tuple[tuple[int, ...], str]:
    return completion.token_ids, completion.finish_reason


class FirstScores:
    """An observer that keeps the first logits of every row, by (problem, condition)."""

    def __init__(self):
        self.scores: dict[tuple[int, int], Tensor] = {}

    def prompt(self, hidden: Tensor) -> None: ...

    def thought(self, thought: int, inputs: Tensor, hidden: Tensor) -> None: ...

    def first_scores(self, chosen: Chosen, scores: Tensor) -> None:
        for row, problem in enumerate(chosen.problems):
            for column, condition in enumerate(chosen.conditions):
                self.scores[problem, condition] = scores[row, column].clone()


def first_scores(model: LatentModel, work: Work) -> dict[tuple[int, int], Tensor]:
    model.engine.observer = seen = FirstScores()
    for _ in model.engine.run(work):
        pass
    model.engine.observer = None
    return seen.scores


def spy_on_residuals(model: LatentModel) -> dict[tuple[int, str], list[Tensor]]:
    """Site → the residual streams that leave it, edits included, one (B, C, H) per step."""
    seen: dict[tuple[int, str], list[Tensor]] = {}
    decoder = model.engine.decoder
    plain_step = decoder.step

    def step(inputs, state, edit=None):
        def spied(block, side, residual):
            residual = edit(block, side, residual) if edit else residual
            seen.setdefault((block, side), []).append(residual.clone())
            return residual

        return plain_step(inputs, state, spied)

    decoder.step = step
    return seen
