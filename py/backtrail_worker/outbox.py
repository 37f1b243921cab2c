# What has been said about each call and is not yet acknowledged: chunks inside the window, and the last
# word (result or error). Pure bookkeeping for the I/O thread: no socket, no clock, no torch.
"""Chunk window and held answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

Key = tuple[str, int]
Frames = list[bytes]


@dataclass
class _Call:
    waiting: deque[tuple[int, Frames]] = field(default_factory=deque)
    unacked: dict[int, Frames] = field(default_factory=dict)
    final: Frames | None = None
    final_sent: bool = False


class Outbox:
    """
    Orders what leaves: chunks of a call in sequence, at most `window` unacknowledged, the last word after
    all chunks.
    """

    def __init__(self) -> None:
        self.window = 1
        self._calls: dict[Key, _Call] = {}

    def chunk(self, key: Key, seq: int, frames: Frames) -> list[Frames]:
        """Takes a chunk; answers what may leave now."""
        call = self._calls.setdefault(key, _Call())
        call.waiting.append((seq, frames))
        return self._ready(call)

    def final(self, key: Key, frames: Frames) -> list[Frames]:
        """Takes the last word of a call; it is kept until `forget`."""
        call = self._calls.setdefault(key, _Call())
        call.final = frames
        return self._ready(call)

    def fail(self, key: Key, frames: Frames) -> list[Frames]:
        """Takes an error: chunks that still wait are dropped."""
        self._calls[key] = _Call(final=frames)
        return self._ready(self._calls[key])

    def consumed(self, key: Key, seq: int) -> list[Frames]:
        """Chunk `seq` is acknowledged; answers what the window now lets out."""
        call = self._calls.get(key)
        if call is None:
            return []
        call.unacked.pop(seq, None)
        return self._ready(call)

    def forget(self, key: Key) -> None:
        """The last word is recorded."""
        call = self._calls.get(key)
        if call is not None and call.final is not None:
            del self._calls[key]

    def ended(self, key: Key) -> bool:
        """Whether the last word of the call has left (or is forgotten)."""
        call = self._calls.get(key)
        return call is None or call.final_sent

    def held(self) -> list[Key]:
        """Calls whose last word is not acknowledged."""
        return [key for key, call in self._calls.items() if call.final is not None]

    def again(self, key: Key | None = None) -> Iterator[Frames]:
        """
        All that was sent and not acknowledged, to be sent again (to a coordinator that said welcome anew).
        """
        for name, call in self._calls.items():
            if key is not None and name != key:
                continue
            yield from (frames for _, frames in sorted(call.unacked.items()))
            if call.final is not None and call.final_sent:
                yield call.final

    def _ready(self, call: _Call) -> list[Frames]:
        out: list[Frames] = []
        while call.waiting and len(call.unacked) < self.window:
            seq, frames = call.waiting.popleft()
            call.unacked[seq] = frames
            out.append(frames)
        if call.final is not None and not call.waiting and not call.final_sent:
            call.final_sent = True
            out.append(call.final)
        return out
