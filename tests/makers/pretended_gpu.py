"""A GPU that is not there: tensors that say they are on `cuda:0`, computed on the CPU.

An operation on tensors of both devices fails as it does on a GPU, and every time the program waits
for a value from the device is counted. Numbers, and so results, are those of the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
MEMORY = 2**34
aten = torch.ops.aten
READ_BACK = {aten._local_scalar_dense, aten.nonzero, aten.masked_select}
"""Operations whose outcome or size the CPU must know before it goes on."""
MIXED = {aten.copy_, aten._to_copy, aten.to, aten._copy_from}
"""Operations that take tensors of both devices."""
READS = {
    *(Tensor.tolist, Tensor.item, Tensor.is_nonzero),
    *(Tensor.__float__, Tensor.__bool__, Tensor.__int__, Tensor.__index__),
}
"""Methods that give a value to Python."""
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class OnGpu(Tensor):
    """A tensor that says it is on the GPU; `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGpu":
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=GPU,
        )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} on the pretended GPU outside of it")


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        on_gpu = self._on_gpu(func, args, kwargs)
        args, kwargs = tree_map(_held, (args, kwargs))
        out = func(*args, **kwargs)
        return tree_map(lambda x: OnGpu(x) if isinstance(x, Tensor) else x, out) if on_gpu else out

    def _on_gpu(self, func, args: Any, kwargs: Any) -> bool:
        """Whether the outcome is on the GPU; RuntimeError where devices are mixed."""
        operation = func.overloadpacket
        values = list(tree_iter((args, kwargs)))
        tensors = [value for value in values if isinstance(value, Tensor)]
        gpu = [isinstance(tensor, OnGpu) for tensor in tensors]
        asked = next((value for value in values if isinstance(value, torch.device)), None)
        if operation in MIXED:
            to_gpu = gpu[0] if asked is None else asked.type == "cuda"
            self.waits += any(gpu) and not (gpu[0] if operation is aten.copy_ else to_gpu)
            return to_gpu
        wide = [is_gpu for is_gpu, tensor in zip(gpu, tensors, strict=True) if tensor.dim()]
        if any(gpu) and not all(wide) and not (operation in INDEXED and gpu[0]):
            raise RuntimeError(f"{func}: tensors on cuda:0 and cpu")
        boolean = operation in INDEXED and any(t.dtype == torch.bool for t in tensors[1:])
        self.waits += any(gpu) and (operation in READ_BACK or boolean)
        if operation is aten._local_scalar_dense:
            return False
        return any(gpu) or (asked is not None and asked.type == "cuda")


class _Methods(TorchFunctionMode):
    """What torch does in C++ before any operation, and refuses for a device it does not know."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self.operations = operations

    def __torch_function__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(_numbered, (args, kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == GPU:
            return OnGpu(func(*args, **kwargs | {"device": CPU}))
        if not (args and isinstance(args[0], OnGpu)):
            return func(*args, **kwargs)
        if func is Tensor.numpy:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if func in READS:
            self.operations.waits += 1
            return func(args[0].held)
        if func is Tensor.__getitem__:
            self._index(args[1])
            return OnGpu(args[0].held[tree_map(_held, args[1])])
        if func is Tensor.__setitem__:
            self._index(args[1])
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            far = isinstance(args[2], Tensor) and args[2].dim() and not isinstance(args[2], OnGpu)
            if far and any(isinstance(place, Tensor) for place in places):  # else it is a copy
                raise RuntimeError("a tensor on the CPU is put into one on cuda:0")
            args[0].held[tree_map(_held, args[1])] = _held(args[2])
            return None
        if func in (Tensor.contiguous, Tensor.__invert__):
            return OnGpu(func(args[0].held))
        return func(*args, **kwargs)

    def _index(self, places: Any) -> None:
        """A mask is read back, since what it leaves has a size that only it knows."""
        parts = places if isinstance(places, tuple) else (places,)
        self.operations.waits += any(
            isinstance(part, Tensor) and part.dtype == torch.bool for part in parts
        )


class _Generator(torch.Generator):
    def __new__(cls, device: Any = CPU) -> "_Generator":
        return super().__new__(cls)


def _numbered(value: Any) -> Any:
    """`cuda` as `cuda:0`, since torch would ask the driver which one is meant."""
    return GPU if isinstance(value, torch.device) and value.type == "cuda" else value


def _held(value: Any) -> Any:
    if isinstance(value, OnGpu):
        return value.held
    if isinstance(value, torch.device):
        return CPU
    return value


@contextmanager
def pretended_gpu() -> Iterator[_Operations]:
    """Inside, torch has a GPU; yields what counts how often the program waited for it."""
    operations = _Operations()
    with (
        patch("torch.cuda._lazy_init"),
        patch("torch.__future__.get_overwrite_module_params_on_conversion", return_value=True),
        patch("torch.Generator", new=_Generator),
        patch("torch.cuda.is_available", return_value=True),
        patch("torch.cuda.mem_get_info", return_value=(MEMORY, MEMORY)),
        patch("torch.cuda.synchronize"),
        patch("torch.cuda.empty_cache"),
        patch("torch.cuda.reset_peak_memory_stats"),
        patch("torch.cuda.max_memory_allocated", return_value=MEMORY),
        patch("torch.cuda.get_device_name", return_value="pretended"),
        _Methods(operations),
        operations,
    ):
        yield operations
