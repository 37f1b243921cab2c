# The paper's decoding at its real size on one GPU: Llama-3.2 shapes with random weights in bf16 through the
# worker's own generate, endings by a schedule (random weights end nowhere), beside the roofline of this
# device measured in the same run. `--rehearse` runs the same plan at toy size on the CPU.
"""python decode_paper.py <device> <threads> <tokenizer> <plan as JSON>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from backtrail_worker.__main__ import keep_freed_memory, set_thread_environment, versions

from decode_common import Side, generate_bins, generate_params, say, timed

# Llama-3 tokens of four-number problems, measured on generated samples: a prompt; one step; goal marker and
# end; step-back marker and end. A solution has three steps.
PROMPT, STEP, GOAL, BACKTRACK = 24, 6, 4, 2
# Assumed of a trained model: how many completions solve (the others step back), and at which step those err,
# early ones being likelier. It makes some 16M tokens of 5,000 problems at N=32, b=1.
SOLVES, ERRS = 0.7, (0.5, 0.3, 0.2)
# Prompt and response together, as published.
MOST = 50
CALL_COMPLETIONS = 16384


@dataclass(frozen=True)
class Scheduled:
    """Completions of one prefix: its tokens so far, and where each of them ends."""

    prefix: list[int]
    lengths: list[int]


def first_round(generator: np.random.Generator, problems: int, samples: int) -> list[Scheduled]:
    """Problems with where each completion of their prompt ends."""
    return [
        Scheduled(
            generator.integers(3, 20, size=PROMPT + int(generator.integers(-2, 3))).tolist(),
            [_length(generator, 0, PROMPT) for _ in range(samples)],
        )
        for _ in range(problems)
    ]


def _kept(generator: np.random.Generator, already: int) -> int:
    """Right steps before the wrong one, `already` of which the prefix holds."""
    chances = np.array(ERRS[already:])
    return already + int(generator.choice(len(chances), p=chances / chances.sum()))


def _length(generator: np.random.Generator, already: int, prefix: int) -> int:
    """Tokens of a completion; steps vary by three tokens in all, within the published bound."""
    if generator.random() < SOLVES:
        tokens = (3 - already) * STEP + GOAL
    else:
        tokens = (_kept(generator, already) + 1 - already) * STEP + BACKTRACK
    return max(1, min(tokens + int(generator.integers(-3, 4)), MOST - prefix))


def next_round(generator: np.random.Generator, states: list[Scheduled], samples: int) -> list[Scheduled]:
    """Of each prompt floor(sqrt(samples)) states, the wrong step cut off."""
    cut: list[Scheduled] = []
    for state in states:
        for _ in range(math.isqrt(samples)):
            kept = _kept(generator, 0)
            prefix = state.prefix + generator.integers(3, 20, size=kept * STEP).tolist()
            cut.append(Scheduled(prefix, [_length(generator, kept, len(prefix)) for _ in range(samples)]))
    return cut


def decode(side: Side, shape: str, states: list[Scheduled], slots: int) -> tuple[int, int]:
    """Decodes all states in calls of equal size; tokens made, and tokens scheduled."""
    per_call = max(1, CALL_COMPLETIONS // len(states[0].lengths))
    made = 0
    for first in range(0, len(states), per_call):
        some = states[first : first + per_call]
        budgets = [length for state in some for length in state.lengths]
        arrays = generate_bins([s.prefix for s in some], [len(s.lengths) for s in some], budgets, first)
        made += int(side.call("generate", generate_params(side, shape, slots=slots), arrays).result["tokens"])
    return made, sum(length for state in states for length in state.lengths)


def measure_paper(
    side: Side, shape: str, problems: int, samples: int, rounds: int, slots: int
) -> dict[str, Any]:
    """One pass over `problems` with b = rounds."""
    generator = np.random.default_rng(5)
    loaded = side.loaded(shape)
    first = first_round(generator, problems, samples)
    decode(side, shape, first[:8], slots)

    def work() -> tuple[int, int]:
        made, scheduled = decode(side, shape, first, slots)
        for _ in range(rounds):
            # From the prompts again each round: how deep a state lies is part of the schedule.
            more, planned = decode(side, shape, next_round(generator, first, samples), slots)
            made, scheduled = made + more, scheduled + planned
        return made, scheduled

    (made, scheduled), spent = timed(work, loaded.device)
    say(f"{shape}, N={samples}, b={rounds}, {slots} slots: {problems} problems in {spent.wall:.1f} s")
    row = {"shape": shape, "samples": samples, "b": rounds, "slots": slots, "problems": problems}
    return row | {"tokens": made, "scheduled": scheduled, "cpu": spent.cpu, "wall": spent.wall}


def measure_reference(side: Side, shape: str, problems: int, samples: int) -> dict[str, Any]:
    """The published decoder's way on the same prompts, first round only (b=0)."""
    states = first_round(np.random.default_rng(5), problems + 1, samples)
    loaded = side.loaded(shape)

    def work(some: list[Scheduled]) -> int:
        budgets = [MOST - PROMPT] * (len(some) * samples)
        arrays = generate_bins([s.prefix for s in some], [samples] * len(some), budgets, 1)
        params = generate_params(side, shape, engine="reference", beams="beam-sample")
        return int(side.call("generate", params, arrays).result["tokens"])

    work(states[:1])
    tokens, spent = timed(lambda: work(states[1:]), loaded.device)
    return {"shape": shape, "samples": samples, "problems": problems, "tokens": tokens, "wall": spent.wall}


def rates(device: torch.device, megabytes: int, side_length: int, dtype: torch.dtype) -> tuple[float, float]:
    """Bytes moved per second by a copy (read and written), and FLOP/s of a matrix product; best of ten."""
    source = torch.zeros(megabytes << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    a = torch.randn(side_length, side_length, device=device).to(dtype)
    copies = [timed(lambda: target.copy_(source), device)[1].wall for _ in range(10)]
    products = [timed(lambda: a @ a, device)[1].wall for _ in range(10)]
    return 2 * source.numel() / min(copies), 2 * side_length**3 / min(products)


def roofline(side: Side, shape: str, rows: int, rate: tuple[float, float]) -> float:
    """
    Tokens per second if each step took only the longer of its bytes (weights once, the cache of each row) and
    its matrix products (twice the weights per row).
    """
    loaded = side.loaded(shape)
    config, itemsize = loaded.described.config, int(loaded.model.dtype.itemsize)
    cache = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * itemsize
    context = PROMPT + (MOST - PROMPT) / 2
    moved = loaded.parameters * itemsize + rows * context * cache
    return rows / max(moved / rate[0], 2 * loaded.parameters * rows / rate[1])


def main() -> None:
    """Prints one JSON object: versions, rates, rows with their roofline, reference rows."""
    name, threads, tokenizer, plan = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
    set_thread_environment(threads)
    keep_freed_memory()
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"{name}: this machine has no such device; --rehearse runs the plan on the CPU")
    side = Side(name, threads, tokenizer, plan["dtype"])
    rate = rates(device, plan["megabytes"], plan["matrix"], getattr(torch, plan["dtype"]))
    paper = []
    for one in plan["paper"]:
        row = measure_paper(side, **one)
        paper.append(row | {"roofline": roofline(side, one["shape"], one["slots"], rate)})
    reference = [measure_reference(side, **one) for one in plan["reference"]]
    device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else name
    print(
        json.dumps(
            {
                "versions": versions(),
                "device": device_name,
                "bytesPerSecond": rate[0],
                "flopPerSecond": rate[1],
                "paper": paper,
                "paperReference": reference,
            }
        )
    )


if __name__ == "__main__":
    main()
