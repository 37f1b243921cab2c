# Calls as they arrive, and what can be read of a header that breaks the contract. Knows no socket; never
# imports torch.
"""Received calls."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from backtrail_worker.outbox import Key
from backtrail_worker.protocol import Job


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


def salvage(header: bytes) -> tuple[int | None, Key | None]:
    """Protocol version and, of a job, id and attempt, as far as a broken header tells them."""
    fields: dict[str, Any] = {}
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = msgspec.msgpack.decode(header, type=dict[str, Any])
    version, name, attempt = fields.get("v"), fields.get("id"), fields.get("attempt")
    named = isinstance(name, str) and isinstance(attempt, int) and attempt > 0
    key = (str(name), int(attempt or 0)) if fields.get("kind") == "job" and named else None
    return (version if isinstance(version, int) else None), key
