"""Traces and ablations of written reasoning, against the stock library."""

import contextlib
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from written import (
    EDITS,
    GREEDY,
    QUESTIONS,
    SAMPLED,
    STYLE,
    THOUGHT,
    by_key,
    load,
    make_reasoner,
    problem,
    recipe,
    stock,
    without_margins,
    written_on,
)

from cotsieve.engine.written.reading_edits import donor_of
from cotsieve.engine.written.starts import families
from cotsieve.ground.seeds import seed_from
from cotsieve.interventions.thoughts import Intervention
from cotsieve.rollouts import written_rows
from cotsieve.rollouts.given_reasoning import Donors, Trace, given_reasoning, stored_trace
from cotsieve.rollouts.table import digest_of_tokens
from cotsieve.rollouts.written_rows import ablate, trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_reasoner(tmp_path_factory.mktemp("reasoner"))


@pytest.fixture(scope="module")
def problems():
    thoughts = (THOUGHT, "Count 90 and halve it. It is 45.\n", "3 - 1", "12 * 5 = 60.\n")
    pairs = zip(QUESTIONS, thoughts, strict=True)
    return [problem(number, *pair) for number, pair in enumerate(pairs)]


# --- traces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_traces_do_not_depend_on_the_batch(folder, problems, decoding):
    decoding = decoding | {"max_new_tokens": 70, "samples": 2}
    samples = [0, 1] if decoding["temperature"] else [0]
    runs = [
        by_key(trace(load(folder, rows, decoding), recipe(decoding), order, samples))
        for rows, order in ((1, problems), (3, problems), (64, problems[::-1]))
    ]
    for other in runs[1:]:
        assert without_margins(other) == without_margins(runs[0])
    texts = {tuple(row["token_ids"]) for row in runs[0].values()}
    assert len(texts) == len(runs[0])  # samples differ from each other
    if decoding["temperature"]:
        moved = recipe(decoding | {"seed": 1})
        other = by_key(trace(load(folder, 8, decoding), moved, problems, samples))
        assert all(other[key]["token_ids"] != row["token_ids"] for key, row in runs[0].items())


def test_what_cannot_be_traced_fails_with_its_reason(folder, problems):
    model = load(folder)
    broken = problem(7, "", error="the answer is empty")
    long = problem(8, "many words " * 300)
    rows = by_key(trace(model, recipe(), [problems[0], broken, long], [0]))
    assert rows["made_0", "baseline", 0]["finish_reason"] in ("stop", "length")
    for name, words in (("made_7", "the answer is empty"), ("made_8", "512 positions")):
        row = rows[name, "baseline", 0]
        assert row["finish_reason"] == "failed" and words in row["error"]
        assert row["token_ids"] is row["text"] is row["answer_text"] is row["margin"] is None
        stored = stored_trace(model, broken, row, given=False)
        (ablated,) = by_key(ablate(model, recipe(empty=EDITS["empty"]), [stored], {})).values()
        assert ablated["finish_reason"] == "failed" and words in ablated["error"]
    without = problem(9, "Half of 90?")
    (row,) = by_key(trace(model, recipe(), [without], [0], given=True)).values()
    assert "no reasoning" in row["error"]


def test_a_row_tells_thought_from_answer(folder, problems):
    model = load(folder, decoding=GREEDY | {"max_new_tokens": 30})
    close = model.tokenizer.convert_tokens_to_ids("</think>")
    plain = model.engine.decoder.logits
    steps = iter(range(1000))

    def logits(hidden, keep, **how):  # closes the thought after ten tokens
        scores = plain(hidden, keep, **how)
        scores[:, close] = 1e4 if next(steps) == 10 else -1e4
        return scores

    model.engine.decoder.logits = logits
    (row,) = by_key(trace(model, recipe(), problems[:1], [0])).values()
    assert row["thought_tokens"] == 10
    assert row["answer_tokens"] == len(row["token_ids"]) - 11 > 0
    assert row["text"] == model.text(row["token_ids"][:10]) + "</think>" + row["answer_text"]
    assert row["prompt_tokens"] == len(model.opened(problems[0].question))
    stored = stored_trace(model, problems[0], row, given=False)
    assert stored.whole and stored.reasoning == tuple(row["token_ids"][:10])
    keep = by_key(ablate(load(folder), recipe(keep=EDITS["full"]), [stored], {}))
    assert keep["made_0", "keep", 0]["thought_tokens"] == 10


# --- ablations ----------------------------------------------------------------------------------

