"""Which files of a model's folder decide what a run does."""

from pathlib import Path

BASE_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)
"""Architecture, tokenizer and how it puts a chat into words; a base model's weights are read only
where the checkpoint is a folder of peft's."""

ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
"""Adapters as the library peft saves them, without their model; the first present counts."""
ADAPTER_CONFIG = "adapter_config.json"
OTHER_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
TRAINING_STATE = ("training_args.bin", "optimizer.", "scheduler.", "scaler.", "rng_state")
"""What a trainer leaves beside the weights; names that begin so."""


def is_peft(checkpoint: Path) -> bool:
    """Whether a checkpoint is a folder with adapters alone, saved by peft."""
    names = (ADAPTER_CONFIG, *ADAPTERS)
    config, *adapters = ((checkpoint / name).is_file() for name in names)
    return config and any(adapters)


def beside_adapters(folder: Path) -> list[Path]:
    """The weight files of a folder of peft's that are not its adapters."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in OTHER_WEIGHTS
        and not path.name.startswith(("adapter_model.", *TRAINING_STATE))
    )
