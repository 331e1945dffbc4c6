"""What must hold for the engine whatever the model: no batch, order or memory limit shows."""

from dataclasses import replace

import pytest
import torch
from make_codi import MadeCodi
from plain_codi import Hit, PlainCodi
from tiny import (
    ALL,
    IDS,
    QUESTIONS,
    answers,
    first_scores,
    load,
    never_stopping,
    outcome,
    spy_on_residuals,
    work_on,
)

from cotsieve.engine.latent.edits import Batch, Edits, Reference
from cotsieve.engine.latent.model import LatentModel
from cotsieve.engine.latent.work import Work
from cotsieve.interventions.thoughts import Intervention

ZERO = Intervention("zero", 2, ALL)
SELF = Intervention("patch", 2, ALL)
MIXED = [
    None,
    ZERO,
    Intervention("zero", 1, (0, 1), scope="seed"),
    Intervention("zero", 2, (3,), rest="frozen"),
    Intervention("noise", 2, ALL, scale=0.5),
    Intervention("patch", 2, ALL, read="input"),
    Intervention("patch", 2, ALL, scope="seed"),
    Intervention("mean", 0, ALL, "resid_pre"),
    Intervention("resample", 2, (1, 2)),
    Intervention("discretize", -1, ALL, "pre_projection"),
    Intervention("project", -1, (2, 3), "pre_projection", top=5),
    Intervention("zero", -1, ALL, "pre_projection", where="numbers"),
    Intervention("resample", -1, (1,), "pre_projection", rest="frozen"),
]
"""Every kind of intervention at once."""
STYLES = ("codi-eval", "seed")
EVERY = tuple(range(len(QUESTIONS)))


def mixed_work(model: LatentModel, order=EVERY) -> Work:
    donors = model.encode(QUESTIONS)
    sites = {what.source for what in MIXED if what}
    reference = Reference(IDS, model.engine.activations(donors, sites))
    return work_on(model, MIXED, order, reference=reference)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
def test_equals_plain_code_on_the_library(makes, family: str, style: str):
    made = makes(family, layers=4)
    conditions = [
        None,
        ZERO,
        Intervention("zero", 2, (0, 1)),
        Intervention("zero", 3, (4,)),
        Intervention("zero", 2, ALL, scope="seed"),
        Intervention("zero", 1, (0, 1, 2), scope="seed"),
    ]
    hits = [None] + [
        Hit(what.block, what.thoughts, torch.zeros_like, what.scope == "seed")
        for what in conditions[1:]
    ]
    model = load(made, prompt_style=style)
    oracle = PlainCodi(made, model.engine.greedy.stop_ids)
    work = work_on(model, conditions)
    found = answers(model, work)
    certain = 0
    for question, name in zip(work.questions, IDS, strict=True):
        for condition, hit in enumerate(hits):
            tokens, gap = oracle.answer(question, style, model.engine.greedy.max_new_tokens, hit)
            if gap >= 1e-3:
                certain += 1
                assert list(found[name, condition][0]) == tokens
    assert certain > 0.8 * len(found)


@pytest.mark.parametrize("style", STYLES)
def test_the_batch_and_the_order_do_not_matter(made: MadeCodi, style: str):
    runs = []
    for rows in (64, 3, 1):
        model = load(made, rows, prompt_style=style)
        runs.append(answers(model, mixed_work(model)))
    model = load(made, 20, prompt_style=style)
    runs.append(answers(model, mixed_work(model, [4, 0, 6, 2, 5, 1, 3])))
    for other in runs[1:]:
        assert other == runs[0]
    assert len({ids for ids, _ in runs[0].values()}) > len(QUESTIONS)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_the_baseline_runs_beside_only_those_that_need_it(made: MadeCodi, style: str, rows: int):
    model = load(made, rows, prompt_style=style)
    for chosen in (MIXED, [*MIXED[:3], *MIXED[6:11]]):
        work = replace(mixed_work(model), conditions=chosen)
        wanted = {key: row for key, row in answers(model, work).items() if key[1]}
        others = replace(work, baseline=False)
        assert answers(model, others) == wanted
        assert others.rows == len(wanted)
        needed = any(what and what.needs_baseline for what in chosen)
        assert needed == (chosen is MIXED)
        for batch in model.engine._batches(others):
            assert (0 in batch.conditions) == needed and not batch.first


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("thoughts", [ALL, (0,), (2, 5)], ids=str)
@pytest.mark.parametrize(
    ("block", "component"),
    [(0, "resid_pre"), (1, "resid_post"), (3, "resid_post"), (-1, "pre_projection")],
)
def test_a_problem_patched_with_itself_changes_no_bit(
    made: MadeCodi, style: str, thoughts: tuple[int, ...], block: int, component: str
):
    model = load(made, batch_rows=2, prompt_style=style)  # one problem in a batch: equal shapes
    patch = Intervention("patch", block, thoughts, component)
    plain = first_scores(model, work_on(model, [None, None]))
    patched = first_scores(model, work_on(model, [None, patch]))
    frozen = Intervention("patch", block, thoughts, component, rest="frozen")
    held = first_scores(model, work_on(model, [None, frozen]))
    for key, scores in plain.items():
        assert patched[key].equal(scores) and held[key].equal(scores)


def test_a_problem_patched_with_itself_writes_the_same_in_a_mixed_batch(made: MadeCodi):
    model = load(made)
    found = answers(model, work_on(model, [None, ZERO, SELF, MIXED[4], None]))
    for name in IDS:
        assert found[name, 2] == found[name, 0] == found[name, 4]