STATE = {
    "zero": Intervention("zero", 1, (0,)),
    "mean": Intervention("mean", 0, (0,), "resid_pre"),
    "resample": Intervention("resample", 1, (0,)),
    "noise": Intervention("noise", 1, (0,), scale=0.5),
    "nothing": Intervention("zero", 2, (0,)),  # nothing reads the last block of a prompt
    "resample-last": Intervention("resample", 2, (0,)),
}
TEXT = {
    **EDITS,
    "half-of-tokens": {"reasoning": "truncate", "fraction": 0.5},
    "one-sentence": {"reasoning": "truncate", "sentences": 1},
    "drop": {"reasoning": "drop-answer-statement"},
    "shuffle": {"reasoning": "shuffle"},
    "swap": {"reasoning": "swap"},
    "dots": {"reasoning": "filler"},
    "direct": {"reasoning": "empty", "answer": "forced"},
    "forced": {"reasoning": "keep", "answer": "forced"},
    "blocked": {"attention": "blocked"},
}
CONDITIONS = TEXT | {name: {"operation": what.operation} for name, what in STATE.items()}


def traces_of(model, problems) -> list[Trace]:
    return [
        Trace(item, 0, model.given(item.question, item.reasoning), "So 2.") for item in problems
    ]


def ablated(folder, problems, rows: int = 64, order=slice(None), donors=None, decoding=GREEDY):
    model = load(folder, rows, decoding)
    stored = traces_of(model, problems)
    donors = stored if donors is None else donors(stored)
    return by_key(ablate(model, recipe(decoding, **CONDITIONS), stored[order], STATE, donors))


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_ablations_do_not_depend_on_the_batch(folder, problems, decoding):
    runs = [
        ablated(folder, problems, rows, order, decoding=decoding)
        for rows, order in ((1, slice(None)), (5, slice(None)), (64, slice(None, None, -1)))
    ]
    assert without_margins(runs[1]) == without_margins(runs[0]) == without_margins(runs[2])
    reasons = {row["finish_reason"] for row in runs[0].values()}
    assert reasons <= {"stop", "length", "failed"}
    failed = {key[1] for key, row in runs[0].items() if row["finish_reason"] == "failed"}
    assert failed <= {"alter_statement", "alter_all"}  # where the thought states no number
    assert len({tuple(row["token_ids"] or ()) for row in runs[0].values()}) > 20
    if not decoding["temperature"]:
        for name in ("nothing", "resample-last"):
            for item in problems:
                same = runs[0][item.problem_id, name, 0], runs[0][item.problem_id, "full", 0]
                assert same[0]["token_ids"] == same[1]["token_ids"]


def test_a_forced_answer_is_part_of_what_is_graded(folder, problems):
    rows = ablated(folder, problems)
    for item in problems:
        row = rows[item.problem_id, "direct", 0]
        assert row["answer_text"] == STYLE["forced_answer"] + row["text"]


def test_ablations_of_one_trace_share_what_they_read(folder, problems):
    model = load(folder)
    item = problem(0, QUESTIONS[0], THOUGHT * 6)
    names = ("full", "empty", "finished", "drop_statement", "half-of-tokens", "forced", "direct")
    chosen = {name: CONDITIONS[name] for name in (*names, "alter_statement", "blocked")}
    list(ablate(model, recipe(**chosen), traces_of(model, [item]), {}))
    whole = len(model.closed(item.question, item.reasoning))
    assert model.engine.tokens_read < whole + len(model.opened(item.question)) + 250
    assert model.engine.tokens_read < 0.5 * whole * len(chosen)


def test_blocked_attention_equals_the_library_with_a_mask(folder, problems):
    model, library = load(folder), stock(folder)
    rows = ablated(folder, problems)
    for item in problems:
        tokens = model.closed(item.question, item.reasoning)
        first = len(model.opened(item.question))
        last = first + len(model.given(item.question, item.reasoning))

        def mask(length: int, first=first, last=last) -> torch.Tensor:
            seen = torch.ones(length, length).tril().bool()
            seen[last:, first:last] = False
            return seen

        expected, gap = written_on(library, tokens, 12, mask)
        row = rows[item.problem_id, "blocked", 0]
        assert gap < 1e-3 or row["token_ids"] == expected


@contextlib.contextmanager
def hooked(model, block: int, side: str, span: tuple[int, int], change):
    """Overwrite the residual stream before or after a block at the places of `span`."""

    def write(residual):
        residual = residual.clone()
        residual[0, span[0] : span[1]] = change(residual[0, span[0] : span[1]])
        return residual

    layer = model.model.layers[block]
    if side == "resid_pre":
        handle = layer.register_forward_pre_hook(lambda _, given: (write(given[0]), *given[1:]))
    else:

        def after(_, __, out):
            return (write(out[0]), *out[1:]) if isinstance(out, tuple) else write(out)

        handle = layer.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def kept(library, tokens, block: int, side: str, span) -> torch.Tensor:
    seen = []

    def look(activation):
        seen.append(activation.clone())
        return activation

    with hooked(library, block, side, span, look), torch.inference_mode():
        library(torch.tensor([tokens]), use_cache=False)
    return seen[0]


