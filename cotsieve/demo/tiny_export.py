"""Writes and reads the embedded model in the CODI checkpoint format."""

import copy
import json
import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from cotsieve.demo.tiny_evaluation import LATENTS
from cotsieve.demo.tiny_model import AdapterLinear, ModelShape, TinyCodi
from cotsieve.demo.vocabulary import LONGEST_SEQUENCE

PHASES = """
1. Explicit chains only (teacher), all weights.
2. Teacher and student; the true step results are fed as latents.
3. The same with the share of such batches falling to none.
4. The same with the model's own latents only.
5. Student only, all weights; by chance a problem's six latents are zeroed at the middle block.
The adapters are the eight largest singular directions of what phase 5 changed in each matrix.
The rest of that change is in the base weights: without adapters this is not the model of phase 4.
"""
CAVEATS = """
CODI checkpoint format, but not a CODI reproduction: the latents are supervised step by step.
The last phase trains on the ablation: some problems must be answered from zeroed thoughts.
What survives zeroing is therefore learned behaviour, not a natural property.
Zeroing leaves bot alone, which already holds the first result.
Only zeros were trained on, not the mean or another problem's thoughts: see the controls.
All problems come from the same templates as the training problems.
Accuracies say nothing about real GSM8K questions, most of whose words are unknown here.
"""


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
    export_base(base_config(model.shape, tokenizer), tokenizer, base)


def export_base(
    config: Mapping[str, object], tokenizer: PreTrainedTokenizerBase, out: Path
) -> None:
    """Write what a model's folder holds besides weights: its configurations and tokenizer."""
    write_json(config, out / "config.json")
    tokenizer.save_pretrained(out)
    # Older library versions do not know the class name that newer ones write.
    settings = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_json(settings, out / "tokenizer_config.json")
    generation = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    write_json(generation, out / "generation_config.json")


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


def training_record(shape: ModelShape, settings: dict, history: list[dict]) -> dict:
    """Describe how the weights were made."""
    return {
        "command": "python -m cotsieve.demo.train_codi --out resources/models/tiny-codi",
        "codi": {
            "num_latent": LATENTS,
            "lora_r": shape.adapter_rank,
            "lora_alpha": shape.adapter_alpha,
            "prj_dim": shape.projection,
            "prompt_style": "codi-eval",
            "pad_token_id": shape.vocabulary,
            "bot_token_id": shape.bot,
            "eot_token_id": shape.eot,
            "middle_block": shape.middle_block,
        },
        "settings": settings,
        "phases": PHASES.strip().splitlines(),
        "caveats": CAVEATS.strip().splitlines(),
        "tuning_checks": history,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