def test_the_published_off_by_one_is_no_identity(made: MadeCodi):
    model = load(made)
    shifted = Intervention("patch", 2, ALL, read="input")
    scores = first_scores(model, work_on(model, [None, shifted]))
    assert not scores[0, 0].allclose(scores[0, 1], atol=1e-3)


def test_zeros_leave_no_key_or_value_behind_in_a_llama(makes):
    model = load(makes("llama", layers=4))
    what = Intervention("zero", 1, (0, 2))
    edits = Edits([None, what], Batch(IDS), 6)
    with torch.inference_mode():
        state, _ = model.engine._think(model.encode(QUESTIONS), 2, edits)
    for stored in (state.keys, state.values):
        for thought in range(6):
            place = 1 + thought  # after the prompt's last token
            baseline, ablated = stored[2][:, :, :, place].unbind(2)
            assert baseline.any(-1).all()
            assert ablated.any() != (thought in what.thoughts)
            assert stored[1][:, :, 1, place].any(-1).all()


def test_frozen_thoughts_are_held_at_the_baseline(made: MadeCodi):
    free, frozen = (Intervention("zero", 1, (2,), rest=rest) for rest in ("free", "frozen"))
    model = load(made)
    seen = spy_on_residuals(model)
    for _ in model.engine.run(work_on(model, [None, free, frozen])):
        pass
    streams = seen[1, "resid_post"][1:7]  # after the prompt's last token
    for thought, stream in enumerate(streams):
        baseline, free_one, frozen_one = stream.unbind(1)
        assert frozen_one.equal(torch.zeros_like(baseline) if thought == 2 else baseline)
        assert free_one.allclose(baseline, atol=1e-4) == (thought < 2)


@pytest.mark.parametrize("rows", [3, 64])
def test_rows_that_never_stop_equal_a_run_alone(made: MadeCodi, rows: int):
    """Long answers move to the pool and share their later steps with other batches."""
    found = []
    for batch_rows in (1, rows):
        model = never_stopping(load(made, batch_rows), 60)
        found.append(answers(model, work_on(model, [None, ZERO, MIXED[2]])))
    assert found[0] == found[1]
    assert {(len(ids), reason) for ids, reason in found[0].values()} == {(60, "length")}


class Cramped:
    """A decoder with memory for so many rows, and for prompts of so many tokens."""

    def __init__(self, decoder, rows: int, tokens: int = 10_000):
        self._decoder, self._rows, self._tokens = decoder, rows, tokens
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._decoder, name)

    def step(self, inputs, state, edit=None):
        problems, count = inputs.shape[:2]
        if problems * count > self._rows or int(state.prompts.lengths.max()) > self._tokens:
            self.failures += 1
            raise torch.OutOfMemoryError("not enough memory, says the test")
        return self._decoder.step(inputs, state, edit)


@pytest.mark.parametrize(("rows", "length"), [(2, 8), (5, 18), (13, 12)])
@pytest.mark.parametrize("baseline", [True, False])
def test_running_out_of_memory_changes_no_row(
    made: MadeCodi, rows: int, length: int, baseline: bool
):
    wanted, model = (never_stopping(load(made), length) for _ in range(2))
    work = replace(work_on(model, MIXED[:3]), baseline=baseline)
    model.engine.decoder = Cramped(model.engine.decoder, rows)
    assert answers(model, work) == answers(wanted, work)
    assert model.engine.decoder.failures


def test_running_out_of_memory_in_the_pool_changes_no_row(made: MadeCodi):
    """Every batch has 3 rows and fits; the pool has 6 when it is written on, and does not."""
    wanted, model = (never_stopping(load(made, 5), 40) for _ in range(2))
    work = work_on(model, MIXED[:3])
    assert {len(batch.keys()) for batch in model.engine._batches(work)} == {3}
    model.engine.decoder = Cramped(model.engine.decoder, 5)
    assert answers(model, work) == answers(wanted, work)
    assert model.engine.decoder.failures


def test_rows_that_never_fit_fail_alone(made: MadeCodi):
    model, wanted = load(made), load(made)
    work = work_on(model, MIXED[:3])
    longest = max(range(len(QUESTIONS)), key=lambda i: len(work.questions[i]))
    second = sorted(len(tokens) for tokens in work.questions)[-2]
    model.engine.decoder = Cramped(model.engine.decoder, 64, tokens=second)
    finished = dict(row for rows in model.engine.run(work) for row in rows)
    expected = dict(row for rows in wanted.engine.run(work) for row in rows)
    for key, completion in finished.items():
        if key[0] == longest:
            assert completion.finish_reason == "failed"
            assert "memory" in completion.error
        else:
            assert outcome(completion) == outcome(expected[key])
    assert finished.keys() == expected.keys()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_narrow_formats_run_every_intervention(made: MadeCodi, precision: str):
    model = load(made, precision=precision)
    found = answers(model, mixed_work(model))
    assert {reason for _, reason in found.values()} <= {"stop", "length"}


def test_an_error_that_is_not_about_memory_is_raised(made: MadeCodi):
    model = load(made)

    def step(*_):
        raise RuntimeError("shapes do not match")

    model.engine.decoder.step = step
    with pytest.raises(RuntimeError, match="shapes do not match"):
        answers(model, work_on(model, [None]))
