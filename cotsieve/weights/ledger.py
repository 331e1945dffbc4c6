"""The tensors of a checkpoint, ticked off one by one, so that none is missed and none ignored."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.weights.codi_names import PREFIXES

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
LISTED = 20
"""At most so many findings are spelled out; the rest are counted."""

MEND = (
    "Use a checkpoint saved whole by CODI's training script, with `base` naming the model it was "
    "trained from."
)

BUFFERS = re.compile(
    r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.(original_)?inv_freq"
    r"|transformer\.h\.\d+\.attn\.(bias|masked_bias)"
)
"""Constants (rotary frequencies, causal masks) that old library versions saved with the weights."""


class Ledger:
    """The file's tensors, ticked off as they are used, and all that is wrong with them."""

    def __init__(
        self,
        file: Path,
        state: Mapping[str, Tensor],
        prefixes: tuple[str, ...] = PREFIXES,
        mend: str = MEND,
    ):
        """`prefixes` may stand in front of the language model's keys; the first found counts."""
        self.file = file
        self.mend = mend
        self.findings: list[Finding] = []
        self.rounded = 0
        self.prefix = next((p for p in prefixes if any(k.startswith(p) for k in state)), None)
        if self.prefix is None:
            some = ", ".join(sorted(state)[:3]) or "nothing"
            what = f"no tensor's name starts with {prefixes[0]!r} (it holds {some})"
            raise bad(file, what, mend)
        self.state = dict(state)

    def __contains__(self, key: str) -> bool:
        return self._full(key) in self.state

    def _full(self, key: str) -> str:
        return key if key.startswith("prj.") else self.prefix + key

    def fault(self, key: str, what: str, mend: str | None = None) -> None:
        self.findings.append(Finding(f"{self.file}: {self._full(key)}", what, mend or self.mend))

    def size_of(self, key: str, axis: int) -> int | None:
        """The size of a matrix along `axis`, if it is there and is a matrix."""
        tensor = self.state.get(self._full(key))
        return tensor.shape[axis] if tensor is not None and tensor.dim() == 2 else None

    def take(self, key: str, shape: tuple[int | None, ...], note: str = "") -> Tensor | None:
        """Tick a tensor off; None, with a finding, when it is absent or cannot be used."""
        wanted = f"({', '.join('any' if size is None else str(size) for size in shape)}){note}"
        tensor = self.state.pop(self._full(key), None)
        if tensor is None:
            self.fault(key, f"is missing; expected shape {wanted}")
        elif tensor.dtype not in DTYPES or tensor.layout != torch.strided:
            what = f"is stored as {tensor.dtype}, which is quantised or no weight"
            self.fault(key, what, "Use a checkpoint in float32, bfloat16 or float16.")
        elif len(tensor.shape) != len(shape) or any(
            size not in (None, found) for size, found in zip(shape, tensor.shape, strict=True)
        ):
            self.fault(key, f"has shape {tuple(tensor.shape)}; expected {wanted}")
        else:
            return self._finite(key, tensor)
        return None

    def _finite(self, key: str, tensor: Tensor) -> Tensor | None:
        if tensor.dtype == torch.float64:
            self.rounded += 1
            tensor = tensor.float()
        if tensor.isfinite().all():
            return tensor
        count = int((~tensor.isfinite()).sum())
        mend = "The training diverged or the file is damaged: use another checkpoint."
        self.fault(key, f"has {count} values that are not finite", mend)
        return None

    def close(self) -> None:
        """Report what is left over, and raise if anything at all is wrong."""
        for key, tensor in sorted(self.state.items()):
            if not BUFFERS.fullmatch(key.removeprefix(self.prefix)):
                what = f"is not part of this architecture; its shape is {tuple(tensor.shape)}"
                self.findings.append(Finding(f"{self.file}: {key}", what, self.mend))
        if self.rounded:
            note = "%s: %d float64 tensors are rounded to float32"
            logging.getLogger("cotsieve").warning(note, self.file, self.rounded)
        if self.findings:
            raise BadInput(self._capped())

    def _capped(self) -> Iterable[Finding]:
        rest = len(self.findings) - LISTED
        if rest <= 0:
            return self.findings
        more = Finding(str(self.file), f"{rest} more faults like these", self.mend)
        return [*self.findings[:LISTED], more]
