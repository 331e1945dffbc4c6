"""The engine repeats what the published CODI and patching code computed on a tiny model."""

from pathlib import Path

import pytest
import torch
from golden import GROUPS, Golden, Ran

CERTAIN = 1e-3
"""Tokens must be equal where the recorded gap between the best two logits is at least this."""
EVERY = 5
"""Of so many problems one is run alone too."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "codi_llama_tiny")


@pytest.fixture(scope="module", params=list(GROUPS))
def ran(request: pytest.FixtureRequest, golden: Golden) -> tuple[str, Ran]:
    return request.param, golden.run(request.param, batch_rows=64)


def wrong_outputs(golden: Golden, group: str, ran: Ran) -> list[tuple[str, str]]:
    wrong = []
    for key, wanted in golden.expected(group):
        found = ran.completions[key]
        stop = {"eos": "stop", "length": "length"}.get(wanted.get("stop"), found.finish_reason)
        same = list(found.token_ids) == wanted["token_ids"] and found.finish_reason == stop
        if not same and wanted["min_margin"] >= CERTAIN:
            wrong.append((golden.records[key[0]]["id"], golden.names(group)[key[1]]))
    return wrong


def test_every_output_is_the_published_one(golden: Golden, ran: tuple[str, Ran]):
    group, result = ran
    names = golden.names(group)
    assert result.rows == len(result.completions) == len(golden.records) * len(names)
    assert wrong_outputs(golden, group, result) == []


def test_the_batch_does_not_matter(golden: Golden, ran: tuple[str, Ran]):
    group, result = ran
    alone = golden.run(group, batch_rows=1, every=EVERY)
    assert alone.rows == len(golden.records[::EVERY]) * len(golden.names(group))
    for (problem, condition), completion in alone.completions.items():
        among = result.completions[EVERY * problem, condition]
        assert completion.token_ids == among.token_ids
        assert completion.finish_reason == among.finish_reason


def test_first_logits_and_margins_are_the_published_ones(golden: Golden, ran: tuple[str, Ran]):
    group, result = ran
    for key, wanted in golden.expected(group):
        logits = result.seen.first_logits[key]
        top = logits[wanted["first_top5_ids"]].tolist()
        assert top == pytest.approx(wanted["first_top5_logits"], abs=1e-3)
        assert logits.topk(5).values.tolist() == pytest.approx(top, abs=1e-3)
        margin = result.completions[key].margin
        if group == "pre_projection":  # there the record counts the tokens read while thinking too
            margin = min(margin, smallest_lead(golden.names(group)[key[1]], result, key))
        assert margin == pytest.approx(wanted["min_margin"], abs=1e-3)


def test_thoughts_are_the_published_ones(golden: Golden, ran: tuple[str, Ran]):
    group, result = ran
    for key, wanted in golden.expected(group):
        hidden, inputs = result.seen.hidden[key], result.seen.inputs[key]
        states = hidden[-len(wanted["latent_hidden_norm"]) :]  # some records leave out the prompt
        assert norms(inputs) == pytest.approx(wanted["latent_in_norm"], rel=1e-4)
        assert norms(states) == pytest.approx(wanted["latent_hidden_norm"], rel=1e-4)
        if "latent_prj_norm" in wanted:
            projected = result.model.engine.projection(states)
            assert norms(projected) == pytest.approx(wanted["latent_prj_norm"], rel=1e-4)


def test_thoughts_themselves_are_the_published_ones(golden: Golden):
    result = golden.run("seed", batch_rows=64)
    for problem, record in enumerate(golden.records):
        if "seed_baseline_latent_vectors" in record:
            found = result.model.engine.projection(result.seen.hidden[problem, 0][1:])
            wanted = torch.tensor(record["seed_baseline_latent_vectors"])
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_tokens_read_from_hidden_states_are_the_published_ones(golden: Golden):
    """Of the baseline every state, of the interventions where they look at numbers only."""
    result = golden.run("pre_projection", batch_rows=64)
    vocabulary, names = result.model.engine.vocabulary, golden.names("pre_projection")
    for key, wanted in golden.expected("pre_projection"):
        ids, _ = vocabulary.top(result.seen.hidden[key])
        if names[key[1]] == "baseline_none":
            texts = [result.model.tokenizer.decode([token]) for token in ids.tolist()]
            assert texts == wanted["decoded_positions"]
        elif names[key[1]].endswith("_numbers"):
            places = vocabulary.numbers[ids].nonzero().flatten().tolist()
            assert places == wanted["intervened_positions"]


def smallest_lead(name: str, ran: Ran, key: tuple[int, int]) -> float:
    """By how much the tokens read from the hidden states of a row led at least."""
    vocabulary, hidden = ran.model.engine.vocabulary, ran.seen.hidden[key]
    leads = [vocabulary.top(hidden)[1]]
    if name.startswith("proj5"):
        leads.append(vocabulary.nearest(hidden, 5)[1])
    return torch.cat(leads).min().item()


def norms(vectors: torch.Tensor) -> list[float]:
    return vectors.norm(dim=-1).tolist()
