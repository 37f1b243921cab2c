# The memory that rows are decoded in: keys and values, the next token and the position of each row, all of
# fixed size and place, as CUDA graphs need it. Knows no weights.
"""Static buffers of the fast engine."""

from __future__ import annotations

import torch

from backtrail_worker.decode.graphs import Graphs
from backtrail_worker.decode.transfer import to_device


class Board:
    """`slots` rows of up to `longest` tokens."""

    def __init__(self, cache: torch.Tensor, cos_LD: torch.Tensor, sin_LD: torch.Tensor, asked: int) -> None:
        """
        `cache` [layers, 2, slots, kv heads, longest, head size]; rotary tables of its positions; the slots
        that the call asked for (0 = any number), for a later call to know whether this board suits it.
        """
        device, slots = cache.device, cache.shape[2]
        self.cache, self.slots, self.longest, self.asked = cache, slots, cache.shape[4], asked
        self.cos_LD, self.sin_LD = cos_LD, sin_LD
        self.tokens_S = torch.zeros(slots, dtype=torch.int64, device=device)
        """What each row continues with: its last token, whose keys and values are not in the cache yet."""
        self.pos_S = torch.zeros(slots, dtype=torch.int64, device=device)
        """
        Where that token stands. What the cache holds from there on is masked and never cleared; it must be
        finite, so a board on which a call failed is not used again.
        """
        self.uniforms_S = torch.zeros(slots, dtype=torch.float64, device=device)
        self.drawn_3S = torch.zeros(3, slots, dtype=torch.float64, device=device)
        self.graphs = Graphs(device)

    def move(self, to: list[int], rows: list[int], used: int) -> None:
        """Copies rows, of which `used` positions count, to other places; no place is also a source."""
        to_M = to_device(torch.tensor(to), self.cache.device)
        from_M = to_device(torch.tensor(rows), self.cache.device)
        # Part by part: one indexed copy of the whole cache would need as much memory again.
        for layer in self.cache:
            for part in layer:
                part[to_M, :, :used] = part[from_M, :, :used]
        self.tokens_S[to_M], self.pos_S[to_M] = self.tokens_S[from_M], self.pos_S[from_M]
