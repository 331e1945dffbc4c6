"""Whether the kernels of this package run on a device and compute what torch computes."""

import logging
from functools import cache

import torch

log = logging.getLogger(__name__)


@cache
def kernels_for(device: torch.device):
    """The module of kernels, or None on a CPU and where they cannot be relied on, as the log says.

    Checked on random scores, whose tokens must be those of torch.
    """
    if device.type != "cuda":
        return None
    try:
        from cotsieve.engine import kernels
        from cotsieve.engine.decoding import Decoding
        from cotsieve.engine.sampling import Nucleus

        draw = torch.Generator(device).manual_seed(0)
        scores = torch.randn(8, 5000, device=device, generator=draw)
        seeds = torch.arange(8, device=device)
        for nucleus in (None, Nucleus(0.7, 0.9)):
            how = Decoding(1, frozenset(), 5000, nucleus=nucleus)
            found = kernels.picker(how)(scores, seeds, seeds)
            wanted = how.pick(scores.clone(), seeds, seeds)
            if not torch.equal(found.tokens, wanted.tokens):
                raise RuntimeError("they choose other tokens than torch")
    except Exception as error:  # whatever a driver, a compiler or a missing library says
        log.warning(
            "no kernels on %s, torch alone: %s", device, (str(error).splitlines() or [""])[0]
        )
        return None
    return kernels
