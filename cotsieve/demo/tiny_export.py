"""Writes and reads the embedded model in the CODI checkpoint format."""

import copy
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from cotsieve.demo.tiny_model import AdapterLinear, ModelShape, TinyCodi
from cotsieve.demo.vocabulary import LONGEST_SEQUENCE


def base_config(shape: ModelShape, tokenizer: PreTrainedTokenizerBase) -> dict:
    """Return the configuration of the base model, without the three extra rows."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.hidden // shape.heads,
        "hidden_act": "silu",
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_theta,
        "max_position_embeddings": LONGEST_SEQUENCE,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "torch_dtype": "float16",
    }


def write_json(content: dict, path: Path) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def export_checkpoint(model: TinyCodi, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Write weights in half precision, base configuration and tokenizer."""
    base = out / "base"
    base.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in model.checkpoint().items()}
    weights = out / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    write_json(base_config(model.shape, tokenizer), base / "config.json")
    tokenizer.save_pretrained(base)
    # Older library versions do not know the class name that newer ones write.
    settings = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(settings, base / "tokenizer_config.json")
    generation = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    write_json(generation, base / "generation_config.json")


def load_exported(out: Path, shape: ModelShape) -> TinyCodi:
    """Read the exported weights back into float32."""
    model = TinyCodi(shape)
    model.load_checkpoint(load_file(out / "model.safetensors"))
    model.set_adapted(True)
    return model.eval()


def rounded(model: TinyCodi) -> TinyCodi:
    """Return a copy with weights rounded as the export rounds them."""
    copy = TinyCodi(model.shape)
    copy.load_state_dict({name: t.half().float() for name, t in model.state_dict().items()})
    copy.set_adapted(model.layers[0].mlp.up_proj.adapted)
    return copy.eval()


def split_change(before: TinyCodi, after: TinyCodi) -> TinyCodi:
    """Return `after` with the largest directions of the change moved into the adapters.

    Base plus scaled adapter is exactly the weight of `after`, so nothing else changes.
    """
    result = copy.deepcopy(after)
    for old, new in zip(before.modules(), result.modules(), strict=True):
        if isinstance(new, AdapterLinear):
            rank = new.lora_A["default"].weight.shape[0]
            change = (new.base_layer.weight - old.base_layer.weight).detach()
            left, sizes, right = torch.linalg.svd(change, full_matrices=False)
            root = (sizes[:rank] / new.scale).sqrt()
            new.lora_B["default"].weight.data = left[:, :rank] * root
            new.lora_A["default"].weight.data = root[:, None] * right[:rank]
            product = new.lora_B["default"].weight @ new.lora_A["default"].weight
            new.base_layer.weight.data -= new.scale * product.detach()
    result.set_adapted(True)
    return result


def merged_state(model: TinyCodi) -> dict[str, torch.Tensor]:
    """Return plain LLaMA weights with the adapters multiplied in, extra rows included."""
    merged = {}
    for name, tensor in model.state_dict().items():
        if "lora" in name or name.startswith("prj."):
            continue
        if name.endswith(".base_layer.weight"):
            module = model.get_submodule(name.removesuffix(".base_layer.weight"))
            product = module.lora_B["default"].weight @ module.lora_A["default"].weight
            tensor = tensor + module.scale * product
        merged["model." + name.replace(".base_layer", "")] = tensor.detach()
    return merged
