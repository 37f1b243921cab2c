# The group of ranks that trains one model: how it comes together, agrees, and ends. A rank that fails alone
# tells the others at the next exchange. One that fails inside a step that all do together cannot: it ends
# its process, and the launcher ends the group.
"""Rendezvous and agreement of ranks."""

from __future__ import annotations

import os
import sys
import time
import traceback
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.core.handlers import out_of_memory
from backtrail_worker.protocol import RankStart
from backtrail_worker.ranks.wire import Status, exchange

# Ranks wait for their next call for as long as the coordinator lets them; the coordinator keeps the clocks.
FOREVER = timedelta(days=365)
# A rank whose peer is gone leaves the first word to the peer: the launcher ends it long before.
GRACE_S = 20.0
# The last one is known to the coordinator, which deals the step into smaller parts (src/worker/launcher.ts).
LOST_PEER, LOST_STEP, LOST_MEMORY = 4, 5, 6


class Elsewhere(WorkerFault):
    """Another rank has failed the call that this one was ready for; all ranks know."""


class Group:
    """This process's place among the ranks."""

    def __init__(self, start: RankStart, device: str) -> None:
        """Joins; blocks until all ranks have. Raises WorkerFault "device"."""
        self.rank, self.ranks = start.rank, start.ranks
        # Whether a forward pass is already something that all ranks do together (ZeRO-3).
        self.tied = False
        gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
        if gpu and torch.cuda.device_count() < self.ranks:
            count = torch.cuda.device_count()
            raise WorkerFault("device", f"{self.ranks} ranks need as many GPUs, PyTorch sees {count}")
        self.device = f"cuda:{self.rank}" if gpu else "cpu"
        if gpu:
            torch.cuda.set_device(self.rank)
        else:
            os.environ["DS_ACCELERATOR"] = "cpu"
        # DeepSpeed reads these; torch gets the same as arguments.
        os.environ.update(RANK=str(self.rank), LOCAL_RANK=str(self.rank))
        os.environ.update(WORLD_SIZE=str(self.ranks), LOCAL_SIZE=str(self.ranks))
        dist.init_process_group(
            "nccl" if gpu else "gloo",
            init_method=f"file://{start.rendezvous}",
            rank=self.rank,
            world_size=self.ranks,
            timeout=FOREVER,
        )
        self.control: Any = dist.new_group(backend="gloo", timeout=FOREVER)

    def agree(self) -> None:
        """
        To be called before what all ranks do together. Raises Elsewhere when one has failed on the way.
        """
        self._raise_of(self._exchange(Status("go")), Elsewhere)

    def conclude(self, status: Status) -> list[Status]:
        """The end of a call on this rank. Raises WorkerFault when it was well here and failed on another."""
        statuses = self._exchange(status)
        if status.phase == "done":
            self._raise_of(statuses, WorkerFault)
        return statuses

    def _exchange(self, status: Status) -> list[Status]:
        try:
            return exchange(self.control, status)
        except RuntimeError as error:
            self.broken(error)

    def _raise_of(self, statuses: list[Status], kind: type[WorkerFault]) -> None:
        for rank, status in enumerate(statuses):
            if status.phase == "failed":
                message = f"rank {rank} of {self.ranks}: {status.message}"
                raise kind(status.code, message, status.retryable)
        if len(phases := {status.phase for status in statuses}) > 1:
            self.broken(AssertionError(f"ranks are out of step: {sorted(phases)}"))

    def broken(self, error: BaseException) -> NoReturn:
        """
        An error inside what all ranks do together: this process ends, and with it the group. After a lost
        connection it waits to be ended, so that the first rank to die is the one at fault.
        """
        memory = out_of_memory(error)
        lost = isinstance(error, RuntimeError) and not memory
        traceback.print_exception(error, file=sys.stderr)
        print(f"rank {self.rank} of {self.ranks}: the group cannot go on: {error}", file=sys.stderr)
        sys.stderr.flush()
        if lost:
            time.sleep(GRACE_S)
        os._exit(LOST_MEMORY if memory else LOST_PEER if lost else LOST_STEP)
