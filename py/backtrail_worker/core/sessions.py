# Sequence numbers of sessions: calls come in order from 1, without gap or repeat; after a call that may
# have left the model half changed, all later ones are refused. Never imports torch.
"""Order within a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.protocol import SessionRef

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    next_seq: int
    state: T | None
    broken: str


class Sessions(Generic[T]):
    """States by session id."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[T]] = {}

    def ids(self) -> list[str]:
        """Sessions that hold a state."""
        return sorted(name for name, entry in self._entries.items() if entry.state is not None)

    def enter(self, reference: SessionRef, opens: bool, closes: bool) -> None:
        """
        Counts a call in. Raises WorkerFault "session-gap" when a call before it never came, "session" for a
        repeat, a stranger or a broken session.
        """
        entry = self._entries.get(reference.id)
        if entry is None:
            if not (opens and reference.seq == 1):
                raise WorkerFault(
                    "session" if reference.seq == 1 else "session-gap",
                    f'unknown session "{reference.id}": load_model must be its call 1',
                )
            self._entries[reference.id] = _Entry(2, None, "")
            return
        if reference.seq != entry.next_seq:
            raise WorkerFault(
                "session" if reference.seq < entry.next_seq else "session-gap",
                f'session "{reference.id}": call {reference.seq} came, call {entry.next_seq} was expected',
            )
        entry.next_seq += 1
        if opens:
            raise WorkerFault(
                "session", f'session "{reference.id}" has its model: load_model is call 1 and only call 1'
            )
        if entry.broken and not closes:
            raise WorkerFault("session", f'session "{reference.id}" cannot go on: {entry.broken}')

    def open(self, name: str, state: T) -> None:
        """Gives a session its state."""
        self._entries[name].state = state

    def state(self, name: str) -> T:
        """The state of a session that `enter` has let in. Raises WorkerFault "session"."""
        entry = self._entries.get(name)
        if entry is None or entry.state is None:
            raise WorkerFault("session", f'session "{name}" has no model')
        return entry.state

    def break_off(self, name: str, reason: str) -> None:
        """Refuses all later calls but unload."""
        if (entry := self._entries.get(name)) is not None and not entry.broken:
            entry.broken = reason

    def skip(self, reference: SessionRef) -> None:
        """
        A call was cancelled or refused before it ran: its number is used up, and what follows may not run.
        """
        entry = self._entries.get(reference.id)
        if entry is not None and reference.seq == entry.next_seq:
            entry.next_seq += 1
            self.break_off(reference.id, f"call {reference.seq} never ran")

    def close(self, name: str) -> T | None:
        """Forgets a session; answers the state it had."""
        entry = self._entries.pop(name, None)
        return entry.state if entry else None
