# The generate primitive: prefixes into slots, step by step, finished completions out in chunks. Knows no
# policy: what a completion is for is decided in TypeScript.
"""Batched decoding."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.decode.beams import beam_sample
from backtrail_worker.decode.completion import Completion, Stops, pack_chunk
from backtrail_worker.decode.continuous import continuous
from backtrail_worker.decode.engine import Engine, HfEngine
from backtrail_worker.decode.groups import Group, longest_of, totals
from backtrail_worker.decode.groups import read_groups as read_groups
from backtrail_worker.decode.llama import LlamaEngine, misfit
from backtrail_worker.decode.notice import say_once
from backtrail_worker.decode.sampler import Sampler, uniforms
from backtrail_worker.decode.slots import pick_slots
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Generate

CHUNK_COMPLETIONS = 256
# Rows are dropped, or slots refilled, once this share of them is free: each time costs a copy of the cache.
FREE_SHARE = 0.125


def make_engine(loaded: Loaded, groups: list[Group], slots: int) -> Engine:
    """The fastest engine that is right for the model; says so when it is not the fast one."""
    reason = misfit(loaded)
    if reason is None:
        return LlamaEngine(loaded, slots, longest_of(groups))
    say_once(
        f"generate: {loaded.spec.version} runs on the generic engine; the fast one does not suit: {reason}"
    )
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
        self._made = 0
        """Tokens so far, end tokens among them."""
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
        return Answer({**totals(groups)})

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
            if rest and prefixes and len(waiting) <= self._slots * FREE_SHARE:
                # It will fit in whole at the next turn, and its prefix is then prefilled once.
                break
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
            if item.finish is None:
                self._made += 1
                if item.add(token, logprob, sampled, self._stops, ends):
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
            self._context.chunk(*pack_chunk(part, self._loaded.described.text))
        self._context.progress(self._made, self._budget)


@torch.inference_mode()
def generate(loaded: Loaded, groups: list[Group], params: Generate, context: Context) -> Answer:
    """Answers generate on the engine asked for. Raises RequestError for one that cannot do it."""
    if params.engine == "reference":
        return beam_sample(loaded, groups, params, context)
    if params.engine == "continuous":
        return continuous(loaded, groups, params, context)
    slots = pick_slots(loaded, groups, params.slots)
    return Decoder(loaded, make_engine(loaded, groups, slots), slots, params, context).run(groups)
