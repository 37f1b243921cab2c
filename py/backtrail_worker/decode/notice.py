# What a user should know once and not at every call. No tensor library.
"""Lines of the worker's log that are said once."""

from __future__ import annotations

import sys

_said: set[str] = set()


def say_once(text: str) -> None:
    """Writes a line to stderr (the worker's log) unless this process has written the same one before."""
    if text not in _said:
        _said.add(text)
        print(text, file=sys.stderr, flush=True)
