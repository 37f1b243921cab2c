# Rows at a time: what memory allows, the fast engine's prefills in parts, and what the log says when a model
# does not run on it.
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.decode import llama as llama_module
from backtrail_worker.decode import slots as slots_module
from backtrail_worker.decode.board import Board
from backtrail_worker.decode.llama import LlamaEngine, make_board, misfit
from backtrail_worker.decode.notice import say_once

from conftest import GPT2, LLAMA, NEOX, Driver, spec
from decode_cases import QWEN2, bins, params, prefixes, run

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0, "original_max_position_embeddings": 32}
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}


def loaded_model(driver: Driver, tokenizer: Path, config: dict[str, Any]) -> Any:
    driver.free("generate", params(spec(tokenizer, config)), bins([[5]], [1], budget=1))
    return driver.side._models["v"]


def test_a_row_takes_its_keys_values_and_its_share_of_the_sampler(driver: Driver, tokenizer: Path) -> None:
    loaded = loaded_model(driver, tokenizer, LLAMA)
    vocabulary = loaded.model.config.vocab_size
    # 2 layers of keys and values, 2 heads of 8 float32 elements, 40 tokens.
    cache = 2 * 2 * 2 * 8 * 4 * 40
    assert slots_module.row_bytes(loaded, 40) == cache + 24 * vocabulary
    assert make_board(loaded, 3, 40).cache.nbytes == 3 * cache
    # Llama-3.2-1B (facts.md): 32 KiB of keys and values per token in bf16.
    config = SimpleNamespace(
        model_type="llama",
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        hidden_size=2048,
    )
    embeddings = SimpleNamespace(weight=torch.empty(128256, 1, device="meta"))
    model = SimpleNamespace(dtype=torch.bfloat16, get_input_embeddings=lambda: embeddings)
    big = SimpleNamespace(described=SimpleNamespace(config=config), model=model)
    assert slots_module.row_bytes(big, 100) == 100 * 32 * 1024 + 24 * 128256  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows_free", "asked", "picked", "says"),
    [(1000, 0, 60, False), (1000, 7, 7, False), (10.5, 0, 5, True), (10.5, 4, 4, False), (0, 9, 1, True)],
)
def test_slots_stay_within_half_of_the_free_memory(
    driver: Driver,
    tokenizer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    rows_free: float,
    asked: int,
    picked: int,
    says: bool,
) -> None:
    arrays = bins(prefixes(20), [3] * 20)
    whole = run(driver, spec(tokenizer), arrays)
    loaded = driver.side._models["v"]
    longest = max(map(len, prefixes(20))) + 12
    free = int(rows_free * slots_module.row_bytes(loaded, longest))
    monkeypatch.setattr(slots_module, "free_bytes", lambda device: free)
    monkeypatch.setattr("backtrail_worker.decode.notice._said", set())
    used: list[int] = []

    def spy(loaded: Any, slots: int, longest: int, asked: int) -> Board:
        used.append(slots)
        return make_board(loaded, slots, longest, asked)

    monkeypatch.setattr("backtrail_worker.decode.generate.make_board", spy)
    capfd.readouterr()
    done = run(driver, spec(tokenizer), arrays, slots=asked)
    run(driver, spec(tokenizer), arrays, slots=asked)
    assert used == [picked, picked]
    assert capfd.readouterr().err.count(f"room for {picked} rows at a time, not {asked or 60}") == says
    assert [done[i]["tokens"] for i in range(60)] == [whole[i]["tokens"] for i in range(60)]


def test_free_memory_is_read_from_the_system() -> None:
    free = slots_module.free_bytes(torch.device("cpu"))
    assert free is not None
    assert 2**26 < free < 2**50


