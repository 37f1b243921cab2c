# Steps of few fixed sizes on memory of fixed place, drawn ahead of what was read: the way of a GPU, here on
# the CPU, where it must give the tokens of the plain way. CUDA's graphs themselves are in test_cuda.py, their
# rules in test_pretend_cuda.py.
from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.decode import generate as generate_module
from backtrail_worker.decode import sampler as sampler_module
from backtrail_worker.decode.board import Board
from backtrail_worker.decode.generate import Decoder
from backtrail_worker.decode.llama import LlamaEngine
from backtrail_worker.decode.sampler import Sampler, picked
from backtrail_worker.decode.slots import CPU_SLOTS

from conftest import LLAMA, Driver, spec
from decode_cases import QWEN2, bins, prefixes, run


def fields(done: dict[int, dict[str, Any]], *names: str) -> list[list[Any]]:
    return [[one[name] for name in names] for _, one in sorted(done.items())]


@pytest.mark.parametrize("config", [LLAMA, QWEN2])
@pytest.mark.parametrize("slots", [0, 1, 13, 40])
def test_static_steps_drawn_ahead_give_the_tokens_of_plain_ones(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], slots: int
) -> None:
    generator = np.random.default_rng(3)
    some, counts = prefixes(30), generator.integers(0, 6, size=30).tolist()
    arrays = bins(some, counts, generator.integers(0, 30, size=sum(counts)).tolist())
    changes = {"slots": slots, "temperature": 0.8, "stops": ["\n", "5,"]}
    plain = run(driver, spec(tokenizer, config), arrays, **changes)
    extents: set[tuple[int, int]] = set()
    advance = LlamaEngine._advance

    def spy(self: LlamaEngine, rows: int, used: int) -> None:
        extents.add((rows, used))
        advance(self, rows, used)

    monkeypatch.setattr(LlamaEngine, "_advance", spy)
    monkeypatch.setattr(generate_module, "LlamaEngine", partial(LlamaEngine, static=True))
    static = run(driver, spec(tokenizer, config), arrays, **changes)
    assert fields(static, "tokens", "text", "finish") == fields(plain, "tokens", "text", "finish")
    for index, one in plain.items():
        np.testing.assert_allclose(static[index]["logprobs"], one["logprobs"], atol=1e-5)
    # All slots, a half, a quarter; cache lengths up to 32, and all.
    most = slots or min(CPU_SLOTS, sum(counts))
    assert {rows for rows, _ in extents} <= {most, most // 2, most // 4, most // 8}
    assert len({used for _, used in extents}) <= 2
    assert max(extents)[0] == most


def test_a_kept_board_serves_later_calls_until_memory_is_needed(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate_module, "KEEPING", ("cpu",))
    model = spec(tokenizer)

    def board() -> Any:
        return driver.side._models["v"].board

    first = run(driver, model, bins(prefixes(6), [2] * 6))
    kept = board()
    assert (kept.slots, kept.longest) == (CPU_SLOTS, 64)
    # What the first call left in it does not matter to the next ones.
    again = run(driver, model, bins(prefixes(6)[::-1], [2] * 6, seeds=list(range(110, 98, -2)) * 2))
    assert board() is kept
    assert fields(again, "tokens") != fields(first, "tokens")
    assert fields(run(driver, model, bins(prefixes(6), [2] * 6)), "tokens") == fields(first, "tokens")
    assert board() is kept
    run(driver, model, bins(prefixes(6), [2] * 6), slots=5)
    assert board().slots == 5
    driver.call("load_model", {"model": model, "gradientCheckpointing": False})
    assert board() is None


def test_a_kept_board_goes_with_the_numbers_that_were_not_finite(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate_module, "KEEPING", ("cpu",))
    model = spec(tokenizer, LLAMA | {"tie_word_embeddings": False})
    expected = run(driver, model, bins(prefixes(6), [2] * 6))
    loaded = driver.side._models["v"]
    embeddings = loaded.model.get_input_embeddings().weight
    sound = embeddings[22].clone()
    with torch.no_grad():
        embeddings[22] = torch.inf
    with pytest.raises(WorkerFault, match="not finite"):
        run(driver, model, bins([[5] * 20 + [22, 5, 5]], [40], budget=30))
    with torch.no_grad():
        embeddings[22] = sound
    again = run(driver, model, bins(prefixes(6), [2] * 6))
    assert fields(again, "tokens") == fields(expected, "tokens")


def test_waiting_completions_take_the_places_of_ended_ones_and_move_none(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, moves, move = [], [], Board.move
    admit = Decoder._admit

    def admitting(self: Decoder) -> None:
        admit(self)
        waiting.append(len(self._queue))

    def moving(self: Board, to: list[int], rows: list[int], used: int) -> None:
        moves.append((waiting[-1], len(to)))
        move(self, to, rows, used)

    monkeypatch.setattr(Decoder, "_admit", admitting)
    monkeypatch.setattr(Board, "move", moving)
    done = run(driver, spec(tokenizer), bins(prefixes(12), [4] * 12), slots=8, stops=["\n"])
    assert len(done) == 48
    assert waiting.count(0) >= 1
    assert sum(left > 0 for left in waiting) >= 4
    # Only once nothing waits do the last rows move up.
    assert moves
    assert {left for left, _ in moves} == {0}


def test_weights_side_by_side_are_held_once(driver: Driver, tokenizer: Path) -> None:
    one = {"tokens": np.array([5, 6, 7], dtype=np.int32), "lengths": np.array([3], dtype=np.int32)}
    before = driver.free("score", {"model": spec(tokenizer), "named": []}, one).arrays["logprobs"]
    run(driver, spec(tokenizer), bins([[5]], [1]))
    loaded = driver.side._models["v"]
    held = {parameter.untyped_storage().data_ptr() for parameter in loaded.model.parameters()}
    for fused in loaded.fused:
        assert {fused.qkv.untyped_storage().data_ptr(), fused.gate_up.untyped_storage().data_ptr()} <= held
    after = driver.free("score", {"model": spec(tokenizer), "named": []}, one).arrays["logprobs"]
    assert after.tolist() == before.tolist()


@pytest.mark.parametrize("vocabulary", [512, 700, 1024, 5000])
def test_the_search_over_blocks_finds_what_the_plain_one_finds(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    logits_RV = torch.randn(400, vocabulary, generator=generator) * 3
    # Rows with little left: one token, the last one, the first block only, only what stands behind.
    logits_RV[0, 1:] = -torch.inf
    logits_RV[1, :-1] = -torch.inf
    logits_RV[2, 100:] = -torch.inf
    logits_RV[3, : vocabulary // 512 * 512 - 1] = -torch.inf
    uniforms_R = torch.rand(400, generator=generator, dtype=torch.float64)
    uniforms_R[4:200:2], uniforms_R[5:200:2] = 0, 1 - 2**-53
    probs_RV = torch.softmax(logits_RV, 1)
    plain_R = sampler_module._search(probs_RV, uniforms_R.unsqueeze(1))
    blocks_R = sampler_module._search_blocks(probs_RV, uniforms_R.unsqueeze(1))
    assert (plain_R != blocks_R).sum() == 0
    assert (probs_RV.gather(1, blocks_R.unsqueeze(1)) > 0).all()
    assert len(set(blocks_R.tolist())) > 100


def test_a_large_vocabulary_is_searched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("the plain search was called")

    generator = torch.Generator().manual_seed(1)
    logits_RV = torch.randn(50, 4097, generator=generator)
    uniforms_R = torch.rand(50, generator=generator, dtype=torch.float64)
    monkeypatch.setattr(sampler_module, "_search", refuse)
    large = picked(Sampler(0.7, 0, 1).draw(logits_RV, uniforms_R))
    expected = torch.log_softmax(logits_RV.double() / 0.7, 1)
    for row, token in enumerate(large.tokens):
        assert large.sampled[row] == pytest.approx(float(expected[row, token]), abs=1e-5)
    nan_RV = torch.full((1, 4097), torch.nan)
    assert 0 <= int(Sampler(1, 0, 1).draw(nan_RV, uniforms_R[:1])[0]) < 4097
    with pytest.raises(AssertionError, match="plain search"):
        Sampler(0.7, 0, 1).draw(logits_RV[:, :4096], uniforms_R)
