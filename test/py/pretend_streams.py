# Streams, events and graphs of the pretend CUDA device, and the memory that they order. Know no operations.
from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils import _pytree as pytree


class Block:
    """Memory of one allocation, shared by the views of it."""

    def __init__(self) -> None:
        self.used: dict[Stream, int] = {}
        self.written: dict[Stream, int] = {}
        """The last work of a stream that used or wrote it."""


class Stream:
    """Work in order; of the work of another stream it knows what it has waited for."""

    def __init__(self, device: Any) -> None:
        self._device, self.done = device, 0
        self.seen: dict[Stream, int] = {}
        device.streams.append(self)

    def wait_stream(self, other: Stream) -> None:
        for stream, done in [*other.seen.items(), (other, other.done)]:
            self.seen[stream] = max(done, self.seen.get(stream, 0))

    def touch(self, block: Block, writes: bool, what: str) -> None:
        """The work at hand uses the block."""
        if self._device.capturing is not None:
            return
        for other, done in (block.used if writes else block.written).items():
            if other is not self and self.seen.get(other, 0) < done:
                raise RuntimeError(f"{what}: its stream has not waited for another one's use of this memory")
        block.used[self] = self.done
        if writes:
            block.written = {self: self.done}


class Event:
    """What was given to the device before `record`."""

    def __init__(self, device: Any) -> None:
        self._device, self._before = device, 0

    def record(self) -> None:
        self._before = self._device.copies_begun

    def synchronize(self) -> None:
        self._device.event_waits += 1
        self._device.land(self._before)


class CudaGraph:
    """Operations on memory of fixed place: what Python holds at a replay does not matter any more."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.steps: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []
        self.own: set[Block] = set()
        self.given: dict[weakref.ref[Block], tuple[str, bool]] = {}
        """Blocks from outside: an operation that uses it, and whether any writes it."""
        self.replays = 0
        self.invalid = False

    def capture_begin(self, *_: Any, **__: Any) -> None:
        self._device.capturing = self

    def capture_end(self) -> None:
        self._device.capturing = None
        if self.invalid:
            raise RuntimeError("operation failed due to a previous error during capture")
        # Nothing has run so far.
        for _, _, _, outs in self.steps:
            for out in outs:
                spoil(out)
        self._device.graphs.append(self)

    def pool(self) -> tuple[int, int]:
        return (0, 1)

    def replay(self) -> None:
        stream = self._device.stream
        stream.done += 1
        for block, (what, writes) in self.given.items():
            if (held := block()) is None:
                raise RuntimeError(f"replay: {what} uses memory that has been freed since")
            stream.touch(held, writes, "replay")
        with torch.inference_mode():
            for func, args, kwargs, outs in self.steps:
                made = tensors(func(*args, **kwargs))
                for out, new in zip(outs, made if outs else [], strict=True):
                    out.copy_(new)
        self.replays += 1

    def use(self, mine: list[Any], changed: set[int], what: str) -> None:
        """An operation on these is recorded."""
        for one in mine:
            if one.block not in self.own:
                key = weakref.ref(one.block)
                written = id(one.block) in changed or (key in self.given and self.given[key][1])
                self.given[key] = (what, written)


def tensors(tree: Any) -> list[Any]:
    return [one for one in pytree.tree_leaves(tree) if isinstance(one, torch.Tensor)]


def spoil(tensor: torch.Tensor) -> None:
    """Gives it numbers that nobody can have meant."""
    if tensor.dtype != torch.bool:
        with torch.inference_mode():
            tensor.fill_(torch.nan if tensor.is_floating_point() else torch.iinfo(tensor.dtype).min)