def test_prefills_are_made_in_parts_that_stay_within_the_bound(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = bins([*prefixes(25), [4] * 50], [2] * 26)
    whole = run(driver, spec(tokenizer), arrays)
    shapes: list[tuple[int, int]] = []
    made = LlamaEngine._prefill

    def spy(self: LlamaEngine, some: list[list[int]], width: int) -> torch.Tensor:
        shapes.append((len(some), width))
        # The last token of a prefix is computed by the rows that continue it.
        assert width == max(map(len, some)) - 1
        return made(self, some, width)

    monkeypatch.setattr(LlamaEngine, "_prefill", spy)
    monkeypatch.setattr(llama_module, "CPU_PREFILL_TOKENS", 32)
    parts = run(driver, spec(tokenizer), arrays)
    assert sum(rows for rows, _ in shapes) == 26
    assert len(shapes) > 5
    assert all(rows * width <= 32 or rows == 1 for rows, width in shapes)
    for index, one in whole.items():
        assert parts[index]["tokens"] == one["tokens"]
        np.testing.assert_allclose(parts[index]["logprobs"], one["logprobs"], atol=1e-5)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LLAMA, None),
        (QWEN2, None),
        (GPT2, "computes llama and qwen2, not gpt2"),
        (NEOX, "computes llama and qwen2, not gpt_neox"),
        (LLAMA | {"attention_bias": True}, "no biases"),
        (LLAMA | {"mlp_bias": True}, "no biases"),
        (LLAMA | {"rope_parameters": YARN}, 'not "yarn"'),
        (
            QWEN2 | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
            "sliding windows",
        ),
    ],
)
def test_a_model_that_the_fast_engine_does_not_suit_is_named_once_with_the_reason(
    driver: Driver,
    tokenizer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    config: dict[str, Any],
    reason: str | None,
) -> None:
    monkeypatch.setattr("backtrail_worker.decode.notice._said", set())
    loaded = loaded_model(driver, tokenizer, config)
    loaded_model(driver, tokenizer, config)
    found = misfit(loaded)
    log = capfd.readouterr().err
    if reason is None:
        assert found is None
        assert "generic engine" not in log
    else:
        assert found is not None
        assert reason in found
        assert log.count(f"v runs on the generic engine; the fast one does not suit: {found}") == 1


def test_a_line_is_said_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("backtrail_worker.decode.notice._said", set())
    for text in ("a", "b", "a"):
        say_once(text)
    assert capfd.readouterr().err == "a\nb\n"


@pytest.mark.parametrize("slots", [1, 3, 48])
def test_each_prefix_is_computed_once(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    # 40 distinct prefixes of one length, 5 completions each: groups are cut where slots are refilled.
    some = [[4 + index % 10, 4 + index // 10, 7] for index in range(40)]
    parts: list[list[tuple[int, ...]]] = []
    made = LlamaEngine._prefill

    def spy(self: LlamaEngine, part: list[list[int]], width: int) -> torch.Tensor:
        parts.append([tuple(one) for one in part])
        return made(self, part, width)

    monkeypatch.setattr(LlamaEngine, "_prefill", spy)
    run(driver, spec(tokenizer), bins(some, [5] * 40, budget=20), slots=slots)
    assert sorted(one for part in parts for one in part) == sorted(map(tuple, some))
    # With one slot the numbers of a prefix must not depend on the others of the call.
    assert len(parts) == (40 if slots == 1 else 1)


def test_the_biases_of_qwen2_are_computed(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, arrays = spec(tokenizer, QWEN2), bins(prefixes(8), [2] * 8)
    one = {"tokens": np.array([5], dtype=np.int32), "lengths": np.array([1], dtype=np.int32)}
    driver.free("score", {"model": model, "named": []}, one)
    loaded = driver.side._models["v"]
    without = run(driver, model, arrays)
    # A random initialisation leaves them at zero.
    loaded.fused = None
    generator = torch.Generator().manual_seed(3)
    for layer in loaded.model.model.layers:
        for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            part.bias.data.normal_(generator=generator)
    fast = run(driver, model, arrays)
    monkeypatch.setattr("backtrail_worker.decode.generate.misfit", lambda loaded: "the test says so")
    plain = run(driver, model, arrays)
    assert [fast[i]["tokens"] for i in range(16)] == [plain[i]["tokens"] for i in range(16)]
    for index in range(16):
        np.testing.assert_allclose(fast[index]["logprobs"], plain[index]["logprobs"], atol=1e-4)
    assert [fast[i]["tokens"] for i in range(16)] != [without[i]["tokens"] for i in range(16)]


def test_attention_on_a_gpu_and_on_the_cpu_are_the_same_function() -> None:
    generator = torch.Generator().manual_seed(1)
    q_RKGD, k_RKTD, v_RKTD = (torch.randn(3, 2, n, 8, generator=generator) for n in (2, 9, 9))
    bias_R11T = torch.zeros(3, 1, 1, 9).masked_fill(
        torch.arange(9) > torch.tensor([[[[2]]], [[[8]]], [[[5]]]]), -torch.inf
    )
    results = [
        LlamaEngine._attend(
            SimpleNamespace(_device=torch.device(kind), _size=8),  # type: ignore[arg-type]
            q_RKGD,
            k_RKTD,
            v_RKTD,
            bias_R11T,
        )
        for kind in ("cpu", "cuda")
    ]
    for row, length in enumerate((3, 9, 6)):
        scores = torch.einsum("kgd,ktd->kgt", q_RKGD[row].double(), k_RKTD[row, :, :length].double()) / 8**0.5
        expected = torch.einsum("kgt,ktd->kgd", scores.softmax(-1), v_RKTD[row, :, :length].double())
        for result in results:
            torch.testing.assert_close(result[row].double(), expected, atol=1e-6, rtol=1e-5)
