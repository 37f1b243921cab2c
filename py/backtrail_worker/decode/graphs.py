# CUDA graphs: a step of some hundred kernels, launched as one. On other devices the step just runs. Never run
# on a GPU so far.
"""Recorded device work."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch

from backtrail_worker.decode.notice import say_once


class Graphs:
    """Work on buffers of fixed place, recorded once for each key."""

    def __init__(self, device: torch.device) -> None:
        self._records = device.type == "cuda"
        self._graphs: dict[Hashable, Any] = {}
        # Graphs that never run at one time share their memory.
        self._pool: Any = None

    def run(self, key: Hashable, work: Callable[[], None], state: list[torch.Tensor]) -> None:
        """
        Runs work that always does the same for a key. `state` is what it changes for its next run; all else
        that it writes must come out the same when it runs twice.
        """
        graph = self._graphs.get(key)
        if graph is None and self._records:
            graph = self._record(key, work, state)
        if graph is None:
            work()
        else:
            graph.replay()

    def _record(self, key: Hashable, work: Callable[[], None], state: list[torch.Tensor]) -> Any:
        """None, and said so in the log, where the work cannot be recorded."""
        before = [one.clone() for one in state]
        here, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        try:
            # Libraries set themselves up, and allocate, in their first runs.
            side.wait_stream(here)
            try:
                with torch.cuda.stream(side):
                    for _ in range(2):
                        work()
                        self._reset(state, before)
            finally:
                here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # A recording that fails would leave its own stream behind as the current one.
            with torch.cuda.stream(here), torch.cuda.graph(graph, pool=self._pool):
                work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._records = False
            self._reset(state, before)
            # The end of a recording that failed fails too, and says less.
            reason = error.__context__ or error
            say_once(f"generate: CUDA graphs cannot be used, so each step launches its kernels: {reason}")
            return None
        self._pool = graph.pool()
        self._graphs[key] = graph
        return graph

    @staticmethod
    def _reset(state: list[torch.Tensor], before: list[torch.Tensor]) -> None:
        for one, old in zip(state, before, strict=True):
            one.copy_(old)
