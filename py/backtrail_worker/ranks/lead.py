# Rank 0 answers the coordinator and hands every session call and every generate to the other ranks first; all
# run the same code on the same call, each with its share of the rows or prefixes. Other free calls are
# answered by rank 0 alone. Knows no socket.
"""Leading a group of ranks, and following."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import torch

from backtrail_worker.core.call import Answer, Context, Request, WorkerFault
from backtrail_worker.core.handlers import MUTATING, TensorSide
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Arrays, RankStart, RequestError, SessionRef, WorkerStart, read_params
from backtrail_worker.ranks.group import Elsewhere, Group
from backtrail_worker.ranks.reduced import Reduced, deal
from backtrail_worker.ranks.wire import Message, Status, give, receive, send, take
from backtrail_worker.train.updates import Updates

# Calls of which each rank does a part, so that their results are to be summed.
DEALT = frozenset({"forward_backward", "generate"})


# A call of no session, as it goes to the other ranks.
FREE = SessionRef("", 0)


class Silent:
    """The `Context` of ranks that nobody listens to; chunks wait for rank 0."""

    def __init__(self) -> None:
        self.chunks: list[tuple[list[str], Arrays]] = []

    def check(self) -> None: ...

    def progress(self, done: float, total: float) -> None: ...

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        self.chunks.append((texts, arrays))


def _sums(primitive: str, answer: Answer) -> dict[str, float]:
    return dict(answer.result) if primitive in DEALT else {}


def together(group: Group, side: TensorSide, request: Request, context: Context) -> Answer:
    """
    Runs a call on this rank and learns how it went on the others. The losses and counts of forward_backward
    and generate are summed. Raises what this rank raised, or WorkerFault for another.
    """
    session, primitive = request.session, request.primitive
    try:
        answer = side.answer(request, context)
    except Elsewhere:
        raise
    except Exception as error:
        tied = group.tied and primitive == "forward_backward" and not isinstance(error, WorkerFault)
        if tied or side.device_lost():
            group.broken(error)
        fault = _fault(side, error)
        group.conclude(Status("failed", fault.code, str(fault), fault.retryable))
        raise
    try:
        statuses = group.conclude(Status("done", sums=_sums(primitive, answer)))
    except WorkerFault as fault:
        if session is not None and primitive in MUTATING:
            side.break_off(session.id, f"call {session.seq} ({primitive}) failed: {fault}")
        raise
    if primitive not in DEALT:
        return answer
    found = answer.result
    totals = {key: type(found[key])(sum(one.sums[key] for one in statuses)) for key in found}
    return Answer(totals, answer.arrays)


def _fault(side: TensorSide, error: Exception) -> WorkerFault:
    if isinstance(error, WorkerFault):
        return error
    if isinstance(error, RequestError):
        return WorkerFault("bad-request", str(error))
    return side.fault_of(error) or WorkerFault("internal", f"{type(error).__name__}: {error}")


class Leader:
    """The `Handler` of rank 0."""

    def __init__(self, group: Group, side: TensorSide) -> None:
        self._group, self._side = group, side

    def answer(self, request: Request, context: Context) -> Answer:
        """Answers one checked call, session calls and generate with all ranks."""
        free = request.session is None
        if free and request.primitive != "generate":
            return self._side.answer(request, context)
        params: Any = msgspec.to_builtins(request.params)
        session = request.session or FREE
        self._send(Message(request.primitive, params, session.id, session.seq, []), request)
        answer = together(self._group, self._side, request, context)
        if free:
            self._forward(context)
        return answer

    def _forward(self, context: Context) -> None:
        """The other ranks' chunks, as if they were ours. All are taken before the first may be cancelled."""
        try:
            chunks = [one for rank in range(1, self._group.ranks) for one in take(self._group.control, rank)]
        except RuntimeError as error:
            self._group.broken(error)
        for texts, arrays in chunks:
            context.chunk(texts, arrays)

    def skip(self, session: SessionRef) -> None:
        """A queued session call will not run, on any rank."""
        self._send(Message("", None, session.id, session.seq, []), None)
        self._side.skip(session)

    def fault_of(self, error: BaseException) -> WorkerFault | None:
        """See Handler."""
        return self._side.fault_of(error)

    def device_lost(self) -> bool:
        """See Handler: of this rank."""
        return self._side.device_lost()

    def device_bytes(self) -> int:
        """See Handler: of this rank."""
        return self._side.device_bytes()

    def _send(self, message: Message, request: Request | None) -> None:
        try:
            send(self._group.control, message, request.arrays if request else {})
        except RuntimeError as error:
            self._group.broken(error)


def _updates_of(group: Group, deepspeed: dict[str, Any] | None) -> Callable[[Loaded], Updates]:
    """The optimizer side of the group: ZeRO if it is asked for and DeepSpeed is there, else a plain sum."""
    if deepspeed is None:
        return partial(Reduced, group)
    try:
        from backtrail_worker.ranks.zero import Zero
    except ImportError as error:
        if group.rank == 0:
            print(
                f"DeepSpeed cannot be imported ({error}): gradients are summed over the ranks and every rank "
                "keeps the whole optimizer state. Same results, more memory; for ZeRO: pip install deepspeed",
                file=sys.stderr,
                flush=True,
            )
        return partial(Reduced, group)
    return partial(Zero, group, deepspeed)


def _join(start: WorkerStart, versions: dict[str, str]) -> tuple[Group, TensorSide]:
    place = start.group
    assert isinstance(place, RankStart)
    if start.threads > 0:
        torch.set_num_threads(start.threads)
    group = Group(place, start.device)
    deepspeed = place.deepspeed if isinstance(place.deepspeed, dict) else None
    updates = _updates_of(group, deepspeed)
    return group, TensorSide(
        group.device, start.threads, versions, updates, partial(deal, rank=group.rank, ranks=group.ranks)
    )


def lead(start: WorkerStart, versions: dict[str, str]) -> Leader:
    """Rank 0: joins the group and leads it. A group that does not come together ends this process."""
    try:
        return Leader(*_join(start, versions))
    except Exception as error:
        _refuse(error)
        raise


def follow(start: WorkerStart, versions: dict[str, str]) -> None:
    """Other ranks: run the calls of rank 0 until they are ended. Never returns normally."""
    try:
        group, side = _join(start, versions)
    except Exception as error:
        _refuse(error)
        raise
    while True:
        try:
            message, arrays = receive(group.control)
        except RuntimeError as error:
            group.broken(error)
        session = SessionRef(message.session, message.seq)
        if message.params is None:
            side.skip(session)
            continue
        try:
            params = read_params(message.primitive, message.params)
            context, free = Silent(), session == FREE
            request = Request(message.primitive, params, arrays, None if free else session)
            together(group, side, request, context)
            if free:
                give(group.control, context.chunks)
        except Exception as error:
            # Rank 0 has been told and answers; the details are for this rank's log.
            print(f"rank {group.rank}: {message.primitive}: {type(error).__name__}: {error}", file=sys.stderr)


def _refuse(error: Exception) -> None:
    print(f"this rank cannot join its group: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(2)
