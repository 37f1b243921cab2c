# What ranks say to each other: msgpack and raw numbers in uint8 tensors over a gloo group. Nothing is ever
# pickled, which rules out torch's own *_object functions. Knows no primitive.
"""Messages between ranks."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
import torch
import torch.distributed as dist

from backtrail_worker.protocol import Arrays, Bin, pack_bins, unpack_bins

# Most calls fit into one broadcast of this size; the rest of a larger one follows in a second.
FRAME = 8192
# One status, msgpack, with its length in front.
STATUS = 4096
_SIZES = struct.Struct("<QQ")


class Message(msgspec.Struct, rename="camel"):
    """A call as it goes from rank 0 to the others; `params` None: a call that will not run."""

    primitive: str
    params: dict[str, Any] | None
    session: str
    seq: int
    bins: list[Bin]


class Part(msgspec.Struct):
    """One chunk of a call's result as it goes to rank 0; its bins' bytes stand behind all of them."""

    texts: list[str]
    bins: list[Bin]


class Status(msgspec.Struct, rename="camel", omit_defaults=True):
    """Where a rank stands in a call: "go" = ready for what all do together, "done", or "failed"."""

    phase: str
    code: str = ""
    message: str = ""
    retryable: bool = False
    sums: dict[str, float] = {}


def _tensor(data: bytes, size: int) -> torch.Tensor:
    buffer = np.zeros(size, dtype=np.uint8)
    buffer[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    return torch.from_numpy(buffer)


def send(group: Any, message: Message, arrays: Arrays) -> None:
    """Rank 0: hands a call to all others."""
    message.bins, frames = pack_bins(arrays)
    header, body = msgspec.msgpack.encode(message), b"".join(frames)
    data = _SIZES.pack(len(header), len(body)) + header + body
    dist.broadcast(_tensor(data[:FRAME], FRAME), src=0, group=group)
    if rest := data[FRAME:]:
        dist.broadcast(_tensor(rest, len(rest)), src=0, group=group)


def receive(group: Any) -> tuple[Message, Arrays]:
    """Other ranks: waits for the next call of rank 0."""
    first = torch.zeros(FRAME, dtype=torch.uint8)
    dist.broadcast(first, src=0, group=group)
    data = first.numpy().tobytes()
    header_size, body_size = _SIZES.unpack_from(data)
    total = _SIZES.size + header_size + body_size
    if total > FRAME:
        rest = torch.zeros(total - FRAME, dtype=torch.uint8)
        dist.broadcast(rest, src=0, group=group)
        data += rest.numpy().tobytes()
    begin = _SIZES.size + header_size
    message = msgspec.msgpack.decode(data[_SIZES.size : begin], type=Message)
    return message, _arrays(message.bins, data, begin)[0]


def _arrays(bins: list[Bin], data: bytes, begin: int) -> tuple[Arrays, int]:
    """The arrays whose bytes begin there, and where they end."""
    frames: list[bytes] = []
    for _, kind, shape in bins:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        frames.append(data[begin : begin + size])
        begin += size
    return unpack_bins(bins, frames), begin


def give(group: Any, chunks: list[tuple[list[str], Arrays]]) -> None:
    """Other ranks: hands the chunks of a call to rank 0, which takes them."""
    packed = [(texts, *pack_bins(arrays)) for texts, arrays in chunks]
    header = msgspec.msgpack.encode([Part(texts, bins) for texts, bins, _ in packed])
    body = b"".join(frame for _, _, frames in packed for frame in frames)
    dist.send(_tensor(_SIZES.pack(len(header), len(body)), _SIZES.size), dst=0, group=group)
    dist.send(_tensor(header + body, len(header) + len(body)), dst=0, group=group)


def take(group: Any, rank: int) -> list[tuple[list[str], Arrays]]:
    """Rank 0: the chunks that a rank gives."""
    sizes = torch.zeros(_SIZES.size, dtype=torch.uint8)
    dist.recv(sizes, src=rank, group=group)
    begin, body_size = _SIZES.unpack(sizes.numpy().tobytes())
    both = torch.zeros(begin + body_size, dtype=torch.uint8)
    dist.recv(both, src=rank, group=group)
    data = both.numpy().tobytes()
    chunks: list[tuple[list[str], Arrays]] = []
    for part in msgspec.msgpack.decode(data[:begin], type=list[Part]):
        arrays, begin = _arrays(part.bins, data, begin)
        chunks.append((part.texts, arrays))
    return chunks


def exchange(group: Any, status: Status) -> list[Status]:
    """Everybody's status, in the order of ranks. All ranks must call it the same number of times."""
    status.message = status.message[: STATUS // 6]  # up to 4 bytes a character, and room for the rest
    data = msgspec.msgpack.encode(status)
    mine = _tensor(len(data).to_bytes(4, "little") + data, STATUS)
    found = [torch.zeros(STATUS, dtype=torch.uint8) for _ in range(dist.get_world_size(group))]
    dist.all_gather(found, mine, group=group)
    texts = [one.numpy().tobytes() for one in found]
    return [
        msgspec.msgpack.decode(text[4 : 4 + int.from_bytes(text[:4], "little")], type=Status)
        for text in texts
    ]
