# What a primitive sees of the call it answers: progress, chunks, cancellation. Never imports torch.
"""Port between the loop and the primitives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from backtrail_worker.protocol import Arrays, SessionRef


class WorkerFault(Exception):
    """A fault with a stable code (messages.ts, error.code) and a message for the user."""

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Cancelled(WorkerFault):
    """Raised by `Context.check` once the coordinator has cancelled the call."""

    def __init__(self) -> None:
        super().__init__("cancelled", "cancelled while it ran")


# Models for free calls that a worker keeps in memory; hello tells it.
MODELS_KEPT = 2


@dataclass(frozen=True)
class Answer:
    """Result header fields and bulk arrays."""

    result: dict[str, Any]
    arrays: Arrays = field(default_factory=dict)


class Context(Protocol):
    """What a running primitive may do besides answering."""

    def check(self) -> None:
        """Raises Cancelled when the call is cancelled. To be called between steps of the work."""

    def progress(self, done: float, total: float) -> None:
        """Tells how far the call is (any unit that grows)."""

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        """Sends a part of the result; may wait for the coordinator."""


@dataclass(frozen=True)
class Request:
    """A checked call: parameters of the primitive's type and its bulk arrays."""

    primitive: str
    params: Struct
    arrays: Arrays
    session: SessionRef | None


class Handler(Protocol):
    """Answers primitives; made once, used from one thread."""

    def answer(self, request: Request, context: Context) -> Answer:
        """Does the work. Raises WorkerFault, or anything else, which becomes code "internal"."""

    def fault_of(self, error: BaseException) -> WorkerFault | None:
        """The fault behind an exception of the tensor library (out of memory), if there is one."""

    def device_lost(self) -> bool:
        """Whether the device answers no call of this process any more, as after a CUDA assert."""

    def skip(self, session: SessionRef) -> None:
        """A queued session call was cancelled: the session has a hole in it."""

    def device_bytes(self) -> int:
        """Memory taken on this process's GPUs; 0 when it computes on the CPU."""
