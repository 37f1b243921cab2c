# What a generate call asks for: prefixes and the completions that continue them. No tensor library.
"""Groups of completions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtrail_worker.decode.completion import Completion
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Arrays, RequestError
from backtrail_worker.train.batch import check_ids, need, split


@dataclass
class Group:
    """A prefix and its completions."""

    prefix: list[int]
    completions: list[Completion]

    @property
    def tokens(self) -> int:
        """Of the prefix and of the longest completions that can come about."""
        return len(self.prefix) + sum(min(item.budget, item.room) for item in self.completions)


def read_groups(arrays: Arrays, loaded: Loaded) -> list[Group]:
    """Checks the bins of generate. Raises RequestError."""
    shapes = {"tokens": ("int32", 1), "lengths": ("int32", 1), "counts": ("int32", 1)}
    shapes |= {"seeds": ("uint32", 2), "budgets": ("int32", 1)}
    tokens, lengths, counts, seeds, budgets = need(arrays, shapes)
    total = int(counts.sum())
    if len(counts) != len(lengths) or (counts < 0).any():
        raise RequestError(f"{len(lengths)} prefixes but {len(counts)} counts, or a negative count")
    if seeds.shape != (total, 2) or len(budgets) != total or (budgets < 0).any():
        raise RequestError(f"{total} completions need seeds [{total}, 2] and as many budgets, none negative")
    check_ids(tokens, int(loaded.model.get_input_embeddings().weight.shape[0]))
    prefixes = split(tokens, lengths)
    context = loaded.described.context
    keys = seeds[:, 0].astype(np.uint64) | (seeds[:, 1].astype(np.uint64) << np.uint64(32))
    groups: list[Group] = []
    index = 0
    for prefix, count in zip(prefixes, counts.tolist(), strict=True):
        room = max(0, context - len(prefix))
        members = [Completion(i, int(keys[i]), int(budgets[i]), room) for i in range(index, index + count)]
        index += count
        groups.append(Group(prefix.tolist(), members))
    return groups


def longest_of(groups: list[Group]) -> int:
    """Tokens of the longest sequence that can come about."""
    lengths = [len(g.prefix) + max(0, min(c.budget, c.room)) for g in groups for c in g.completions]
    return max(lengths, default=1)


def totals(groups: list[Group]) -> dict[str, int]:
    """The result of generate once all completions have ended."""
    everything = [item for group in groups for item in group.completions]
    return {
        "completions": len(everything),
        "tokens": sum(len(item.tokens) for item in everything),
        "prefixTokens": sum(len(group.prefix) for group in groups if group.completions),
    }
