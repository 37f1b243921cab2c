# The checksum of messages: twin of src/protocol/checksum.ts. Knows frames only; never imports torch.
"""The last frame of every message: a CRC-32 of all the others."""

from __future__ import annotations

from zlib import crc32

CHECKSUM_BYTES = 4


class DamagedError(ValueError):
    """The checksum of a message is missing or wrong."""


def _digest(frames: list[bytes]) -> bytes:
    crc = 0
    for frame in frames:
        crc = crc32(frame, crc)
    return crc.to_bytes(CHECKSUM_BYTES, "little")


def seal(frames: list[bytes]) -> list[bytes]:
    """The frames with their checksum behind them."""
    return [*frames, _digest(frames)]


def unseal(frames: list[bytes]) -> list[bytes]:
    """The frames before the checksum, one at least. Raises DamagedError."""
    body = frames[:-1]
    if not body or frames[-1] != _digest(body):
        raise DamagedError(f"the checksum is missing or wrong ({len(frames)} frames)")
    return body
