# Determinism on one fixed test set, float32 on the CPU: the tokens of a completion are a function of its
# prefix and its seed, whatever else is in the batch. With one slot its numbers are so too, byte for byte.
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import GPT2, LLAMA, NEOX, Driver, spec
from decode_cases import QWEN2, Done, bins, run

CONFIGS = {"llama": LLAMA, "qwen2": QWEN2, "gpt2": GPT2, "neox": NEOX}
# Prefix, seeds of its completions, budget of each.
Problem = tuple[list[int], list[int], list[int]]
CHANGES = {"temperature": 0.8, "stops": ["\n", "<backtrack>"]}


def problems(seed: int, count: int) -> list[Problem]:
    generator = np.random.default_rng(seed)
    made: list[Problem] = []
    for _ in range(count):
        prefix = generator.integers(3, 20, size=int(generator.integers(1, 25))).tolist()
        samples = int(generator.integers(1, 6))
        seeds = generator.integers(0, 2**18, size=samples).tolist()
        made.append((prefix, seeds, generator.integers(1, 30, size=samples).tolist()))
    return made


def decoded(driver: Driver, model: dict[str, Any], some: list[Problem], slots: int) -> list[list[Done]]:
    """Completions of each problem."""
    arrays = bins(
        [prefix for prefix, _, _ in some],
        [len(seeds) for _, seeds, _ in some],
        [budget for _, _, budgets in some for budget in budgets],
        [seed for _, seeds, _ in some for seed in seeds],
    )
    done = run(driver, model, arrays, slots=slots, **CHANGES)
    ends = np.cumsum([len(seeds) for _, seeds, _ in some]).tolist()
    return [
        [done[index] for index in range(end - len(seeds), end)]
        for end, (_, seeds, _) in zip(ends, some, strict=True)
    ]


def texts(done: list[list[Done]]) -> list[list[tuple[list[int], str, int]]]:
    return [[(one["tokens"], one["text"], one["finish"]) for one in part] for part in done]


@pytest.mark.parametrize("name", CONFIGS)
def test_tokens_depend_on_nothing_but_prefix_and_seed(driver: Driver, tokenizer: Path, name: str) -> None:
    model, fixed, others = spec(tokenizer, CONFIGS[name]), problems(1, 24), problems(2, 24)
    expected = texts(decoded(driver, model, fixed, 64))
    assert sum(len(tokens) for part in expected for tokens, _, _ in part) > 300
    for slots in (1, 7):
        assert texts(decoded(driver, model, fixed, slots)) == expected
    assert texts(decoded(driver, model, fixed[::-1], 64))[::-1] == expected
    mixed = [one for pair in zip(fixed, others, strict=True) for one in pair]
    for slots in (7, 64):
        assert texts(decoded(driver, model, mixed, slots))[::2] == expected
    assert texts(decoded(driver, model, fixed[5:6], 64)) == expected[5:6]


@pytest.mark.parametrize("name", CONFIGS)
def test_with_one_slot_the_numbers_are_the_same_byte_for_byte(
    driver: Driver, tokenizer: Path, name: str
) -> None:
    model, fixed, others = spec(tokenizer, CONFIGS[name]), problems(3, 8), problems(4, 8)
    expected = decoded(driver, model, fixed, 1)
    mixed = [one for pair in zip(others, fixed, strict=True) for one in pair]
    assert decoded(driver, model, mixed, 1)[1::2] == expected
    assert decoded(driver, model, fixed[::-1], 1)[::-1] == expected
    assert [decoded(driver, model, [one], 1)[0] for one in fixed] == expected


def test_a_seed_matters(driver: Driver, tokenizer: Path) -> None:
    fixed = problems(1, 24)
    other = [(prefix, [seed + 1 for seed in seeds], budgets) for prefix, seeds, budgets in fixed]
    model = spec(tokenizer)
    assert texts(decoded(driver, model, fixed, 64)) != texts(decoded(driver, model, other, 64))
