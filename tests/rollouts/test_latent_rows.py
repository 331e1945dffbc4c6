"""Rows of the rollouts table: each once, the same in any company, and honest about failures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from make_codi import MadeCodi
from safetensors.torch import save_file
from tiny import IDS, QUESTIONS, load

from cotsieve.engine.latent import settling
from cotsieve.engine.latent.engine import LatentEngine
from cotsieve.engine.latent.model import LatentModel
from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import Problem
from cotsieve.rollouts import latent_rows as generation
from cotsieve.rollouts.latent_rows import generate
from cotsieve.rollouts.recipe import Recipe

CONDITIONS = {
    "baseline": None,
    "zero": {"operation": "zero", "layer": "middle", "thoughts": "all"},
    "mean": {"operation": "mean", "layer": 1, "thoughts": {"first": 3}},
    "resample": {"operation": "resample", "layer": 0.5, "thoughts": "all", "rest": "free"},
    "noise": {"operation": "noise", "layer": "early", "thoughts": [1, 4], "seed": 2},
    "read": {"operation": "discretize", "component": "pre_projection", "thoughts": "all"},
}
IDENTITY = {"model": {"checkpoint": "a"}, "decoding": {"max_new_tokens": 12}, "code": "b"}


def problem(name: str, question: str, error: str | None = None) -> Problem:
    return Problem(name, "made", int(name[-1], 36), question, None, "1", 2, "2-step", error)


PROBLEMS = [problem(name, text) for name, text in zip(IDS, QUESTIONS, strict=True)]
REFERENCE = [problem(f"ref_{n}", f"{text} Why?") for n, text in enumerate(QUESTIONS[:4])]


def recipe(conditions: dict[str, Any] = CONDITIONS, reference: str | None = "r") -> Recipe:
    return Recipe(conditions, IDENTITY, reference)


RECIPE = recipe()


def run(
    model: LatentModel, problems: Sequence[Problem] = PROBLEMS, recipe: Recipe = RECIPE
) -> dict[tuple[str, str], dict[str, Any]]:
    """(problem id, condition) → row; every row must come once."""
    rows = [row for part in generate(model, recipe, problems, REFERENCE) for row in part]
    found = {(row["problem_id"], row["condition"]): row for row in rows}
    assert len(found) == len(rows) == len(problems) * len(recipe.conditions)
    return found


def texts(rows: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], tuple]:
    """What must not depend on the company of a row: all but the last bits of its margin."""
    return {
        key: tuple(value for name, value in row.items() if name != "margin")
        for key, row in rows.items()
    }


@pytest.fixture(scope="module")
def rows(made: MadeCodi) -> dict[tuple[str, str], dict[str, Any]]:
    return run(load(made))


def test_rows_are_the_same_in_any_batch_order_and_shard(made: MadeCodi, rows):
    whole = texts(rows)
    assert texts(run(load(made, 1))) == whole
    assert texts(run(load(made, 4), PROBLEMS[::-1])) == whole
    model = load(made, 10)
    shards = texts(run(model, PROBLEMS[:3])) | texts(run(model, PROBLEMS[3:]))
    assert shards == whole
    fewer = recipe().limited_to(["noise", "mean"])
    assert texts(run(model, recipe=fewer)).items() <= whole.items()
    parts = list(generate(model, fewer, PROBLEMS, REFERENCE, baseline=False))
    alone = {(row["problem_id"], row["condition"]): row for part in parts for row in part}
    assert {condition for _, condition in alone} == {"noise", "mean"}
    assert len(alone) == 2 * len(PROBLEMS) and texts(alone).items() <= whole.items()


def test_a_row_says_what_was_written(made: MadeCodi, rows):
    model = load(made)
    for (name, condition), row in rows.items():
        question = QUESTIONS[IDS.index(name)]
        assert row["finish_reason"] in ("stop", "length") and row["error"] is None
        assert (len(row["token_ids"]) == 12) == (row["finish_reason"] == "length")
        assert row["text"] == model.text(tuple(row["token_ids"]))
        assert row["prompt_tokens"] == len(model.encode([question])[0])
        assert row["margin"] >= 0
        assert row["row_key"] == recipe().row_key(PROBLEMS[IDS.index(name)], condition)


def test_only_codi_eval_reads_two_spaces_as_one(made: MadeCodi):
    for options, collapsed in (
        ({}, True),
        ({"prompt_style": "seed"}, False),
        ({"collapse_spaces": False}, False),
        ({"prompt_style": "seed", "collapse_spaces": True}, True),
    ):
        one, two = load(made, **options).encode(["a b", " a  b "])
        assert (one == two) == collapsed


@pytest.mark.parametrize("style", ["codi-eval", "seed"])
def test_questions_of_one_token_are_run(makes, style: str):
    """Alone and beside longer ones; GPT-2 puts nothing in front of a question."""
    model = load(makes("gpt2", layers=4), prompt_style=style)
    assert [len(tokens) for tokens in model.encode(["x"])] == [1]
    shortest = [PROBLEMS[IDS.index("made_4")], problem("made_y", "y")]
    alone, together = run(model, shortest), run(model, [*PROBLEMS, shortest[1]])
    assert texts(alone).items() <= texts(together).items()
    assert all(row["finish_reason"] != "failed" for row in together.values())


def failed_beside_others(
    model: LatentModel, wrong: Problem, others: dict, recipe: Recipe = RECIPE
) -> str:
    """Run a problem that cannot be run in the middle of others; returns the reason it gives."""
    found = run(model, [*PROBLEMS[:3], wrong, *PROBLEMS[3:]], recipe)
    reasons = set()
    for key, row in found.items():
        if key[0] != wrong.problem_id:
            assert texts({key: row}) == texts({key: others[key]})
            continue
        assert (row["finish_reason"], row["token_ids"], row["text"]) == ("failed", None, None)
        reasons.add(row["error"])
    assert len(reasons) == 1
    return reasons.pop()


def test_problems_that_cannot_be_run_fail_alone(made: MadeCodi, rows):
    model = load(made)
    assert failed_beside_others(model, problem("bad_1", "Q?", "no answer"), rows) == "no answer"
    reason = failed_beside_others(model, problem("bad_2", "long " * 200), rows)
    assert reason.startswith("too long") and "positions" in reason


def test_a_question_of_no_tokens_fails_alone(makes):
    model = load(makes("gpt2", layers=4), prompt_style="seed")
    assert "no tokens" in failed_beside_others(model, problem("bad_3", "  "), run(model))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_logits_that_are_no_numbers_fail_alone(makes, family: str):
    """One token's embedding is poisoned; it stands in one question only, and in no answer.

    The first one tried has id 0, which many programs pad with.
    """
    model = load(makes(family, layers=4, tied=False))
    conditions = recipe({name: CONDITIONS[name] for name in ("baseline", "zero", "mean", "noise")})
    clean = run(model, recipe=conditions)
    written = {token for row in clean.values() for token in row["token_ids"]}
    signs = {sign: model.tokenizer.encode(sign, add_special_tokens=False) for sign in "!~^|`@#%&*"}
    sign = next(sign for sign, ids in signs.items() if not written.intersection(ids))
    model.engine.decoder.embedding = model.engine.decoder.embedding.clone()
    model.engine.decoder.embedding[signs[sign]] = torch.nan
    for question in (f"Tom {sign} Ann?", f"{sign} and a long question about Tom, Ann and Bob"):
        wrong = problem("bad_4", question)
        assert "finite" in failed_beside_others(model, wrong, clean, conditions)


def test_rows_near_a_tie_are_run_again_in_double(made: MadeCodi, rows, monkeypatch):
    margins = sorted(row["margin"] for row in rows.values())
    limit = margins[len(margins) // 3]
    monkeypatch.setattr(settling, "NEAR_TIE", limit)
    again, plain_run = [], LatentEngine.run

    def run_and_note(engine, work):
        if engine.decoder.dtype == torch.float64:
            again.extend((name, work.conditions[-1]) for name in work.problem_ids)
        return plain_run(engine, work)

    monkeypatch.setattr(LatentEngine, "run", run_and_note)
    found = run(load(made))
    assert texts(found) == texts(rows)
    near = [key for key, row in rows.items() if row["margin"] < limit]
    choosing = [key for key in rows if key[1] == "read"]  # its choices may be close, too
    assert len(near) <= len(again) == len(set(again)) <= len({*near, *choosing})


def test_in_double_a_row_does_not_depend_on_its_batch_at_all(made: MadeCodi):
    def margins(batch_rows: int) -> dict[tuple[int, int], float]:
        model = load(made, batch_rows)
        how = recipe(CONDITIONS)
        tokens = model.encode(QUESTIONS)
        work = generation._work(model, how, PROBLEMS, tokens, REFERENCE)
        rows = [row for part in model.engine.in_double().run(work) for row in part]
        return {key: done.margin for key, done in rows}

    expected = margins(64)
    for batch_rows in (1, 5):
        assert margins(batch_rows) == pytest.approx(expected, rel=1e-9)


def test_a_close_choice_while_thinking_counts_as_a_tie(made: MadeCodi):
    """What token a hidden state is read as must not depend on the batch either."""
    model = load(made)
    work = generation._work(model, recipe(), PROBLEMS, model.encode(QUESTIONS), REFERENCE)
    names = list(CONDITIONS)
    gaps: dict[str, set[bool]] = {}
    for finished in model.engine.run(work):
        for (_, condition), completion in finished:
            gaps.setdefault(names[condition], set()).add(completion.choice_gap < float("inf"))
    assert gaps == {name: {name == "read"} for name in names}


def test_a_row_is_known_by_what_decides_it():
    base, first = recipe(), PROBLEMS[0]
    keys = {name: base.row_key(first, name) for name in CONDITIONS}
    assert len(set(keys.values())) == len(CONDITIONS)

    def changed(other: Recipe = base, problem: Problem = first) -> set[str]:
        return {name for name in CONDITIONS if other.row_key(problem, name) != keys[name]}

    everything = set(CONDITIONS)
    assert changed(problem=replace(first, question="Another?")) == everything
    for identity in ({"code": "c"}, {"decoding": {"max_new_tokens": 13}}, {"model": {}}):
        assert changed(replace(base, identity=IDENTITY | identity)) == everything
    assert changed(replace(base, reference="other")) == {"mean", "resample"}
    assert changed(problem=replace(first, problem_id="other")) == {"noise", "resample"}
    unused = replace(first, answer="7", steps=5, stratum="5+step", solution="s", row=9)
    assert changed(problem=unused) == set()
    fewer = base.limited_to(["zero"])
    assert fewer.row_key(first, "zero") == keys["zero"]
    for name, definition in CONDITIONS.items():
        if definition:
            other = replace(base, conditions=CONDITIONS | {name: definition | {"seed": 77}})
            assert changed(other) == {name}
    more = replace(base, identity=IDENTITY | {"decoding": IDENTITY["decoding"] | {"samples": 4}})
    assert changed(more) == set()
    renamed = replace(base, conditions={"other": CONDITIONS["zero"], "baseline": None})
    assert renamed.row_key(first, "other") == keys["zero"]


def test_patches_from_a_file_are_taken_by_problem(made: MadeCodi, tmp_path):
    """A file of the problems' own activations gives the baseline; one that lacks any is refused."""
    model = load(made)
    site = (2, "resid_post")
    own = model.engine.activations(model.encode(QUESTIONS), {site})[site]
    file = tmp_path / "own.safetensors"
    save_file({name: own[i].clone() for i, name in enumerate(IDS)}, file)
    patch = {"operation": "patch", "layer": 2, "thoughts": "all", "activations": str(file)}
    found = run(load(made, 4), PROBLEMS[::-1], recipe({"baseline": None, "patch": patch}))
    for name in IDS:
        assert found[name, "patch"]["token_ids"] == found[name, "baseline"]["token_ids"]
    save_file({name: torch.zeros(6, 3) for name in IDS}, file)
    with pytest.raises(BadInput, match="7 problems have no activations of shape"):
        run(model, recipe=recipe({"baseline": None, "patch": patch}))
