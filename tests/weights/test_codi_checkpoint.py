"""Checkpoints load whole, merged and named, or not at all."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from make_codi import PEFT, MadeCodi, make_codi, save_state, stock_model, stock_state
from torch import Tensor

from cotsieve.ground.faults import BadInput
from cotsieve.weights.architecture import inverse_frequencies
from cotsieve.weights.codi_checkpoint import CodiCheckpoint, load_codi


@pytest.fixture(scope="module", params=["llama", "gpt2", "qwen2"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    return make_codi(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    return make_codi(tmp_path_factory.mktemp("llama"), "llama")


def load(made: MadeCodi, **changes: object) -> CodiCheckpoint:
    arguments = {"checkpoint": made.checkpoint, "base": made.base, "lora_rank": made.rank}
    return load_codi(**arguments | {"lora_alpha": made.alpha} | changes)


def resaved(made: MadeCodi, folder: Path, state: dict[str, Tensor]) -> Path:
    save_state(folder, state, "bin")
    return folder


def test_merged_weights_are_the_stock_models(made: MadeCodi):
    loaded = load(made)
    state = stock_state(loaded)
    assert state.keys() == made.merged.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, made.merged[name], rtol=1e-6, atol=1e-6)
    assert all(t.dtype == torch.float32 and t.is_contiguous() for t in loaded.weights.values())
    assert loaded.weights["head.weight"] is loaded.weights["embed.weight"]
    assert [loaded.pad_id, loaded.bot_id, loaded.eot_id] == [
        loaded.architecture.base_vocabulary + i for i in range(3)
    ]
    assert loaded.lora_rank == made.rank
    for ours, theirs in {"down": "prj.1", "up": "prj.3", "norm": "prj.ln"}.items():
        for kind in ("weight", "bias"):
            assert loaded.projection[f"{ours}.{kind}"].equal(made.state[f"{theirs}.{kind}"])


def test_merging_equals_running_the_adapters_beside_the_weights(made: MadeCodi):
    """The stock model on base weights with hooks for the adapters gives the merged logits."""
    plain = {
        key.removeprefix(PEFT).replace(".base_layer", ""): tensor.float()
        for key, tensor in made.state.items()
        if not key.startswith("prj.") and ".lora_" not in key
    }
    model = stock_model(made.base, plain)
    scale = made.alpha / made.rank
    for name, module in model.named_modules():
        half = f"{PEFT}{name}.lora_{{}}.default.weight"
        if half.format("A") in made.state:
            a, b = made.state[half.format("A")], made.state[half.format("B")]
            module.register_forward_hook(
                lambda _, x, y, a=a, b=b: y + scale * torch.nn.functional.linear(x[0] @ a.T, b)
            )
    ids = torch.arange(5, 25)[None]
    merged = stock_model(made.base, stock_state(load(made)))
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("format", ["safetensors", "sharded", "sharded-bin"])
def test_every_file_format_gives_the_same_weights(made: MadeCodi, format: str, tmp_path: Path):
    save_state(tmp_path, made.state, format)
    same(load(made), load(made, checkpoint=tmp_path))


def same(one: CodiCheckpoint, other: CodiCheckpoint) -> None:
    assert one.weights.keys() == other.weights.keys()
    assert all(tensor.equal(other.weights[name]) for name, tensor in one.weights.items())


def without_wrapper(state: dict[str, Tensor], made: MadeCodi) -> dict[str, Tensor]:
    projection = {key: tensor for key, tensor in state.items() if key.startswith("prj.")}
    return projection | {f"codi.{key}": tensor for key, tensor in made.merged.items()}


def without_head(state: dict[str, Tensor], made: MadeCodi) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if "lm_head" not in key}


def without_embedding(state: dict[str, Tensor], made: MadeCodi) -> dict[str, Tensor]:
    return {key: t for key, t in state.items() if not re.search(r"\.(wte|embed_tokens)\.", key)}


def with_buffers(state: dict[str, Tensor], made: MadeCodi) -> dict[str, Tensor]:
    if made.family == "gpt2":
        names = ["transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias"]
    else:
        names = ["model.rotary_emb.inv_freq", "model.layers.0.self_attn.rotary_emb.inv_freq"]
    return state | {f"{PEFT}{name}": torch.ones(4) for name in names}


@pytest.mark.parametrize("change", [without_head, without_embedding, with_buffers])
def test_harmless_differences_load_the_same(made: MadeCodi, change: Callable, tmp_path: Path):
    folder = resaved(made, tmp_path, change(made.state, made))
    same(load(made), load(made, checkpoint=folder))


def test_a_merged_checkpoint_without_peft_loads(made: MadeCodi, tmp_path: Path):
    folder = resaved(made, tmp_path, without_wrapper(made.state, made))
    loaded = load(made, checkpoint=folder, lora_rank=None)
    assert loaded.lora_rank is None
    for name, tensor in load(made).weights.items():
        torch.testing.assert_close(loaded.weights[name], tensor, rtol=1e-6, atol=1e-6)
    with pytest.raises(BadInput, match=r"no adapters.*lora_rank to null"):
        load(made, checkpoint=folder)


def test_a_differing_output_layer_wins_twice_when_tied(llama: MadeCodi, tmp_path: Path, caplog):
    head = llama.state[f"{PEFT}lm_head.weight"] + 1
    folder = resaved(llama, tmp_path, llama.state | {f"{PEFT}lm_head.weight": head})
    loaded = load(llama, checkpoint=folder)
    assert loaded.weights["embed.weight"].equal(head.float())
    assert "output layer and embedding differ" in caplog.text
    assert loaded.weights["head.weight"] is loaded.weights["embed.weight"]


def test_an_untied_model_keeps_its_own_output_layer(tmp_path: Path):
    made = make_codi(tmp_path, tied=False, attention_bias=True, norm=False, kv_heads=4)
    loaded = load(made)
    assert not loaded.weights["head.weight"].equal(loaded.weights["embed.weight"])
    assert loaded.projection["norm.weight"] is None and loaded.projection["norm.bias"] is None
    assert stock_state(loaded).keys() == made.merged.keys()
    with pytest.raises(BadInput, match=r"lm_head\.weight: is missing; expected shape \(272, 32\)"):
        load(made, checkpoint=resaved(made, made.base, without_head(made.state, made)))


def test_the_file_itself_and_other_precisions(llama: MadeCodi, tmp_path: Path, caplog):
    full = load(llama, checkpoint=llama.checkpoint / "pytorch_model.bin")
    half = load(llama, dtype=torch.bfloat16)
    same_names = full.weights.keys() == half.weights.keys()
    assert same_names and all(t.dtype == torch.bfloat16 for t in half.weights.values())
    assert half.weights["layers.0.q.weight"].equal(full.weights["layers.0.q.weight"].bfloat16())
    doubled = {key: tensor.double() for key, tensor in llama.state.items()}
    same(full, load(llama, checkpoint=resaved(llama, tmp_path, doubled)))
    assert "rounded to float32" in caplog.text


def test_the_rank_must_be_the_one_configured(llama: MadeCodi):
    assert load(llama, lora_rank=None).lora_rank == 4
    with pytest.raises(BadInput, match=r"has rank 4, the study says lora_rank 8\. Set lora_rank"):
        load(llama, lora_rank=8)


@pytest.mark.parametrize(("size", "fits"), [(268, False), (270, True)])
def test_the_tokenizer_must_fit_the_base_vocabulary(
    size: int, fits: bool, llama: MadeCodi, tmp_path: Path
):
    """It may have fewer entries, as those of Qwen have, but then the tensors tell."""
    for file in llama.base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": size}))
    with pytest.raises(BadInput) as caught:
        load(llama, base=tmp_path)
    told = f"tokenizer has 269 entries, vocab_size in config.json is {size}"
    assert (told not in str(caught.value)) == fits
    assert f"({size + 3}, 32)" in str(caught.value)


def test_values_beyond_float16_are_refused_there(llama: MadeCodi, tmp_path: Path):
    folder = resaved(llama, tmp_path, llama.state | {"prj.3.bias": torch.full((32,), 1e5)})
    assert load(llama, checkpoint=folder, dtype=torch.bfloat16)
    with pytest.raises(BadInput, match=r"up\.bias: has values beyond float16"):
        load(llama, checkpoint=folder, dtype=torch.float16)


def test_golden_first_answer_logits(shared: Path):
    """Question and begin token, six projected latents, end token: the public evaluation script."""
    golden = shared / "golden" / "codi_llama_tiny"
    if not golden.is_dir():
        pytest.skip(f"needs {golden}")
    loaded = load_codi(golden / "ckpt", golden / "base", 8, 2.0)
    model = stock_model(golden / "base", stock_state(loaded))
    assert model.model.rotary_emb.inv_freq.equal(inverse_frequencies(golden / "base")[0])
    embed = loaded.weights["embed.weight"]
    for record in json.loads((golden / "expected.json").read_text())["records"][:6]:
        if "  " in record["question"]:
            continue  # that script collapses double spaces
        expected = record["codi_eval"]["baseline"]
        norms, logits = codi_pass(model, loaded, embed, record["prompt_token_ids"])
        torch.testing.assert_close(
            norms, torch.tensor(expected["latent_in_norm"]), rtol=1e-4, atol=0
        )
        top = logits.topk(5)
        assert top.indices.tolist() == expected["first_top5_ids"]
        values = torch.tensor(expected["first_top5_logits"])
        torch.testing.assert_close(top.values, values, rtol=0, atol=1e-3)


@torch.no_grad()
def codi_pass(model, loaded: CodiCheckpoint, embed: Tensor, prompt: list[int]):
    """Norms of the six latents fed, and the first answer logits without the end-of-thought id."""
    fed = embed[torch.tensor([*prompt, loaded.bot_id])][None]
    cache, norms = None, []
    for _ in range(6):
        out = model.model(inputs_embeds=fed, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        fed = projected(loaded.projection, out.last_hidden_state[:, -1:])
        norms.append(fed.norm())
    cache = model.model(inputs_embeds=fed, past_key_values=cache, use_cache=True).past_key_values
    end = embed[loaded.eot_id][None, None]
    hidden = model.model(inputs_embeds=end, past_key_values=cache).last_hidden_state
    return torch.stack(norms), model.lm_head(hidden)[0, -1, :-1]


def projected(projection: dict[str, Tensor | None], hidden: Tensor) -> Tensor:
    functional = torch.nn.functional
    inner = functional.linear(hidden, projection["down.weight"], projection["down.bias"])
    wide = functional.linear(functional.gelu(inner), projection["up.weight"], projection["up.bias"])
    norm = (projection["norm.weight"], projection["norm.bias"])
    return functional.layer_norm(wide, wide.shape[-1:], *norm, eps=1e-5)
