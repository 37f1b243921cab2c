# A CUDA device that is not there: tensors say that they are on "cuda:0" and lie on the CPU. It stands for the
# rules that a GPU has and the CPU has not: which tensors may meet in an operation, when the host waits for
# the device, what a CUDA graph may record and what a replay of it reads, when a copy to the host has
# happened, which streams have waited for each other. What breaks them raises RuntimeError; new memory holds
# NaN.
# It does not show: speed; a GPU's numbers; which kernels there are for a shape and a dtype, and what they or
# libraries (cuBLAS, SDPA's choices) do inside of one operation; autocast and torch.compile; how much memory
# there is and which stream's it was; several GPUs or threads.
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _DummyPrivateUse1Hook,
    _setup_privateuseone_for_python_backend,
)

from pretend_streams import Block, CudaGraph, Event, Stream, spoil, tensors

CUDA = torch.device("cuda", 0)
# Names without overload, as in native_functions.yaml.
READS = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount"}
INDEXES = {"index", "index_put", "index_put_", "_index_put_impl_"}
# Scalars that are numbers to other operations are tensors to these, which are copied to the device.
COPIES_SCALARS = {"where"}


class OnDevice(torch.Tensor):
    """A tensor of the device; `inner` holds its elements."""

    inner: torch.Tensor
    block: Block
    __torch_function__ = torch._C._disabled_torch_function_impl
    device = CUDA
    is_cuda = True

    @staticmethod
    def __new__(cls, inner: torch.Tensor, block: Block) -> OnDevice:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device("pretend", 0),
        )
        made.inner, made.block = inner, block
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({tuple(self.shape)}, {self.dtype})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.inner.untyped_storage()

    @property
    def data(self) -> OnDevice:
        return self.detach()

    @data.setter
    def data(self, other: OnDevice) -> None:
        self.inner, self.block = other.inner, other.block

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func}: the pretend device is not installed any more")


class _Hook(_DummyPrivateUse1Hook):
    """What C++ asks of a device of this name, which stays known to it: other tests have no such device."""

    active = False

    def is_available(self) -> bool:
        return _Hook.active


class _Module(_DummyBackendModule):
    """What Python asks of it."""

    def is_available(self) -> bool:
        return _Hook.active


