# What the decoding benchmarks share: model shapes, calls of the worker's own primitives in this process,
# clocks.
"""Shapes, calls and clocks of bench/decode.ts and bench/gpu.py."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from backtrail_worker.core.call import Answer, Request
from backtrail_worker.core.handlers import TensorSide
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Arrays, Score, read_params

T = TypeVar("T")


def llama(width: int, layers: int, heads: int, kv: int, mlp: int, **more: Any) -> dict[str, Any]:
    """An architecture config; random weights."""
    return {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": mlp,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        **more,
    }


SHAPES = {
    # Trained ones end after some 18 tokens; so does this one on average, by its seed: the chance of the end
    # token lies in the weights.
    "tiny": llama(128, 3, 4, 4, 320, initializer_range=0.06),
    "135M": llama(576, 30, 9, 3, 1536, vocab_size=49152),
    "1B": llama(2048, 16, 32, 8, 8192, vocab_size=128256, head_dim=64),
    "3B": llama(3072, 28, 24, 8, 8192, vocab_size=128256, head_dim=128),
}


class Collected:
    """The `Context` of a call without a coordinator: counts completions, never cancels."""

    def __init__(self) -> None:
        self.completions = 0

    def check(self) -> None:
        pass

    def progress(self, done: float, total: float) -> None:
        pass

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        self.completions += len(texts)


class Side:
    """The tensor side of a worker, in this process."""

    def __init__(self, device: str, threads: int, tokenizer: str, dtype: str) -> None:
        self._side = TensorSide(device, threads, {})
        self._device = torch.device(device)
        self._tokenizer, self._dtype = tokenizer, dtype

    def spec(self, shape: str) -> dict[str, Any]:
        source = {
            "kind": "architecture",
            "config": SHAPES[shape],
            "tokenizer": self._tokenizer,
            "seed": 3,
        }
        return {
            "version": shape,
            "source": source,
            "dtype": self._dtype,
            "addTokens": [],
            "reservedTokens": {},
        }

    def call(self, primitive: str, params: dict[str, Any], arrays: Arrays) -> Answer:
        """Answers a free call. What a generate call streams is counted against what its answer says."""
        context = Collected()
        request = Request(primitive, read_params(primitive, params), arrays, None)
        answer = self._side.answer(request, context)
        if primitive == "generate" and answer.result["completions"] != context.completions:
            raise RuntimeError(f"{answer.result} but {context.completions} completions came")
        return answer

    def loaded(self, shape: str) -> Loaded:
        """
        The model as the worker holds it; loads it if need be, with weights drawn on the device: the worker
        draws on the CPU, where 3B take a minute.
        """
        asked = read_params("score", {"model": self.spec(shape), "named": []})
        assert isinstance(asked, Score)
        with self._device:
            return self._side._model(asked.model)


def generate_params(side: Side, shape: str, **changes: Any) -> dict[str, Any]:
    base = {"temperature": 0.7, "topK": 0, "topP": 1, "stops": [], "beams": "independent", "slots": 0}
    return {"model": side.spec(shape), **base, **changes}


def generate_bins(prefixes: list[list[int]], counts: list[int], budgets: list[int], seed: int) -> Arrays:
    """Bins of a generate call; seeds are drawn from `seed`."""
    seeds = np.random.default_rng(seed).integers(0, 2**32, size=(sum(counts), 2), dtype=np.uint32)
    return {
        "tokens": np.array([token for one in prefixes for token in one], dtype=np.int32),
        "lengths": np.array([len(one) for one in prefixes], dtype=np.int32),
        "counts": np.array(counts, dtype=np.int32),
        "seeds": seeds,
        "budgets": np.array(budgets, dtype=np.int32),
    }


@dataclass(frozen=True)
class Spent:
    """Seconds of one measured piece of work: CPU of all threads, and on the wall."""

    cpu: float
    wall: float


def timed(work: Callable[[], T], device: torch.device) -> tuple[T, Spent]:
    """Runs it to its end on the device."""
    _settle(device)
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    _settle(device)
    return result, Spent(time.process_time() - cpu, time.perf_counter() - wall)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def say(text: str) -> None:
    """Progress; the results alone go to stdout."""
    print(text, file=sys.stderr, flush=True)
