"""vLLM as writer of traces, as a study says it."""

from importlib.metadata import PackageNotFoundError

import pytest
from studies import MINIMAL

from cotsieve.ground.faults import BadInput
from cotsieve.study.identity import ingredients as identity
from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.models import ReasoningModel
from cotsieve.study.settings.reading import read_study


def model(**more) -> ReasoningModel:
    return ReasoningModel(family="reasoning", model="owner/name", **more)


def test_the_version_of_vllm_decides_its_rows(monkeypatch):
    monkeypatch.setattr(identity, "version", lambda name: f"{name} 0.11")
    own, foreign = model_identity(model()), model_identity(model(writer="vllm"), 8)
    added = {"writer": "vllm", "vllm": "vllm 0.11", "batch_rows": 8}
    assert foreign == own | added
    assert not added.keys() & own.keys()
    assert model_identity(model(writer="own")) == own


def test_an_absent_vllm_is_told_with_the_mend(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(identity, "version", absent)
    model_identity(model())
    with pytest.raises(BadInput, match=r"writer: vllm: vLLM is not installed.*pip install vllm"):
        model_identity(model(writer="vllm"))


@pytest.mark.parametrize(
    ("more", "device", "what"),
    [
        ({"precision": "tf32"}, "auto", "models.r1.precision: vLLM has no precision tf32"),
        ({}, "cuda:1", "engine.device: vLLM takes the first visible GPU, not cuda:1"),
    ],
)
def test_what_vllm_cannot_be_told(more, device, what):
    definition = {"family": "reasoning", "model": "owner/name", "writer": "vllm"} | more
    study = MINIMAL | {
        "models": {"r1": definition},
        "sweeps": {"main": {"conditions": {"empty": {"reasoning": "empty"}}}},
        "sieve": {"sweep": "main", "ablation": "empty"},
        "engine": {"device": device},
    }
    with pytest.raises(BadInput) as error:
        read_study(study)
    (finding,) = error.value.findings
    assert what in str(finding)