class _Names(TorchFunctionMode):
    """C++ of a build without CUDA has no device of that name: it is told another."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.device:
            return func(*args, **kwargs or {})
        args, kwargs = pytree.tree_map(_renamed, (args, kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and "device" in kwargs:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            args = (args[0], _listed(args[1]), *args[2:])
        return func(*args, **kwargs)


def _listed(index: Any) -> Any:
    """Lists of numbers as tensors, which C++ would make on the device itself."""
    if isinstance(index, tuple):
        return tuple(map(_listed, index))
    return torch.tensor(index) if isinstance(index, list) else index


def _renamed(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("cuda"):
        value = torch.device(value)
    if not isinstance(value, torch.device) or value.type != "cuda":
        return value
    if value.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return torch.device("pretend", 0)


# On import, which is before the first backward pass of any test: autograd counts devices once.
_setup_privateuseone_for_python_backend("pretend", backend_module=_Module(), hook=_Hook())


class PretendCuda(TorchDispatchMode):
    """The device. What happened on it is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[Stream] = []
        self.stream = Stream(self)
        self.waits: list[str] = []
        """Operations that the host waited for (or has to, as of copies from memory that is not pinned)."""
        self.event_waits = 0
        self.launches = 0
        """Operations outside of graphs that are no mere views."""
        self.graphs: list[CudaGraph] = []
        self.capturing: CudaGraph | None = None
        self.copies_begun = 0
        self._flying: list[tuple[torch.Tensor | None, Callable[[], Any]]] = []
        self._pinned: dict[int, torch.Tensor] = {}

    # ---- the host and the device

    def wait(self, what: str, streams: list[Stream] | None = None) -> None:
        """The host waits for all that was given to these streams, or to the current one."""
        self._refuse_in_capture(what)
        self.waits.append(what)
        self.land(self.copies_begun)
        for one in self.streams:
            for other in streams or [self.stream]:
                one.wait_stream(other)

    def _refuse_in_capture(self, what: str) -> None:
        if self.capturing is not None:
            self.capturing.invalid = True
            raise RuntimeError(f"{what}: operation not permitted when stream is capturing")

    def land(self, before: int) -> None:
        """Copies begun before are done."""
        while self._flying and self.copies_begun - len(self._flying) < before:
            self._flying.pop(0)[1]()
        # Of the others it is not known.
        for host, _ in self._flying:
            if host is not None:
                spoil(host)

    def _fly(self, host: torch.Tensor | None, landing: Callable[[], Any]) -> None:
        self._flying.append((host, landing))
        self.copies_begun += 1

    def _pin(self, tensor: torch.Tensor) -> torch.Tensor:
        self._pinned[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def _is_pinned(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._pinned

    def _to_device(self, source: torch.Tensor, asynchronous: bool, what: str) -> None:
        if not (asynchronous and self._is_pinned(source)):
            self.wait(f"{what} from the host")
            return
        self._refuse_in_capture(what)
        value = source.clone()

        def landing() -> None:
            if not torch.equal(source, value):
                raise RuntimeError("pinned memory was written before its copy to the device had happened")

        self._fly(None, landing)

    def _to_host(self, host: torch.Tensor, source: torch.Tensor, asynchronous: bool, what: str) -> None:
        if not (asynchronous and self._is_pinned(host)):
            self.wait(f"{what} to the host")
            host.copy_(source)
            return
        self._refuse_in_capture(what)
        value = source.clone()
        spoil(host)
        self._fly(host, lambda: host.copy_(value))

    # ---- operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), func._schema.name.removeprefix("aten::")
        given = tensors((args, kwargs))
        mine = [one for one in given if isinstance(one, OnDevice)]
        target = kwargs.get("device")
        pinned = bool(kwargs.pop("pin_memory", False))
        to_device = bool(mine) if target is None else target.type == "pretend"
        if target is not None and to_device:
            kwargs["device"] = torch.device("cpu")
        if not mine and not to_device:
            if name in ("_pin_memory", "pin_memory"):
                return self._pin(args[0].clone())
            if name == "is_pinned":
                return self._is_pinned(args[0])
            made = func(*args, **kwargs)
            return self._pin(made) if pinned else made
        if name == "_fused_sdp_choice":
            return int(torch.nn.attention.SDPBackend.MATH.value)
        if name == "is_pinned":
            return False
        if name == "copy_":
            return self._copy(func, *args, **kwargs)
        if name == "_to_copy" and not (to_device and mine):
            return self._move(func, args, kwargs, to_device)
        with self:
            decomposed = func.decompose(*args, **kwargs | ({} if target is None else {"device": target}))
        if decomposed is not NotImplemented:
            return decomposed
        self._meet(func, name, args, given, mine)
        return self._compute(func, args, kwargs, mine)

    def _meet(self, func: Any, name: str, args: Any, given: list[Any], mine: list[OnDevice]) -> None:
        """Whether CUDA lets these tensors meet, and what it copies or reads for that."""
        for one in given:
            if isinstance(one, OnDevice) or not mine:
                continue
            if name in INDEXES and (one.dim() == 0 or any(one is index for index in args[1])):
                self._to_device(one, False, f"{func}, an index or a value")
            elif name in COPIES_SCALARS and one.dim() == 0:
                self._to_device(one, False, f"{func}, a scalar")
            elif one.dim() or torch.Tag.pointwise not in func.tags or (name.endswith("_") and one is args[0]):
                shapes = [tuple(tensor.shape) for tensor in given]
                raise RuntimeError(f"{func}: not all tensors are on the same device, of shapes {shapes}")
        by_mask = name in INDEXES and any(one.dtype in (torch.bool, torch.uint8) for one in tensors(args[1]))
        if name in READS or by_mask or str(func) == "aten.repeat_interleave.Tensor":
            self.wait(str(func))

    def _copy(self, func: Any, to: torch.Tensor, source: torch.Tensor, asynchronous: bool = False) -> Any:
        if isinstance(to, OnDevice):
            if not isinstance(source, OnDevice):
                self._to_device(source, asynchronous, str(func))
            mine = [one for one in (to, source) if isinstance(one, OnDevice)]
            return self._compute(func, (to, source), {}, mine)
        self.stream.touch(source.block, False, str(func))
        self._to_host(to, source.inner, asynchronous, str(func))
        return to

    def _move(self, func: Any, args: Any, kwargs: Any, to_device: bool) -> Any:
        asynchronous = bool(kwargs.pop("non_blocking", False))
        if to_device:
            self._to_device(args[0], asynchronous, str(func))
            return self._compute(func, args, kwargs, [])
        self.stream.touch(args[0].block, False, str(func))
        host = func(args[0].inner, **kwargs)
        if asynchronous:
            self._pin(host)
        self._to_host(host, args[0].inner, asynchronous, str(func))
        return host

    def _compute(self, func: Any, args: Any, kwargs: Any, mine: list[OnDevice]) -> Any:
        written = [
            args[at] if at < len(args) else kwargs.get(one.name)
            for at, one in enumerate(func._schema.arguments)
            if one.alias_info is not None and one.alias_info.is_write
        ]
        changed = {id(one.block) for one in tensors(written)}
        self.stream.done += 1
        for one in mine:
            self.stream.touch(one.block, id(one.block) in changed, str(func))
        inner = pytree.tree_map(self._elements, (args, kwargs))
        if self.capturing is None:
            self.launches += bool(written)
            return self._leave(func, inner, mine)
        self.capturing.use(mine, changed, str(func))
        if written:
            self.capturing.steps.append((func, *inner, []))
            return written[0] if len(written) == 1 else tuple(written)
        outs = self._leave(func, inner, mine)
        fresh = {one.block for one in tensors(outs)} - {one.block for one in mine}
        if fresh:
            self.capturing.own |= fresh
            self.capturing.steps.append((func, *inner, [one.inner for one in tensors(outs)]))
        return outs

    def _elements(self, value: Any) -> Any:
        if isinstance(value, OnDevice):
            return value.inner
        # The value of a scalar on the host becomes part of the operation.
        return value.clone() if isinstance(value, torch.Tensor) else value

    def _leave(self, func: Any, inner: Any, mine: list[OnDevice]) -> Any:
        with torch.inference_mode():
            out = func(*inner[0], **inner[1])
        same = {id(one.inner): one for one in mine}
        blocks = {one.inner.untyped_storage().data_ptr(): one.block for one in mine if one.numel()}

        def wrapped(value: Any) -> Any:
            if not isinstance(value, torch.Tensor) or id(value) in same:
                return same.get(id(value), value)
            block = blocks.get(value.untyped_storage().data_ptr())
            if block is None:
                block = Block()
                self.launches += self.capturing is None
                if "empty" in func._schema.name:
                    spoil(value)
                self.stream.touch(block, True, str(func))
            # Of the autograd that runs above, a view in inference mode may be one of a tensor outside of it.
            with torch.inference_mode(False):
                return OnDevice(value, block)

        return pytree.tree_map(wrapped, out)


@contextmanager
def pretend_cuda() -> Iterator[PretendCuda]:
    """The device in place of torch.cuda, in this thread."""
    device = PretendCuda()

    @contextmanager
    def stream(one: Stream) -> Iterator[None]:
        before, device.stream = device.stream, one
        try:
            yield
        finally:
            device.stream = before

    facts = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "mem_get_info": lambda *_: (1 << 30, 1 << 30),
        "memory_reserved": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "empty_cache": lambda: None,
        "synchronize": lambda *_: device.wait("torch.cuda.synchronize", device.streams),
        "current_stream": lambda *_: device.stream,
        "stream": stream,
        "Stream": lambda: Stream(device),
        "Event": lambda: Event(device),
        "CUDAGraph": lambda: CudaGraph(device),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda.graph, "default_capture_stream", None)
        patch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
        patch.setattr(_Hook, "active", True)
        for name, fact in facts.items():
            patch.setattr(torch.cuda, name, fact)
        # Weights that are tied stay so when a model moves.
        swaps = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            with device, _Names():
                yield device
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swaps)
