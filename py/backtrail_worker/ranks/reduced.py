# Plain data parallelism: each rank computes its share of the rows with the whole model, gradients are summed
# before the step, and every rank takes the same step. Needs nothing but torch.
"""Summed gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from backtrail_worker.model.load import Loaded
from backtrail_worker.ranks.group import Group
from backtrail_worker.train.batch import Sequence
from backtrail_worker.train.updates import Updates

# Elements summed in one message: 256 MiB of float32.
BUCKET = 2**26


def deal(lengths: list[int], rank: int, ranks: int) -> list[int]:
    """
    Which sequences a rank computes, in their order: the longest are dealt first, one to each, so that all
    get about equal lengths, and padding.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    return sorted(order[rank::ranks])


def share(sequences: list[Sequence], group: Group) -> list[Sequence]:
    """This rank's part of a call; one without a token where there are fewer sequences than ranks."""
    dealt = deal([len(one.tokens) for one in sequences], group.rank, group.ranks)
    if dealt:
        return [sequences[index] for index in dealt]
    none = np.zeros(0, dtype=np.float32)
    columns = dict.fromkeys(sequences[0].columns, none)
    return [Sequence(none.astype(np.int32), none, none.astype(np.bool_), columns)]


class Reduced(Updates):
    """AdamW on gradients summed over ranks. Equal weights and equal sums keep the ranks equal."""

    def __init__(self, group: Group, loaded: Loaded) -> None:
        super().__init__(loaded)
        self._group = group
        self.writes = group.rank == 0

    def about(self) -> dict[str, Any]:
        """See Updates."""
        return {"ranks": self._group.ranks, "sharding": "none"}

    def mine(self, sequences: list[Sequence]) -> list[Sequence]:
        """See Updates."""
        return share(sequences, self._group)

    def _combine(self, gradients: list[torch.Tensor]) -> None:
        self._group.agree()
        try:
            for bucket in _buckets(gradients):
                flat = torch.cat([one.flatten() for one in bucket])
                dist.all_reduce(flat)  # a sum: the weights are those of the whole step already
                parts = torch.split(flat, [one.numel() for one in bucket])
                for one, summed in zip(bucket, parts, strict=True):
                    one.copy_(summed.view_as(one))
        except Exception as error:
            self._group.broken(error)


def _buckets(gradients: list[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Neighbours of one element type, BUCKET elements at most (one tensor at least)."""
    buckets: list[list[torch.Tensor]] = []
    room = 0
    for one in gradients:
        if not buckets or one.numel() > room or one.dtype != buckets[-1][0].dtype:
            buckets.append([])
            room = BUCKET
        buckets[-1].append(one)
        room -= one.numel()
    return buckets
