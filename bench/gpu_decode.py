# The paper's decoding at its real size on one GPU: Llama-3.2 shapes with random weights in bf16 through the
# worker's own generate, endings by a schedule (random weights end nowhere), beside the published decoder's
# way and the roofline of this device, measured in the same run. A part of bench/gpu.py.
"""python gpu_decode.py <device> <threads> <folder> <cells as JSON>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from backtrail_worker.__main__ import set_thread_environment, settle_memory

from decode_common import Side, generate_bins, generate_params, timed
from decode_engines import measure_engines, measure_score
from gpu_cells import Cell, answer_cells, arguments

# Llama-3 tokens of four-number problems, measured on generated samples: a prompt; one step; goal marker and
# end; step-back marker and end. A solution has three steps.
PROMPT, STEP, GOAL, BACKTRACK = 24, 6, 4, 2
# Assumed of a trained model: how many completions solve (the others step back), and at which step those err,
# early ones being likelier. It makes some 16M tokens of 5,000 problems at N=32, b=1.
SOLVES, ERRS = 0.7, (0.5, 0.3, 0.2)
# Prompt and response together, as published.
MOST = 50
Ints = npt.NDArray[np.int64]
CALL_COMPLETIONS = 16384


@dataclass(frozen=True)
class Scheduled:
    """Completions of one prefix: its tokens so far, and where each of them ends."""

    prefix: list[int]
    lengths: list[int]


def first_round(generator: np.random.Generator, problems: int, samples: int) -> list[Scheduled]:
    """Problems with where each completion of their prompt ends."""
    sizes = PROMPT + generator.integers(-2, 3, size=problems)
    prefixes = [generator.integers(3, 20, size=size).tolist() for size in sizes]
    return _scheduled(generator, prefixes, np.zeros(problems, dtype=np.int64), samples)


def next_round(generator: np.random.Generator, states: list[Scheduled], samples: int) -> list[Scheduled]:
    """Of each prompt floor(sqrt(samples)) states, the wrong step cut off."""
    roots = [state.prefix for state in states for _ in range(math.isqrt(samples))]
    kept = _kept(generator, np.zeros((len(roots), 1), dtype=np.int64))[:, 0]
    steps = [generator.integers(3, 20, size=count * STEP).tolist() for count in kept]
    prefixes = [root + more for root, more in zip(roots, steps, strict=True)]
    return _scheduled(generator, prefixes, kept, samples)


def _kept(generator: np.random.Generator, already_SN: Ints) -> Ints:
    """Right steps before the wrong one, `already` of which the prefix holds."""
    below = np.concatenate(([0.0], np.cumsum(ERRS)))
    floor_SN = below[already_SN]
    drawn_SN = floor_SN + generator.random(already_SN.shape) * (1 - floor_SN)
    return np.minimum(np.searchsorted(below, drawn_SN, side="right") - 1, len(ERRS) - 1)


def _scheduled(
    generator: np.random.Generator, prefixes: list[list[int]], already_S: Ints, samples: int
) -> list[Scheduled]:
    """States with `already` right steps; lengths vary by three tokens, within the published bound."""
    already_SN = np.repeat(already_S[:, None], samples, axis=1)
    solved_SN = (3 - already_SN) * STEP + GOAL
    erred_SN = (_kept(generator, already_SN) + 1 - already_SN) * STEP + BACKTRACK
    solves_SN = generator.random(already_SN.shape) < SOLVES
    tokens_SN = np.where(solves_SN, solved_SN, erred_SN) + generator.integers(-3, 4, size=already_SN.shape)
    most_S1 = MOST - np.array([[len(prefix)] for prefix in prefixes])
    lengths_SN = np.clip(tokens_SN, 1, most_S1).tolist()
    return [Scheduled(prefix, lengths) for prefix, lengths in zip(prefixes, lengths_SN, strict=True)]


def _rounds(generator: np.random.Generator, problems: int, samples: int, b: int) -> list[list[Scheduled]]:
    """The first round and b more, each from the prompts: how deep a state lies is part of the schedule."""
    first = first_round(generator, problems, samples)
    return [first, *(next_round(generator, first, samples) for _ in range(b))]


def _decode(side: Side, shape: str, states: list[Scheduled], **how: Any) -> tuple[int, int]:
    """Decodes all states in calls of equal size; tokens made, and tokens scheduled."""
    per_call = max(1, CALL_COMPLETIONS // len(states[0].lengths))
    made = 0
    for first in range(0, len(states), per_call):
        some = states[first : first + per_call]
        budgets = [length for state in some for length in state.lengths]
        arrays = generate_bins([s.prefix for s in some], [len(s.lengths) for s in some], budgets, first)
        # The stop that policies ask for: no random text holds it, but each token is looked at.
        params = generate_params(side, shape, stops=["<backtrack>"], **how)
        made += int(side.call("generate", params, arrays).result["tokens"])
    return made, sum(length for state in states for length in state.lengths)


def measure_paper(side: Side, device: torch.device, cell: Cell, rate: Rates | None) -> Iterator[Cell]:
    """
    Problems with b rounds of rollback through calls that hold the slots full, until all are done or the
    cell's time is up: then fewer problems than asked stand in the row.
    """
    side.loaded(cell["shape"])
    shape, samples, slots = cell["shape"], cell["samples"], cell["slots"]
    generator = np.random.default_rng(5)
    # Once through the whole course of a call, with all slots taken: kernels are picked and graphs made there.
    warm = first_round(generator, max(1, 2 * slots // samples), samples)
    _, warming = timed(lambda: _decode(side, shape, warm, slots=slots), device)
    step = max(1, CALL_COMPLETIONS // samples)
    done = made = scheduled = 0
    cpu = wall = 0.0
    until = time.monotonic() + cell["capSeconds"]

    def work(rounds: list[list[Scheduled]]) -> tuple[int, int]:
        counts = [_decode(side, shape, states, slots=slots) for states in rounds]
        return sum(one for one, _ in counts), sum(planned for _, planned in counts)

    while done < cell["problems"] and (done == 0 or time.monotonic() < until):
        some = min(step, cell["problems"] - done)
        rounds = _rounds(generator, some, samples, cell["b"])
        (more, planned), spent = timed(lambda rounds=rounds: work(rounds), device)
        done, made, scheduled = done + some, made + more, scheduled + planned
        cpu, wall = cpu + spent.cpu, wall + spent.wall
    row: Cell = {"problems": done, "tokens": made, "scheduled": scheduled, "cpu": cpu, "wall": wall}
    row["firstCallSeconds"] = warming.wall
    row |= {"model": _about(side, shape), "longest": MOST}
    yield row | ({} if rate is None else {"roofline": roofline(side, shape, slots, rate)})


def measure_published(side: Side, device: torch.device, cell: Cell) -> Iterator[Cell]:
    """
    The published decoder's way on such problems: one prefix at a time, beam sampling, a second scoring pass.
    Random weights end nowhere, so each of its completions runs to the published bound.
    """
    side.loaded(cell["shape"])
    generator = np.random.default_rng(5)
    how = {"engine": "reference", "beams": "beam-sample"}

    def work(rounds: list[list[Scheduled]]) -> int:
        made = 0
        for state in (state for states in rounds for state in states):
            # It knows one budget for all completions of a prefix.
            lengths = [MOST - len(state.prefix)] * len(state.lengths)
            made += _decode(side, cell["shape"], [Scheduled(state.prefix, lengths)], **how)[0]
        return made

    work(_rounds(generator, 1, cell["samples"], 0))
    rounds = _rounds(generator, cell["problems"], cell["samples"], cell["b"])
    tokens, spent = timed(lambda: work(rounds), device)
    yield {"problems": cell["problems"], "tokens": tokens, "cpu": spent.cpu, "wall": spent.wall}


def _about(side: Side, shape: str) -> Cell:
    loaded = side.loaded(shape)
    config = loaded.described.config.to_dict()
    kept = {key: value for key, value in config.items() if isinstance(value, str | int | float | bool)}
    return {"parameters": loaded.parameters, "dtype": str(loaded.model.dtype).split(".")[1], "config": kept}


@dataclass(frozen=True)
class Rates:
    """Bytes moved per second by a copy (read and written), and FLOP/s of a matrix product."""

    copy: float
    matrix: float


def measure_rates(device: torch.device, megabytes: int, side_length: int, dtype: torch.dtype) -> Rates:
    """Best of ten of each."""
    source = torch.zeros(megabytes << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    a = torch.randn(side_length, side_length, device=device).to(dtype)
    copies = [timed(lambda: target.copy_(source), device)[1].wall for _ in range(10)]
    products = [timed(lambda: a @ a, device)[1].wall for _ in range(10)]
    return Rates(2 * source.numel() / min(copies), 2 * side_length**3 / min(products))


def roofline(side: Side, shape: str, rows: int, rate: Rates) -> float:
    """
    Tokens per second if each step took only the longer of its bytes (weights once, the cache of each row) and
    its matrix products (twice the weights per row).
    """
    loaded = side.loaded(shape)
    config, itemsize = loaded.described.config, int(loaded.model.dtype.itemsize)
    cache = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * itemsize
    context = PROMPT + (MOST - PROMPT) / 2
    moved = loaded.parameters * itemsize + rows * context * cache
    return rows / max(moved / rate.copy, 2 * loaded.parameters * rows / rate.matrix)


class Cells:
    """The ways to answer a cell; rates once measured are kept for the roofline of those after them."""

    def __init__(self, side: Side, device: torch.device, dtype: torch.dtype) -> None:
        self._side, self._device, self._dtype = side, device, dtype
        self._rates: Rates | None = None

    def rates(self, cell: Cell) -> Iterator[Cell]:
        """{bytesPerSecond, flopPerSecond}."""
        self._rates = measure_rates(self._device, cell["megabytes"], cell["matrix"], self._dtype)
        yield {"bytesPerSecond": self._rates.copy, "flopPerSecond": self._rates.matrix}

    def paper(self, cell: Cell) -> Iterator[Cell]:
        """See measure_paper."""
        return measure_paper(self._side, self._device, cell, self._rates)

    def published(self, cell: Cell) -> Iterator[Cell]:
        """See measure_published."""
        return measure_published(self._side, self._device, cell)

    def engines(self, cell: Cell) -> Iterator[Cell]:
        """See decode_engines.measure_engines."""
        return measure_engines(self._side, cell | {"rounds": 1, "warm": True})

    def score(self, cell: Cell) -> Iterator[Cell]:
        """See decode_engines.measure_score."""
        return measure_score(self._side, cell["shape"], cell["sequences"], cell["rounds"])


def main() -> None:
    """Answers the cells of the command line."""
    device, threads, folder, cells = arguments()
    set_thread_environment(threads)
    settle_memory()
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    side = Side(str(device), threads, folder, str(dtype).split(".")[1])
    ways = Cells(side, device, dtype)
    named = {"rates": ways.rates, "paper": ways.paper, "published": ways.published}
    answer_cells(device, cells, named | {"engines": ways.engines, "score": ways.score})


if __name__ == "__main__":
    main()
