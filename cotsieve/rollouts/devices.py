"""Where and in which number format a model runs."""

import torch

from cotsieve.ground.faults import bad

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def chosen_device(device: str) -> torch.device:
    """The device a study names; `auto` is a GPU where there is one. Raises BadInput."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise bad(
            "engine.device", f"'{device}' cannot be used ({reason})", "Use auto, cpu or cuda."
        ) from None
    return torch.device(device)
