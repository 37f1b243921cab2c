# The main thread: takes calls in order, has them answered, turns exceptions into error messages. Knows
# neither the socket nor the meaning of a primitive; never imports torch: `make_handler` does, at the first
# job.
"""FIFO job loop."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable

from msgspec import UNSET

from backtrail_worker.core.call import Answer, Cancelled, Handler, Request, WorkerFault
from backtrail_worker.intake import Call
from backtrail_worker.protocol import (
    PROTOCOL_VERSION,
    SESSION_PRIMITIVES,
    Arrays,
    Chunk,
    Error,
    RequestError,
    Result,
    SessionRef,
    pack_bins,
    read_params,
    unpack_bins,
)
from backtrail_worker.transport import Link

TRACEBACK_BYTES = 4096
PROGRESS_EVERY_S = 0.5
# Exit status of a worker that gives itself up.
DEVICE_LOST = 6


class CallContext:
    """The `Context` of one call: counts chunks, limits the rate of progress messages."""

    def __init__(self, link: Link, call: Call, measure: Callable[[], None]) -> None:
        self._link = link
        self._call = call
        self._measure = measure
        self._said = 0.0
        self.chunks = 0

    def check(self) -> None:
        if self._call.cancelled.is_set():
            raise Cancelled()

    def progress(self, done: float, total: float) -> None:
        self._link.done = done
        now = time.monotonic()
        if now - self._said >= PROGRESS_EVERY_S:
            self._said = now
            self._measure()
            self._link.progress(self._call, done, total)

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        bins, frames = pack_bins(arrays)
        job = self._call.job
        message = Chunk(
            v=PROTOCOL_VERSION, id=job.id, attempt=job.attempt, seq=self.chunks, texts=texts, bins=bins
        )
        size = sum(map(len, frames)) + sum(map(len, texts))
        _check_size(size, self._link.max_message_bytes)
        self._link.chunk(self._call, message, frames)
        self.chunks += 1
        self.check()


def _check_size(size: int, limit: float) -> None:
    if size > limit:
        raise WorkerFault(
            "too-large",
            f"the answer takes {size} bytes, more than a message may have ({limit:.0f}); "
            "ask for less at a time",
        )


def read_request(call: Call) -> Request:
    """Checks a job against the contract of its primitive. Raises RequestError."""
    job = call.job
    session = None if job.session is UNSET else job.session
    params = read_params(job.primitive, job.params)
    if (session is not None) != (job.primitive in SESSION_PRIMITIVES):
        need = "needs" if session is None else "takes no"
        raise RequestError(f"{job.primitive} {need} session in the job header")
    assert session is None or isinstance(session, SessionRef)
    return Request(job.primitive, params, unpack_bins(job.bins, call.frames), session)


def _error(call: Call, fault: WorkerFault, trace: str) -> Error:
    return Error(
        v=PROTOCOL_VERSION,
        id=call.job.id,
        attempt=call.job.attempt,
        code=fault.code,
        message=str(fault)[:8000],
        traceback=trace.encode()[-TRACEBACK_BYTES:].decode(errors="ignore"),
        retryable=fault.retryable,
    )


class Loop:
    """Runs calls until the link says to end."""

    def __init__(self, link: Link, make_handler: Callable[[], Handler]) -> None:
        self._link = link
        self._make_handler = make_handler
        self._handler: Handler | None = None

    def run(self) -> None:
        """Blocks; returns when `None` comes out of the queue."""
        while (call := self._link.jobs.get()) is not None:
            if self._link.begin(call):
                self._answer(call)
            elif call.job.session is not UNSET and isinstance(call.job.session, SessionRef):
                self._tensor_side().skip(call.job.session)

    def _tensor_side(self) -> Handler:
        if self._handler is None:
            self._handler = self._make_handler()
        return self._handler

    def _measure(self) -> None:
        # Here and not in the I/O thread: the allocator's lock can be held for long, and a heartbeat that
        # waits for it looks like death.
        if self._handler is not None:
            self._link.device_bytes = self._handler.device_bytes()

    def _answer(self, call: Call) -> None:
        context = CallContext(self._link, call, self._measure)
        started = time.perf_counter()
        message: Result | Error
        frames: list[bytes] = []
        try:
            context.check()
            answer = self._work(call, context)
            bins, frames = pack_bins(answer.arrays)
            _check_size(sum(map(len, frames)), self._link.max_message_bytes)
            message = Result(
                v=PROTOCOL_VERSION,
                id=call.job.id,
                attempt=call.job.attempt,
                chunks=context.chunks,
                result=answer.result,
                seconds=time.perf_counter() - started,
                bins=bins,
            )
        except WorkerFault as fault:
            frames, message = [], _error(call, fault, traceback.format_exc())
        except RequestError as error:
            frames, message = [], _error(call, WorkerFault("bad-request", str(error)), traceback.format_exc())
        except Exception as error:
            trace = traceback.format_exc()
            # The frames of the exception hold tensors: without this the memory stays taken.
            error.__traceback__ = None
            if self._handler and self._handler.device_lost():
                # Every later call would fail on it as well: the coordinator starts a worker that has it back.
                print(f"{trace}\nthe device is lost to this process", file=sys.stderr, flush=True)
                os._exit(DEVICE_LOST)
            known = self._handler.fault_of(error) if self._handler else None
            frames = []
            message = _error(
                call, known or WorkerFault("internal", f"{type(error).__name__}: {error}"), trace
            )
        self._measure()
        self._link.finish(call, message, frames)

    def _work(self, call: Call, context: CallContext) -> Answer:
        try:
            request = read_request(call)
        except RequestError:
            if isinstance(call.job.session, SessionRef):
                self._tensor_side().skip(call.job.session)
            raise
        return self._tensor_side().answer(request, context)
