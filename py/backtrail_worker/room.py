# How a job waits while its chunks cannot leave: between the main thread, which makes them, and the I/O
# thread, which sends them. Knows counts only; never imports torch.
"""Room for chunks."""

from __future__ import annotations

import threading

from backtrail_worker.intake import Call
from backtrail_worker.outbox import Key

# Chunks that may wait behind the coordinator's window before the job itself waits.
CHUNKS_AHEAD = 16


class ChunkRoom:
    """Counts the chunks of each call that have not left."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._unsent: dict[Key, int] = {}

    def enter(self, call: Call) -> None:
        """Main thread: counts a chunk; blocks while too many wait. Returns early when cancelled."""
        with self._changed:
            while self._unsent.get(call.key, 0) >= CHUNKS_AHEAD and not call.cancelled.is_set():
                self._changed.wait(0.5)
            self._unsent[call.key] = self._unsent.get(call.key, 0) + 1

    def left(self, key: Key, messages: int, ended: bool) -> None:
        """I/O thread: so many messages of the call have left; `ended` = its last word too."""
        with self._changed:
            if ended:
                self._unsent.pop(key, None)
            elif key in self._unsent:
                self._unsent[key] = max(0, self._unsent[key] - messages)
            self._changed.notify_all()