@pytest.mark.parametrize("name", ["zero", "mean", "resample", "noise"])
def test_residual_edits_equal_hooks_in_the_library(folder, problems, name):
    model, library, what = load(folder), stock(folder), STATE[name]
    rows = ablated(folder, problems)
    spans, prompts = {}, {}
    for item in problems:
        first = len(model.opened(item.question))
        reasoning = model.given(item.question, item.reasoning)
        spans[item.problem_id] = (first, first + len(reasoning))
        prompts[item.problem_id] = model.closed(item.question, item.reasoning)
    activations = {
        key: kept(library, prompts[key], what.block, what.component, spans[key]) for key in spans
    }
    ids = list(spans)

    def change(problem_id: str, given: torch.Tensor) -> torch.Tensor:
        if name == "zero":
            return torch.zeros_like(given)
        if name == "mean":
            return torch.cat(list(activations.values())).mean(0).expand_as(given)
        if name == "resample":
            donor = activations[ids[donor_of(problem_id, ids, 0)]]
            return torch.stack([donor[i % len(donor)] for i in range(len(given))])
        draws = np.random.default_rng(seed_from("noise", 0, problem_id))
        noise = torch.tensor(draws.standard_normal(given.shape), dtype=torch.float32)
        return given + 0.5 * noise * given.square().mean(-1, keepdim=True).sqrt()

    certain = 0
    for key in ids:

        def hook(model, key=key):
            return hooked(
                model, what.block, what.component, spans[key], lambda given: change(key, given)
            )

        expected, gap = written_on(library, prompts[key], 12, hook=hook)
        certain += gap >= 1e-3
        assert gap < 1e-3 or rows[key, name, 0]["token_ids"] == expected
    assert certain >= 3


def test_a_problem_is_never_its_own_donor(folder, problems):
    model = load(folder)
    rows = ablated(folder, problems)
    ids = [item.problem_id for item in problems]
    for item in problems:
        other = problems[donor_of(item.problem_id, ids, 0)]
        assert other is not item
        tokens = model.closed(item.question, other.reasoning)
        assert rows[item.problem_id, "swap", 0]["thought_tokens"] == model.thought_length(
            item.question, tokens
        )


def test_without_another_problem_there_is_nothing_to_take(folder, problems):
    rows = ablated(folder, problems[:1], donors=lambda stored: stored)
    for name in ("swap", "resample"):
        assert rows["made_0", name, 0]["finish_reason"] == "failed"
        assert "no other" in rows["made_0", name, 0]["error"]
    rows = ablated(folder, problems[:1], donors=lambda stored: [])
    assert "none of them" in rows["made_0", "mean", 0]["error"]
    assert rows["made_0", "zero", 0]["finish_reason"] != "failed"


def test_donor_span_and_seed_make_again_what_was_read(folder, problems, monkeypatch):
    """20 random rows whose reasoning was edited: the very ids that the engine was given."""
    read, model = [], load(folder)

    def noting(starts):
        read.extend(start.tokens for start in starts)
        return families(starts)

    monkeypatch.setattr(written_rows, "families", noting)
    long = [
        replace(item, reasoning=f"{item.reasoning}So it is {n}. ")
        for n, item in enumerate(problems * 2)
    ]
    items = [replace(item, problem_id=f"made_{n}", answer=str(n)) for n, item in enumerate(long)]
    stored = traces_of(model, items)
    rows = by_key(ablate(model, recipe(**CONDITIONS), stored, STATE, stored))
    ids = {digest_of_tokens(tokens): tokens for tokens in read}
    edited = [row for row in rows.values() if row["finish_reason"] != "failed"]
    assert len(edited) > 100
    by_id = {trace.problem.problem_id: trace for trace in stored}
    for row in random.Random(1).sample(edited, 20):
        trace, definition = by_id[row["problem_id"]], CONDITIONS[row["condition"]]
        donors = Donors([by_id[row["donor"]]] if row["donor"] else [])
        again = given_reasoning(model, definition | _seeded(row), trace, donors)
        tokens = again.tokens(model, trace.problem.question, definition.get("answer") == "forced")
        assert tokens == ids[row["read_digest"]]
        assert digest_of_tokens(tokens) == row["read_digest"]
        told = ("donor", "seed", "changed_start", "changed_end", "altered_to")
        assert again.told == {name: row[name] for name in told}


def _seeded(row) -> dict:
    return {} if row["seed"] is None else {"seed": row["seed"]}


def test_a_reasoning_that_was_broken_off_gets_a_line_end(folder, problems):
    model = load(folder)
    reasoning = model.given(problems[2].question, problems[2].reasoning)
    for whole, end in ((True, "1</think>"), (False, "1\n</think>")):
        tokens = model.cut(problems[2].question, reasoning, whole=whole)
        assert model.tokenizer.decode(tokens).endswith(end)
