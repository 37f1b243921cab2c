# The generate primitive: prefixes into slots, step by step, finished completions out in chunks. Knows no
# policy: what a completion is for is decided in TypeScript.
"""Batched decoding."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context, WorkerFault
from backtrail_worker.decode.beams import beam_sample
from backtrail_worker.decode.board import Board
from backtrail_worker.decode.completion import Completion, Stops, pack_chunk
from backtrail_worker.decode.continuous import continuous
from backtrail_worker.decode.engine import Drawn, Engine, HfEngine
from backtrail_worker.decode.groups import Group, longest_of, totals
from backtrail_worker.decode.groups import read_groups as read_groups
from backtrail_worker.decode.llama import LlamaEngine, make_board, misfit
from backtrail_worker.decode.notice import say_once
from backtrail_worker.decode.sampler import Sampler, uniforms
from backtrail_worker.decode.slots import pick_slots
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Generate

CHUNK_COMPLETIONS = 256
# Slots are refilled once this share of them is free; where none can be refilled, rows are dropped once this
# share of them has ended, which costs a copy of other rows.
REFILL_SHARE, DROP_SHARE = 0.0625, 0.125
# Where a board is kept with the model: steps recorded on it are worth more calls than one. It is made for
# sequences somewhat longer than those of the first call.
KEEPING = ("cuda",)
KEPT_LENGTHS = 64


def _board(loaded: Loaded, groups: list[Group], asked: int) -> Board:
    """Memory for the rows of a call: that of an earlier call where it was kept and suits this one."""
    longest, kept = longest_of(groups), loaded.board
    if isinstance(kept, Board) and kept.longest >= longest and kept.asked == asked:
        return kept
    loaded.board = kept = None
    if loaded.device.type not in KEEPING:
        return make_board(loaded, pick_slots(loaded, groups, asked), longest, asked)
    longest = -(-longest // KEPT_LENGTHS) * KEPT_LENGTHS
    loaded.board = board = make_board(loaded, pick_slots(loaded, groups, asked, longest), longest, asked)
    return board


def make_engine(loaded: Loaded, groups: list[Group], params: Generate) -> tuple[Engine, int]:
    """
    The fastest engine that is right for the model, and its slots; says so when it is not the fast one. Groups
    are admitted in this order.
    """
    sampler = Sampler(params.temperature, params.top_k, params.top_p)
    prefixes = [group.prefix for group in groups]
    reason = misfit(loaded)
    if reason is None:
        board = _board(loaded, groups, params.slots)
        return LlamaEngine(loaded, sampler, prefixes, board), board.slots
    say_once(
        f"generate: {loaded.spec.version} runs on the generic engine; the fast one does not suit: {reason}"
    )
    return HfEngine(loaded, sampler, prefixes), pick_slots(loaded, groups, params.slots)


class Decoder:
    """One generate call on one engine, made for these groups in this order."""

    def __init__(
        self,
        loaded: Loaded,
        engine: Engine,
        slots: int,
        groups: list[Group],
        stops: list[str],
        context: Context,
    ) -> None:
        self._loaded = loaded
        self._engine = engine
        self._context = context
        self._stops = Stops(stops, loaded.described.text)
        self._slots = slots
        everything = [item for group in groups for item in group.completions]
        self._budget = float(sum(min(item.budget, item.room) for item in everything))
        for item in everything:
            item.start()
        self._done = [item for item in everything if item.finish is not None]
        waiting = [[item for item in group.completions if item.finish is None] for group in groups]
        self._queue = deque((number, items) for number, items in enumerate(waiting) if items)
        self._rows: list[Completion] = []
        self._seeds_S = np.zeros(slots, dtype=np.uint64)
        self._drawn_S = np.zeros(slots, dtype=np.int64)
        """Tokens drawn for each row, those not yet read among them."""
        self._ended = 0
        """Rows whose completion has ended."""
        self._made = 0
        """Tokens so far, end tokens among them."""

    def run(self) -> None:
        """Decodes all; chunks leave as completions finish."""
        # Draws that are not read yet, with the rows of their time: rows may change meanwhile.
        flying: deque[tuple[Drawn, list[Completion]]] = deque()
        while True:
            self._context.check()
            self._flush(at_end=False)
            if self._due():
                self._replace()
            num = len(self._rows)
            if num == 0:
                break
            drawn = self._engine.draw(uniforms(self._seeds_S[:num], self._drawn_S[:num]))
            self._drawn_S[:num] += 1
            flying.append((drawn, list(self._rows)))
            while len(flying) > self._engine.ahead:
                self._take(*flying.popleft())
        self._flush(at_end=True)

    def _due(self) -> bool:
        """Whether rows are to be dropped or slots to be refilled now."""
        alive = len(self._rows) - self._ended
        if alive == 0:
            return True
        if self._queue and self._engine.refills:
            return self._slots - alive >= max(1, self._slots * REFILL_SHARE)
        return self._ended >= len(self._rows) * DROP_SHARE

    def _replace(self) -> None:
        """
        Waiting completions take the places of ended rows; what nobody takes is dropped. An engine that cannot
        refill begins anew once all rows have ended.
        """
        if self._engine.refills:
            self._admit()
        self._compact()
        if not self._rows:
            self._admit()

    def _admit(self) -> None:
        """Fills the places of ended rows, and free slots, from the queue."""
        ended = [row for row, item in enumerate(self._rows) if item.finish is not None]
        places = ended + list(range(len(self._rows), self._slots))
        numbers: list[int] = []
        counts: list[int] = []
        new: list[Completion] = []
        while self._queue and len(new) < len(places):
            number, waiting = self._queue[0]
            free = len(places) - len(new)
            some, rest = waiting[:free], waiting[free:]
            numbers.append(number)
            counts.append(len(some))
            new += some
            if rest:
                self._queue[0] = (number, rest)
            else:
                self._queue.popleft()
        if not new:
            return
        del places[len(new) :]
        self._engine.admit(numbers, counts, places)
        self._ended -= min(len(ended), len(new))
        for place, item in zip(places, new, strict=True):
            # Behind the last row the slice is empty: it appends.
            self._rows[place : place + 1] = [item]
        self._seeds_S[places] = np.array([item.seed for item in new], dtype=np.uint64)
        self._drawn_S[places] = 0

    def _take(self, drawn: Drawn, rows: list[Completion]) -> None:
        picked = drawn.read()
        ends = self._loaded.described.ends
        for item, token, logprob, sampled in zip(
            rows, picked.tokens, picked.logprobs, picked.sampled, strict=True
        ):
            if item.finish is None:
                self._made += 1
                if item.add(token, logprob, sampled, self._stops, ends):
                    self._done.append(item)
                    self._ended += 1

    def _compact(self) -> None:
        """Drops ended rows. The last rows move into their places: the fewest copies."""
        if self._ended == 0:
            return
        alive = [row for row, item in enumerate(self._rows) if item.finish is None]
        kept, tail = list(range(len(alive))), [row for row in alive if row >= len(alive)]
        for row in kept:
            if self._rows[row].finish is not None:
                kept[row] = tail.pop()
        self._engine.keep(kept)
        self._rows = [self._rows[row] for row in kept]
        for numbers_S in (self._seeds_S, self._drawn_S):
            numbers_S[: len(kept)] = numbers_S[kept]
        self._ended = 0

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
    # Long prefixes first: what is still running at the end is then short.
    ordered = sorted(groups, key=lambda group: -len(group.prefix))
    engine, slots = make_engine(loaded, ordered, params)
    try:
        Decoder(loaded, engine, slots, ordered, params.stops, context).run()
    except WorkerFault as fault:
        if fault.code == "non-finite":
            # They stand in its rows now, and get through every mask.
            loaded.board = None
        raise
    return Answer({**totals(groups)})
