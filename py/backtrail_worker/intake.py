# Calls as they arrive: which are known, cancelled, done; and what can be read of a header that breaks the
# contract. Knows no socket: what is to be sent is returned. Never imports torch.
"""Received calls."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from backtrail_worker.outbox import Frames, Key, Outbox
from backtrail_worker.protocol import PROTOCOL_VERSION, Ack, Error, Job, encode
from backtrail_worker.seal import seal


@dataclass
class Call:
    """A job as received, with its life: "queued" -> "running" -> "done" (answered)."""

    job: Job
    frames: list[bytes]
    cancelled: threading.Event = field(default_factory=threading.Event)
    state: Literal["queued", "running", "done"] = "queued"

    @property
    def key(self) -> Key:
        return (self.job.id, self.job.attempt)


class Intake:
    """The calls of this worker. The main thread begins and finishes them, the I/O thread does the rest."""

    def __init__(self, outbox: Outbox) -> None:
        # In order; None means that the loop must end.
        self.jobs: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self.draining = False
        self._outbox = outbox
        self._calls: dict[Key, Call] = {}
        self._lock = threading.Lock()

    def begin(self, call: Call) -> bool:
        """Main thread: marks a call as running; False when it was cancelled while it waited."""
        with self._lock:
            if call.state != "queued":
                return False
            call.state = "running"
            return True

    def finish(self, call: Call) -> None:
        """Main thread: the call has its answer."""
        with self._lock:
            call.state = "done"

    def take(self, job: Job, frames: list[bytes]) -> list[Frames]:
        """A job has come."""
        call = Call(job, frames)
        if call.key in self._calls:
            # Delivered twice: what was already said about it is said again, nothing runs twice.
            return list(self._outbox.again(call.key))
        if self.draining:
            return self.refuse(call.key, "draining", "the worker is draining and takes no new job", True)
        self._calls[call.key] = call
        self.jobs.put(call)
        return []

    def acknowledged(self, message: Ack) -> None:
        """The last word on a call is recorded."""
        key = (message.id, message.attempt)
        call = self._calls.get(key)
        if call is None or call.state == "done":
            self._outbox.forget(key)
            self._calls.pop(key, None)

    def cancel(self, key: Key) -> list[Frames]:
        """A call is not wanted any more."""
        call = self._calls.get(key)
        if call is None:
            return []
        call.cancelled.set()
        with self._lock:
            waiting = call.state == "queued"
            if waiting:
                call.state = "done"
        return self.refuse(key, "cancelled", "cancelled before it started", False) if waiting else []

    def refuse(self, key: Key, code: str, text: str, retryable: bool) -> list[Frames]:
        """The error in place of an answer, kept until it is acknowledged."""
        error = Error(
            v=PROTOCOL_VERSION,
            id=key[0],
            attempt=key[1],
            code=code,
            message=text,
            traceback="",
            retryable=retryable,
        )
        return self._outbox.fail(key, seal([encode(error)]))

    def knows(self, key: Key) -> bool:
        """Whether the call is here, answered or not."""
        return key in self._calls

    def idle(self) -> bool:
        """Nothing runs, waits, or is unacknowledged."""
        return not self._outbox.held() and all(call.state == "done" for call in self._calls.values())


def salvage(header: bytes) -> tuple[int | None, Key | None]:
    """Protocol version and, of a job, id and attempt, as far as a broken header tells them."""
    fields: dict[str, Any] = {}
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = msgspec.msgpack.decode(header, type=dict[str, Any])
    version, name, attempt = fields.get("v"), fields.get("id"), fields.get("attempt")
    named = isinstance(name, str) and isinstance(attempt, int) and attempt > 0
    key = (str(name), int(attempt or 0)) if fields.get("kind") == "job" and named else None
    return (version if isinstance(version, int) else None), key
