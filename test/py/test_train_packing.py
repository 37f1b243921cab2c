# Packed batches: nothing of one example reaches another; losses and gradients are those of each alone.
from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.protocol import Arrays, RequestError
from backtrail_worker.train import batch as batch_module
from backtrail_worker.train.batch import PACK_STEP, PACK_WIDTH, Sequence, packed

from conftest import GPT2, LLAMA, NEOX, Driver, rows, spec
from test_train import gradients, inline, open_session, trainer

NO_DROPOUT = {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
LLAMA_LIKE = {key: value for key, value in LLAMA.items() if key != "tie_word_embeddings"}
SHAPES = {
    "llama": LLAMA,
    "llama-untied": LLAMA_LIKE | {"tie_word_embeddings": False},
    "qwen2": LLAMA_LIKE | {"model_type": "qwen2"},
    "qwen3": LLAMA_LIKE | {"model_type": "qwen3", "head_dim": 8},
    "mistral": LLAMA_LIKE | {"model_type": "mistral"},
    "gpt_neox": NEOX,
    "gpt2": GPT2 | NO_DROPOUT,
}
PICKED = [(3, 0.5), (11, 0.25), (5, 2.0), (0, 1.0), (7, 0.125)]


def forward(driver: Driver, arrays: Arrays, dataset: str | None = "d", **more: Any) -> dict[str, Any]:
    params = {"loss": "cross_entropy"} | ({"dataset": dataset} if dataset else {}) | more
    return driver.call("forward_backward", params, arrays).result


def bins(picked: list[tuple[int, float]]) -> Arrays:
    return {
        "rows": np.array([row for row, _ in picked], dtype=np.int32),
        "weights": np.array([weight for _, weight in picked], dtype=np.float32),
    }


def reference(driver: Driver, picked: list[tuple[int, float]]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients in float64, one example after the other, by log_softmax over all positions."""
    data = trainer(driver).datasets["d"]
    model = copy.deepcopy(trainer(driver).loaded.model).double()
    model.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    for row, weight in picked:
        tokens = torch.from_numpy(data.tokens[data.starts[row] : data.starts[row + 1]].astype(np.int64))
        mask = torch.from_numpy(data.mask[data.starts[row] : data.starts[row + 1]].astype(bool))
        logprobs = torch.log_softmax(model(tokens.unsqueeze(0), use_cache=False).logits[0].double(), -1)
        total = total - weight * logprobs[:-1].gather(1, tokens[1:].unsqueeze(1)).squeeze(1)[mask[1:]].sum()
    total.backward()
    return float(total.detach()), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_packed_loss_and_gradients_are_those_of_each_example_alone(
    driver: Driver, tokenizer: Path, config: dict[str, Any]
) -> None:
    open_session(driver, tokenizer, spec(tokenizer, config))
    loss, exact = reference(driver, PICKED)
    alone = [forward(driver, bins([one])) for one in PICKED]
    apart = gradients(driver)
    trainer(driver).loaded.model.zero_grad()
    result = forward(driver, bins(PICKED), packed=True)
    assert result["loss"] == pytest.approx(sum(one["loss"] for one in alone), rel=1e-5)
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    assert result["nll"] == pytest.approx(sum(one["nll"] for one in alone), rel=1e-5)
    assert result["tokens"] == sum(one["tokens"] for one in alone)
    assert result["trainedTokens"] == sum(one["trainedTokens"] for one in alone)
    for name, gradient in gradients(driver).items():
        scale = float(exact[name].abs().max())
        torch.testing.assert_close(gradient, apart[name], rtol=0, atol=1e-5 * scale)
        torch.testing.assert_close(gradient.double(), exact[name], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("config", [LLAMA, GPT2 | NO_DROPOUT], ids=["llama", "gpt2"])
def test_a_leak_would_be_seen(driver: Driver, tokenizer: Path, config: dict[str, Any]) -> None:
    """The reference tells packing from plain concatenation, by far more than the tolerance."""
    open_session(driver, tokenizer, spec(tokenizer, config))
    picked = PICKED[:3]
    loss, _ = reference(driver, picked)
    whole = inline(driver, picked)
    assert len(whole["tokens"]) <= 64
    joined = whole | {"lengths": np.array([len(whole["tokens"])], dtype=np.int32)}
    assert abs(forward(driver, joined, dataset=None, packed=True)["loss"] - loss) > 1e-3 * loss


def test_inline_sequences_are_packed_too(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    by_row = forward(driver, bins(PICKED), packed=True)
    assert forward(driver, inline(driver, PICKED), dataset=None, packed=True) == by_row


def test_rows_of_a_packed_batch() -> None:
    rng = np.random.default_rng(5)
    lengths = [*rng.integers(1, 90, 60).tolist(), 700, 512, 1]
    sequences = []
    for index, length in enumerate(lengths):
        weights = np.zeros(length, dtype=np.float32)
        weights[1:] = index + 1
        tokens = np.full(length, index, dtype=np.int32)
        sequences.append(Sequence(tokens, weights, weights != 0, {"x": weights * 2}))
    batch = packed(sequences, pad=99)
    assert batch.positions is not None
    assert batch.tokens.shape[1] == 704
    assert (batch.longest, batch.real_tokens) == (700, sum(lengths))
    # Every sequence lies once, in one piece, with positions from 0; what is left is padding.
    for index, length in enumerate(lengths):
        row, at = np.nonzero(batch.tokens == index)
        assert len(set(row.tolist())) == 1
        assert (np.diff(at) == 1).all()
        assert batch.positions[row, at].tolist() == list(range(length))
        assert batch.weights[row, at].tolist() == [0.0] + [index + 1.0] * (length - 1)
        assert (batch.columns["x"] == 2 * batch.weights).all()
    padding = batch.tokens == 99
    assert padding.sum() == batch.tokens.size - sum(lengths)
    assert not batch.trained[padding].any()
    # A model with learned positions has none beyond its context, which may be less than a row.
    assert not batch.positions[padding].any()
    assert (batch.positions[:, 0] == 0).all()


def _sized(lengths: list[int]) -> list[Sequence]:
    return [Sequence(np.zeros(n, np.int32), np.zeros(n), np.zeros(n, np.bool_)) for n in lengths]


def test_packed_rows_are_as_narrow_as_padding_allows() -> None:
    # 8 x 64 has no padding at any multiple of 64: the narrowest, for attention.
    assert packed(_sized([64] * 8), pad=0).tokens.shape == (8, 64)
    # Two of 40 leave 16 of 96 free, three 8 of 128, four nothing of 160.
    assert packed(_sized([40] * 60), pad=0).tokens.shape == (15, 160)
    # The paper's lengths: 16k tokens in short rows, nearly full.
    draw = np.random.default_rng(3)
    lengths = draw.integers(32, 51, 390).tolist()
    tokens = packed(_sized(lengths), pad=0).tokens
    assert tokens.shape[1] <= 192
    assert tokens.size < 1.06 * sum(lengths)
    # Padding to whole rows would cost a small step more than attention: 2 x 160, not 1 x 512.
    assert packed(_sized([150, 150]), pad=0).tokens.shape == (2, 160)
    for lengths in ([5], [33], [511, 3], [512], [700, 1], [90, 1, 1, 1]):
        width = packed(_sized(lengths), pad=0).tokens.shape[1]
        assert width % PACK_STEP == 0
        assert max(lengths) <= width <= max(PACK_WIDTH, max(lengths) + PACK_STEP - 1)


def packs_as(driver: Driver, loss: float, exact: dict[str, torch.Tensor]) -> None:
    """One packed call on PICKED has this loss and these gradients."""
    assert forward(driver, bins(PICKED), packed=True)["loss"] == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients(driver).items():
        tolerance = 1e-5 * float(exact[name].abs().max())
        torch.testing.assert_close(gradient.double(), exact[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_rows_wider_than_the_context_with_padding_in_them(
    driver: Driver, tokenizer: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row 256 wide, of which these examples fill half; the context is 64."""
    open_session(driver, tokenizer, spec(tokenizer, config))
    loss, exact = reference(driver, PICKED)
    monkeypatch.setattr(batch_module, "PACK_STEP", 256)
    packs_as(driver, loss, exact)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_several_rows_of_several_examples_under_eager_attention(
    driver: Driver, tokenizer: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = {"attn_implementation": "eager"}
    open_session(driver, tokenizer, spec(tokenizer, config | eager))
    assert trainer(driver).loaded.model.config._attn_implementation == "eager"
    loss, exact = reference(driver, PICKED)
    monkeypatch.setattr(batch_module, "PACK_WIDTH", 32)
    packs_as(driver, loss, exact)


def test_packing_that_was_not_verified_is_refused(driver: Driver, tokenizer: Path) -> None:
    opt = {
        "model_type": "opt",
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "word_embed_proj_dim": 32,
    }
    open_session(driver, tokenizer, spec(tokenizer, opt))
    assert forward(driver, rows([0, 3]))["trainedTokens"] > 0
    with pytest.raises(RequestError, match=r"not verified for model type opt .*train\.batch\.packing: false"):
        forward(driver, rows([0, 3]), packed=True)


def test_packing_under_another_attention_is_refused(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    trainer(driver).loaded.model.config._attn_implementation = "flex_attention"
    with pytest.raises(RequestError, match="llama with flex_attention"):
        forward(driver, rows([0, 3]), packed=True)


def test_a_sequence_beyond_the_context_is_refused_packed_or_not(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    weights = np.array([0] * 64 + [1] + [0, 1], dtype=np.float32)
    lengths = np.array([65, 2], dtype=np.int32)
    arrays = {"tokens": np.ones(67, dtype=np.int32), "lengths": lengths, "tokenWeights": weights}
    with pytest.raises(RequestError, match="65 tokens, the model's context is 64"):
        forward(driver, arrays, dataset=None, packed=True)


def test_packing_and_checkpointing_together(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    forward(driver, bins(PICKED), packed=True)
    plain = gradients(driver)
    other = Driver()
    open_session(other, tokenizer, gradientCheckpointing=True)
    forward(other, bins(PICKED), packed=True)
    for name, gradient in gradients(other).items():
        torch.testing.assert_close(gradient, plain[name], rtol=0, atol=1e-6)


def test_a_packed_run_restored_goes_on_bit_for_bit(driver: Driver, tokenizer: Path, tmp_path: Path) -> None:
    def steps(side: Driver, numbers: range) -> list[Any]:
        return [
            [
                forward(side, rows([step % 12, (step * 5) % 12, 3]), packed=True),
                forward(side, rows([(step * 7) % 12]), packed=True),
                side.train_step(step, [])[0],
            ]
            for step in numbers
        ]

    open_session(driver, tokenizer)
    steps(driver, range(1, 5))
    driver.call("save", {"path": str(tmp_path / "four"), "resume": True})
    undisturbed = steps(driver, range(5, 9))
    other = Driver()
    torch.manual_seed(99)
    open_session(other, tokenizer)
    other.call("restore", {"path": str(tmp_path / "four")})
    assert steps(other, range(5, 9)) == undisturbed
    for ours, theirs in zip(
        trainer(driver).loaded.model.parameters(), trainer(other).loaded.model.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
