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


def set_matmul_mode(precision: str) -> None:
    """Let products of float32 use TF32 where the precision says so, and never narrower sums.

    One family of switches: torch refuses to mix it with the `fp32_precision` ones.
    """
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
