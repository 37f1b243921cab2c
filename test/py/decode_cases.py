# What the decoding tests share: tiny models of four architectures, bins of a call, completions put together
# from chunks.
from __future__ import annotations

from typing import Any

import numpy as np
from backtrail_worker.protocol import Arrays

from conftest import Driver

QWEN2 = {
    "model_type": "qwen2",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
Done = dict[str, Any]


def bins(
    prefixes: list[list[int]],
    counts: list[int],
    budget: int | list[int] = 12,
    seeds: list[int] | None = None,
) -> Arrays:
    total = sum(counts)
    seeds = list(range(100, 100 + total)) if seeds is None else seeds
    return {
        "tokens": np.array([token for one in prefixes for token in one], dtype=np.int32),
        "lengths": np.array([len(one) for one in prefixes], dtype=np.int32),
        "counts": np.array(counts, dtype=np.int32),
        "seeds": np.array([[seed, seed * 7919] for seed in seeds], dtype=np.uint32).reshape(total, 2),
        "budgets": np.array([budget] * total if isinstance(budget, int) else budget, dtype=np.int32),
    }


def params(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    base = {
        "model": model,
        "temperature": 1,
        "topK": 0,
        "topP": 1,
        "stops": [],
        "beams": "independent",
        "slots": 0,
    }
    return base | changes


def run(driver: Driver, model: dict[str, Any], arrays: Arrays, **changes: Any) -> dict[int, Done]:
    """Completions by index, put together from the chunks, which are checked on the way."""
    result = driver.free("generate", params(model, **changes), arrays).result
    done: dict[int, Done] = {}
    for texts, chunk in driver.context.chunks:
        cuts = np.cumsum(chunk["lengths"])[:-1]
        parts = {
            name: np.split(chunk[name], cuts)
            for name in ("tokens", "logprobs", "sampledLogprobs", "charEnds")
        }
        for at, index in enumerate(chunk["completion"].tolist()):
            assert index not in done
            values = {name: part[at].tolist() for name, part in parts.items()}
            done[index] = {
                "text": texts[at],
                "finish": int(chunk["finish"][at]),
                **values,
            }
    assert sorted(done) == list(range(int(arrays["counts"].sum())))
    assert result["completions"] == len(done)
    assert result["tokens"] == sum(len(one["tokens"]) for one in done.values())
    return done


def prefixes(count: int) -> list[list[int]]:
    generator = np.random.default_rng(5)
    return [generator.integers(3, 20, size=int(n)).tolist() for n in generator.integers(1, 15, size=count)]
