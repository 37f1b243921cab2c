# The generate primitive: prefixes into slots, step by step, finished completions out in chunks. Knows no
# policy: what a completion is for is decided in TypeScript.
"""Batched decoding."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.decode.completion import Completion, Stops, pack_chunk
from backtrail_worker.decode.engine import Engine, HfEngine
from backtrail_worker.decode.llama import LlamaEngine, suits
from backtrail_worker.decode.sampler import Sampler, uniforms
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Arrays, Generate, RequestError
from backtrail_worker.train.batch import check_ids, need, split

CHUNK_COMPLETIONS = 256
# Rows are dropped, or slots refilled, once this share of them is free: each time costs a copy of the cache.
FREE_SHARE = 0.25
CPU_SLOTS, GPU_SLOTS = 128, 512
# Of the free GPU memory, for the key-value cache (counted as if every head had keys of its own).
MEMORY_SHARE = 0.5


@dataclass
class Group:
    """A prefix and its completions."""

    prefix: list[int]
    completions: list[Completion]


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


def pick_slots(loaded: Loaded, groups: list[Group], asked: int) -> int:
    """Rows decoded at a time: what was asked for, else what the device runs best with and has memory for."""
    total = max(1, sum(len(group.completions) for group in groups))
    if asked or loaded.device.type != "cuda":
        return min(total, asked or CPU_SLOTS)
    config = loaded.described.config
    size = 2 * config.num_hidden_layers * config.hidden_size * loaded.model.dtype.itemsize
    free, _ = torch.cuda.mem_get_info(loaded.device)
    return max(1, min(total, GPU_SLOTS, int(free * MEMORY_SHARE / (size * longest_of(groups)))))


def longest_of(groups: list[Group]) -> int:
    """Tokens of the longest sequence that can come about."""
    lengths = [len(g.prefix) + max(0, min(c.budget, c.room)) for g in groups for c in g.completions]
    return max(lengths, default=1)


def make_engine(loaded: Loaded, groups: list[Group], slots: int) -> Engine:
    """The fastest engine that is right for the model."""
    if suits(loaded):
        return LlamaEngine(loaded, slots, longest_of(groups))
    return HfEngine(loaded)


class Decoder:
    """One generate call on one engine."""

    def __init__(
        self, loaded: Loaded, engine: Engine, slots: int, params: Generate, context: Context
    ) -> None:
        self._loaded = loaded
        self._engine = engine
        self._context = context
        self._sampler = Sampler(params.temperature, params.top_k, params.top_p)
        self._stops = Stops(params.stops, loaded.described.text)
        self._slots = slots
        self._rows: list[Completion] = []
        self._done: list[Completion] = []
        self._tokens = 0
        self._budget = 0.0

    def run(self, groups: list[Group]) -> Answer:
        """Decodes all; chunks leave as completions finish."""
        everything = [item for group in groups for item in group.completions]
        self._budget = float(sum(min(item.budget, item.room) for item in everything))
        for item in everything:
            item.start()
        self._done += [item for item in everything if item.finish is not None]
        # Long prefixes first: what is still running at the end is then short.
        queue = deque(sorted(groups, key=lambda group: -len(group.prefix)))
        while True:
            self._context.check()
            self._flush(at_end=False)
            logits_RV = self._admit(queue)
            if logits_RV is not None:
                new = self._rows[-logits_RV.shape[0] :]
                self._take(new, logits_RV)
                self._compact()
                continue
            if not self._rows:
                break
            self._take(self._rows, self._engine.step([self._last(item) for item in self._rows]))
            self._compact()
        self._flush(at_end=True)
        prefix_tokens = sum(len(group.prefix) for group in groups if group.completions)
        return Answer({"completions": len(everything), "tokens": self._tokens, "prefixTokens": prefix_tokens})

    def _last(self, item: Completion) -> int:
        # A row that ended at once and is not yet dropped has no token of its own; what it reads does not
        # matter.
        return item.tokens[-1] if item.tokens else self._loaded.described.end

    def _admit(self, queue: deque[Group]) -> torch.Tensor | None:
        """Fills free slots from the queue when that is due; logits of the new rows, which stand last."""
        free = self._slots - len(self._rows)
        if self._rows and (not self._engine.refills or free < self._slots * FREE_SHARE):
            return None
        prefixes: list[list[int]] = []
        counts: list[int] = []
        while queue and free > 0:
            group = queue[0]
            waiting = [item for item in group.completions if item.finish is None]
            some, rest = waiting[:free], waiting[free:]
            if some:
                prefixes.append(group.prefix)
                counts.append(len(some))
                self._rows += some
                free -= len(some)
            if rest:
                queue[0] = Group(group.prefix, rest)
            else:
                queue.popleft()
        return self._engine.admit(prefixes, counts) if prefixes else None

    def _take(self, rows: list[Completion], logits_RV: torch.Tensor) -> None:
        seeds = np.array([item.seed for item in rows], dtype=np.uint64)
        at = np.array([len(item.tokens) for item in rows], dtype=np.int64)
        picked = self._sampler.pick(logits_RV, uniforms(seeds, at))
        ends = self._loaded.described.ends
        for item, token, logprob, sampled in zip(
            rows, picked.tokens, picked.logprobs, picked.sampled, strict=True
        ):
            if item.finish is None and item.add(token, logprob, sampled, self._stops, ends):
                self._done.append(item)

    def _compact(self) -> None:
        alive = [row for row, item in enumerate(self._rows) if item.finish is None]
        gone = len(self._rows) - len(alive)
        if gone and (not alive or gone >= len(self._rows) * FREE_SHARE):
            # The last rows move into the places of the ended ones: the fewest copies.
            kept, tail = list(range(len(alive))), [row for row in alive if row >= len(alive)]
            for row in kept:
                if self._rows[row].finish is not None:
                    kept[row] = tail.pop()
            self._engine.keep(kept)
            self._rows = [self._rows[row] for row in kept]

    def _flush(self, at_end: bool) -> None:
        while len(self._done) >= CHUNK_COMPLETIONS or (at_end and self._done):
            part, self._done = self._done[:CHUNK_COMPLETIONS], self._done[CHUNK_COMPLETIONS:]
            self._tokens += sum(len(item.tokens) for item in part)
            self._context.chunk(*pack_chunk(part, self._loaded.described.text))
        self._context.progress(self._tokens + sum(len(item.tokens) for item in self._rows), self._budget)


@torch.inference_mode()
def generate(loaded: Loaded, groups: list[Group], params: Generate, context: Context) -> Answer:
    """Answers generate in mode "independent"."""
    slots = pick_slots(loaded, groups, params.slots)
    return Decoder(loaded, make_engine(loaded, groups, slots), slots, params, context).run(groups)
