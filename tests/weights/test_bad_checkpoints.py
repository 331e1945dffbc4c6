"""Every way a checkpoint can be wrong is refused, by tensor, with what to do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from make_codi import PEFT, MadeCodi, make_codi, save_state
from torch import Tensor

from cotsieve.ground.faults import BadInput
from cotsieve.weights.codi_checkpoint import load_codi


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    return make_codi(tmp_path_factory.mktemp("llama"), "llama")


def refused(made: MadeCodi, folder: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load_codi(folder, made.base, made.rank, made.alpha)
    return caught.value


QUERY = f"{PEFT}model.layers.1.self_attn.q_proj"
DOWN = f"{PEFT}model.layers.2.mlp.down_proj"


def dropped(*keys: str) -> Callable:
    return lambda state: {key: tensor for key, tensor in state.items() if key not in keys}


def put(key: str, tensor: Tensor) -> Callable:
    return lambda state: state | {key: tensor}


def renamed(old: str, new: str) -> Callable:
    return lambda state: {key.replace(old, new): tensor for key, tensor in state.items()}


def not_a_number(state: dict[str, Tensor]) -> dict[str, Tensor]:
    tensor = state["prj.1.bias"].clone()
    tensor[3] = float("nan")
    return state | {"prj.1.bias": tensor}


def short_rank(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: tensor[:2] if key == f"{QUERY}.lora_A.default.weight" else
        tensor[:, :2] if key == f"{QUERY}.lora_B.default.weight" else tensor
        for key, tensor in state.items()
    }  # fmt: skip


def no_embedding(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: t for key, t in state.items() if not re.search("embed_tokens|lm_head", key)}


def fewer_rows(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: t[:-3] if t.shape[0] == 272 else t for key, t in state.items()}


BAD = {
    "missing weight": (
        dropped(f"{DOWN}.base_layer.weight"),
        [f"{DOWN}.base_layer.weight: is missing; expected shape (32, 48)", "saved whole"],
    ),
    "missing norm": (
        dropped(f"{PEFT}model.norm.weight"),
        [f"{PEFT}model.norm.weight: is missing; expected shape (32)"],
    ),
    "adapter half missing": (
        dropped(f"{QUERY}.lora_B.default.weight"),
        [f"{QUERY}.lora_B.default.weight: is missing; expected shape (32, 4)"],
    ),
    "both adapter halves missing": (
        dropped(f"{QUERY}.lora_A.default.weight", f"{QUERY}.lora_B.default.weight"),
        [f"{QUERY}.lora_A.default.weight: is missing", f"{QUERY}.lora_B.default.weight: is miss"],
    ),
    "unknown key": (
        put(f"{QUERY}.lora_magnitude_vector", torch.ones(32)),
        [f"{QUERY}.lora_magnitude_vector: is not part of this architecture", "(32,)"],
    ),
    "bias the config does not have": (
        put(f"{QUERY}.base_layer.bias", torch.ones(32)),
        [f"{QUERY}.base_layer.bias: is not part of this architecture"],
    ),
    "wrong shape": (
        put(f"{DOWN}.base_layer.weight", torch.ones(48, 32)),
        [f"{DOWN}.base_layer.weight: has shape (48, 32); expected (32, 48)"],
    ),
    "wrong number of dimensions": (
        put(f"{DOWN}.lora_A.default.weight", torch.ones(48)),
        [f"{DOWN}.lora_A.default.weight: has shape (48,); expected (4, 48)"],
    ),
    "ranks differ": (short_rank, [f"{QUERY}: its adapter has rank 2, 20 others have 4"]),
    "no added rows": (
        fewer_rows,
        ["embed_tokens.weight: has shape (269, 32); expected (272, 32), 269 + 3 rows"],
    ),
    "no projection": (
        lambda state: {key: t for key, t in state.items() if not key.startswith("prj.")},
        ["prj.1.weight: is missing; expected shape (any, 32)", "prj.3.bias: is missing"],
    ),
    "half a projection norm": (dropped("prj.ln.bias"), ["prj.ln.bias: is missing"]),
    "not finite": (not_a_number, ["prj.1.bias: has 1 values that are not finite", "another"]),
    "quantised": (
        put(f"{QUERY}.base_layer.weight", torch.ones(32, 32, dtype=torch.int8)),
        [f"{QUERY}.base_layer.weight: is stored as torch.int8", "bfloat16"],
    ),
    "wrong prefix": (
        renamed(PEFT, "module."),
        ["no tensor's name starts with 'codi.base_model.model.'", "module.lm_head.weight"],
    ),
    "no embedding": (
        no_embedding,
        ["embed_tokens.weight: is missing; expected shape (272, 32)"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tensors_are_named_with_file_and_mend(case: str, llama: MadeCodi, tmp_path: Path):
    change, expected = BAD[case]
    save_state(tmp_path, change(llama.state), "bin")
    error = refused(llama, tmp_path)
    message = str(error)
    assert str(tmp_path / "pytorch_model.bin") in message
    assert all(part in message for part in expected), message
    assert all(finding.mend.endswith(".") for finding in error.findings)


def test_all_faults_come_at_once_and_are_capped(llama: MadeCodi, tmp_path: Path):
    kept = {key: tensor for key, tensor in llama.state.items() if ".layers.1." not in key}
    save_state(tmp_path, kept | {f"{PEFT}model.extra": torch.ones(1)}, "bin")
    assert len(refused(llama, tmp_path).findings) == 10
    smaller = make_codi(tmp_path / "smaller", hidden=16, heads=2, intermediate=24)
    findings = refused(llama, smaller.checkpoint).findings
    assert len(findings) == 21
    assert re.search(r"\d+ more faults like these", str(findings[-1]))
