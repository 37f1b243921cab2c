# The sides of bench/decode.ts on one device: our engine, the reference decoder, transformers' generate
# batched over problems, transformers' continuous batching; and what `score` costs. Same prompts, in turn.
"""python decode_engines.py <device> <threads> <tokenizer> <plan as JSON>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from backtrail_worker.__main__ import set_thread_environment, settle_memory, versions
from backtrail_worker.decode.score import sequence_logprobs

from decode_common import Side, generate_bins, generate_params, say, timed

MAX_NEW = 26
HF_ROWS = 64
Prompts = list[list[int]]


def prompts_of(shape: str, count: int) -> Prompts:
    """Random prompts of a Countdown prompt's length; ids that every vocabulary here has."""
    generator = np.random.default_rng(1)
    low, high = (16, 25) if shape == "tiny" else (21, 28)
    return [generator.integers(3, 20, size=int(generator.integers(low, high))).tolist() for _ in range(count)]


def worker_engine(side: Side, shape: str, samples: int, **changes: Any) -> Callable[[Prompts], int]:
    """One generate call of the worker for all prompts; the tokens kept."""

    def work(prompts: Prompts) -> int:
        budgets = [MAX_NEW] * (len(prompts) * samples)
        arrays = generate_bins(prompts, [samples] * len(prompts), budgets, 3)
        return int(side.call("generate", generate_params(side, shape, **changes), arrays).result["tokens"])

    return work


def batched_generate(side: Side, shape: str, samples: int) -> Callable[[Prompts], int]:
    """transformers' generate over as many problems as fill its rows, left-padded, and a scoring pass."""
    loaded = side.loaded(shape)
    pad, ends = loaded.described.pad, loaded.described.ends

    @torch.inference_mode()
    def some(prompts: Prompts) -> int:
        width = max(map(len, prompts))
        tokens_PT = torch.tensor([[pad] * (width - len(one)) + one for one in prompts], device=loaded.device)
        lengths_P1 = torch.tensor([[len(one)] for one in prompts], device=loaded.device)
        mask_PT = (torch.arange(width, device=loaded.device) >= width - lengths_P1).long()
        out_NT = loaded.model.generate(
            input_ids=tokens_PT,
            attention_mask=mask_PT,
            do_sample=True,
            num_return_sequences=samples,
            temperature=0.7,
            top_k=0,
            top_p=1.0,
            max_new_tokens=MAX_NEW,
            pad_token_id=pad,
            eos_token_id=sorted(ends),
        )
        sequences, kept = [], 0
        for index, row in enumerate(out_NT[:, width:].tolist()):
            end = next((at for at, token in enumerate(row) if token in ends), len(row))
            sequences.append(np.array(prompts[index // samples] + row[:end], dtype=np.int64))
            kept += end
        sequence_logprobs(loaded, sequences)
        return kept

    def work(prompts: Prompts) -> int:
        step = max(1, HF_ROWS // samples)
        return sum(some(prompts[first : first + step]) for first in range(0, len(prompts), step))

    return work


def measure_engines(side: Side, plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    Rows of {shape, samples, engine, problems, tokens, cpu, wall}, one per round and engine that `problems`
    names. Each decodes as many of the problems as keep its batch full: one does for the reference, which
    takes them one by one.
    """
    shape, samples, counts = plan["shape"], plan["samples"], plan["problems"]
    beams = {"engine": "reference", "beams": "beam-sample"}
    named = {
        "ours": ("ours", worker_engine(side, shape, samples)),
        "reference": ("reference", worker_engine(side, shape, samples, **beams)),
        "batched": ("HF generate, batched", batched_generate(side, shape, samples)),
        "continuous": ("continuous batching", worker_engine(side, shape, samples, engine="continuous")),
    }
    engines = {named[key][0]: (named[key][1], count) for key, count in counts.items()}
    prompts, device = prompts_of(shape, max(counts.values())), side.loaded(shape).device
    if plan["warm"]:
        for work, _ in engines.values():
            work(prompts[:1])
    for number in range(plan["rounds"]):
        for name, (work, count) in engines.items():
            tokens, spent = timed(lambda work=work, count=count: work(prompts[:count]), device)
            say(f"{shape}, N={samples}, round {number + 1}: {name}: {count} problems in {spent.wall:.1f} s")
            yield {
                "shape": shape,
                "samples": samples,
                "engine": name,
                "problems": count,
                "tokens": tokens,
                "cpu": spent.cpu,
                "wall": spent.wall,
            }


def measure_score(side: Side, shape: str, sequences: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Rows of {shape, what, tokens, cpu, wall}: what named tokens and hidden states add to a score call."""
    loaded = side.loaded(shape)
    layers = int(loaded.described.config.num_hidden_layers)
    generator = np.random.default_rng(2)
    lengths = generator.integers(30, 50, size=sequences).astype(np.int32)
    tokens = generator.integers(3, 20, size=int(lengths.sum())).astype(np.int32)
    asked = {
        "score": {"named": []},
        "score + named": {"named": [3, 4]},
        "score + hidden": {"named": [], "hidden": [layers // 2, layers]},
    }
    for number in range(rounds + 1):
        for what, changes in asked.items():
            params = {"model": side.spec(shape), **changes}
            _, spent = timed(
                lambda params=params: side.call("score", params, {"tokens": tokens, "lengths": lengths}),
                loaded.device,
            )
            if number > 0:
                row = {"shape": shape, "what": what, "tokens": len(tokens)}
                yield row | {"cpu": spent.cpu, "wall": spent.wall}


def main() -> None:
    """Prints one JSON object: versions and rows."""
    device, threads, tokenizer, plan = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
    set_thread_environment(threads)
    settle_memory()
    side = Side(device, threads, tokenizer, "float32" if device == "cpu" else "bfloat16")
    engines = [row for one in plan["engines"] for row in measure_engines(side, one)]
    score = [row for one in plan["score"] for row in measure_score(side, **one)]
    print(json.dumps({"versions": versions(), "engines": engines, "score": score}))


if __name__ == "__main__":
    main()
