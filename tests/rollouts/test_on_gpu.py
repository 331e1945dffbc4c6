"""What runs on a GPU is wholly there, and seldom waited for; seen on a pretended GPU."""

from dataclasses import replace

import pytest
import torch
from pretended_gpu import GPU, pretended_gpu
from test_latent_rows import CONDITIONS, PROBLEMS, recipe, texts
from test_latent_rows import run as run_latent
from test_written_rows import CONDITIONS as WRITTEN_CONDITIONS
from test_written_rows import QUESTIONS, STATE, THOUGHT, traces_of
from tiny import load as load_latent
from written import GREEDY, SAMPLED, by_key, make_reasoner, without_margins
from written import load as load_written
from written import problem as written_problem
from written import recipe as written_recipe

from cotsieve.rollouts.written_rows import ablate, trace

LATENT_CONDITIONS = CONDITIONS | {
    "patch": {"operation": "patch", "layer": 1, "thoughts": "all", "scope": "seed"},
    "project": {"operation": "project", "component": "pre_projection", "thoughts": "all", "top": 5},
    "frozen": {"operation": "zero", "layer": 1, "thoughts": [3], "rest": "frozen"},
    "numbers": {
        **{"operation": "zero", "component": "pre_projection", "thoughts": "all"},
        "where": "numbers",
    },
}


def test_the_pretended_gpu_refuses_what_a_real_one_refuses():
    with pretended_gpu() as operations:
        there, here = torch.arange(3, device="cuda"), torch.arange(3)
        with pytest.raises(RuntimeError, match="cuda:0 and cpu"):
            there + here
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="CPU"):
            there[there > 0] = here[1:]
        operations.waits = 0
        assert (there + 1).device == GPU and operations.waits == 0
        assert (there + 1).tolist() == [1, 2, 3] and operations.waits == 1


def test_latent_rows_are_those_of_the_cpu(makes):
    """In 16 bits, with the doubtful rows run again in 32."""
    made = makes("llama", layers=4)
    how, some = recipe(LATENT_CONDITIONS), PROBLEMS[:3]

    def rows(device: str) -> dict:
        model = load_latent(made, 16, max_new_tokens=5, device=device, precision="exact")
        assert model.engine.decoder.device.type == device
        doubt = replace(model.gate.doubt, wave=4)
        model = replace(model, gate=replace(model.gate, doubt=doubt))
        return texts(run_latent(model, some, how))

    expected = rows("cpu")
    with pretended_gpu():
        assert rows("cuda") == expected


def test_a_step_of_greedy_writing_waits_once(made):
    def waits(tokens: int) -> int:
        with pretended_gpu() as operations:
            model = load_latent(made, 64, max_new_tokens=tokens, device="cuda")
            operations.waits = 0
            run_latent(model, recipe=recipe({"baseline": None}))
        return operations.waits

    assert waits(12) - waits(6) <= 6


@pytest.mark.parametrize(("family", "decoding"), [("qwen2", SAMPLED), ("gemma2", GREEDY)])
def test_written_rows_are_those_of_the_cpu(tmp_path, family, decoding):
    folder, decoding = make_reasoner(tmp_path, family), decoding | {"max_new_tokens": 6}
    problems = [written_problem(i, text, THOUGHT) for i, text in enumerate(QUESTIONS[:2])]
    how = written_recipe(decoding, **WRITTEN_CONDITIONS)

    def rows(device: str) -> dict:
        model = load_written(folder, 7, decoding, device)
        stored = traces_of(model, problems)
        ablated = by_key(ablate(model, how, stored, STATE, stored))
        return without_margins(by_key(trace(model, how, problems, [0])) | ablated)

    expected = rows("cpu")
    with pretended_gpu():
        found = rows("cuda")
    assert found == expected
