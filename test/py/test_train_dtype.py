# What must not change what is learned: bf16 compute over fp32 masters, checkpointing, micro-batches, packing.
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.protocol import RequestError
from backtrail_worker.train import session as session_module
from backtrail_worker.train.batch import Batch
from backtrail_worker.train.session import Trainer

from conftest import GPT2, LLAMA, NEOX, Driver, rows, spec
from test_train import gradients, open_session, trainer
from test_train_packing import NO_DROPOUT, forward

ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.0, "clipNorm": 0.0}


def weights(driver: Driver, session: str) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer(driver, session).loaded.model.named_parameters()}


def test_weights_move_at_a_small_rate_in_bf16_as_in_fp32(driver: Driver, tokenizer: Path) -> None:
    """
    At 1e-5 a step of a weight near 0.2 is far below bf16's spacing (2^-10 there), so bf16 weights would stay
    where they are. With fp32 masters they go as far as in fp32, and nearly to the same place.
    """
    steps, rate = 20, 1e-5
    moved: dict[str, dict[str, torch.Tensor]] = {}
    for dtype in ("float32", "bfloat16"):
        open_session(driver, tokenizer, spec(tokenizer, dtype=dtype), session=dtype)
        before = weights(driver, dtype)
        for step in range(1, steps + 1):
            batch = [rows([(step * 5 + i) % 12 for i in range(6)], 1 / 60)]
            driver.train_step(step, batch, dtype, learningRate=rate, **ADAM)
        moved[dtype] = {name: after - before[name] for name, after in weights(driver, dtype).items()}
        if dtype == "bfloat16":
            # What a bf16 copy of the weights would have seen of it: next to nothing.
            stuck = [before[n].bfloat16() == (before[n] + d).bfloat16() for n, d in moved[dtype].items()]
            assert torch.cat([one.flatten() for one in stuck]).float().mean() > 0.7
    for name, exact in moved["float32"].items():
        low = moved["bfloat16"][name]
        # An Adam step is at most about the rate; 20 of them in a steady direction come near 20 rates.
        assert 0.3 * steps * rate < float(exact.abs().max()) < 1.5 * steps * rate
        assert float(low.norm()) == pytest.approx(float(exact.norm()), rel=0.1)
        cosine = torch.nn.functional.cosine_similarity(low.flatten(), exact.flatten(), dim=0)
        assert float(cosine) > 0.95, name


@pytest.mark.parametrize("config", [LLAMA, GPT2 | NO_DROPOUT, NEOX], ids=["llama", "gpt2", "neox"])
def test_every_layer_multiplies_in_the_compute_dtype(
    driver: Driver, tokenizer: Path, config: dict[str, Any]
) -> None:
    """Of the model's body; the head is multiplied by hand (test_train_loss.py)."""
    for dtype in ("float32", "bfloat16"):
        open_session(driver, tokenizer, spec(tokenizer, config, dtype=dtype), dtype)
        seen: dict[str, torch.dtype] = {}
        model = trainer(driver, dtype).loaded.model
        for name, layer in model.base_model.named_modules():
            if isinstance(layer, torch.nn.Linear) or type(layer).__name__ == "Conv1D":
                layer.register_forward_hook(
                    lambda _layer, _inputs, output, name=name, seen=seen: seen.__setitem__(name, output.dtype)
                )
        driver.train_step(1, [rows([0, 5])], dtype)
        assert len(seen) == {"llama": 14, "gpt2": 8, "gpt_neox": 8}[config["model_type"]]
        assert set(seen.values()) == {getattr(torch, dtype)}


def test_one_kernel_updates_the_weights(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    forward(driver, rows([0, 5]))
    with torch.profiler.profile(acc_events=True) as profile:
        driver.train_step(1, [])
    names = {event.key for event in profile.key_averages()}
    assert "aten::_fused_adamw_" in names
    assert not any(name.startswith(("aten::addcdiv", "aten::_foreach_addcdiv")) for name in names)


def test_dropout_draws_anew_in_each_micro_batch_and_step(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer, spec(tokenizer, GPT2 | {"resid_pdrop": 0.3}))
    still = {"learningRate": 0.0, "weightDecay": 0.0}
    losses = [
        part["loss"] for step in (1, 2) for part in driver.train_step(step, [rows([0, 5])] * 3, **still)[:3]
    ]
    assert len(set(losses)) == 6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("config", [LLAMA, GPT2 | NO_DROPOUT, NEOX], ids=["llama", "gpt2", "neox"])
def test_gradient_checkpointing_changes_no_gradient(
    driver: Driver, tokenizer: Path, config: dict[str, Any], dtype: str
) -> None:
    for session, more in (("s", {}), ("c", {"gradientCheckpointing": True})):
        model = spec(tokenizer, config, dtype=dtype)
        open_session(driver, tokenizer, model, session, **more)
    held: dict[str, int] = {}
    losses: dict[str, float] = {}
    for session in ("s", "c"):
        count = [0]
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, count=count: count.__setitem__(0, count[0] + x.numel()) or x, lambda x: x
        ):
            params = {"loss": "cross_entropy", "dataset": "d"}
            losses[session] = driver.call("forward_backward", params, rows([0, 5]), session).result["loss"]
        held[session] = count[0]
    assert losses["s"] == losses["c"]
    plain, other = gradients(driver), gradients(driver, "c")
    for name, gradient in plain.items():
        torch.testing.assert_close(other[name], gradient, rtol=0, atol=1e-6 * float(gradient.abs().max()))
    # It must also be on: less is kept from the forward pass (what is computed again is not counted).
    assert held["c"] < held["s"]


def test_a_step_does_not_depend_on_micro_batches_or_packing(driver: Driver, tokenizer: Path) -> None:
    """The division that src/train/microBatches.ts makes, in some ways it may come out."""
    open_session(driver, tokenizer)
    picked = [0, 3, 7, 11, 3, 9]
    ways: list[list[tuple[list[int], bool]]] = [
        [(picked, False)],
        [(picked, True)],
        [([11, 9], False), ([7, 3, 3, 0], True)],
        [([row], packed) for row, packed in zip(picked, [True, False] * 3, strict=True)],
        [(sorted(picked), True)],
    ]
    found: list[dict[str, torch.Tensor]] = []
    sums: list[float] = []
    for way in ways:
        parts = [forward(driver, rows(part, 1 / 64), packed=packed) for part, packed in way]
        sums.append(sum(part["loss"] for part in parts))
        found.append(gradients(driver))
        trainer(driver).loaded.model.zero_grad()
    for loss, other in zip(sums[1:], found[1:], strict=True):
        assert loss == pytest.approx(sums[0], rel=1e-5)
        for name, gradient in found[0].items():
            scale = float(gradient.abs().max())
            torch.testing.assert_close(other[name], gradient, rtol=0, atol=1e-5 * scale)


def test_a_compiled_model_has_the_same_gradients_at_every_length(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Traced and differentiated ahead of time as for inductor, but without its kernels, whose making takes a
    minute here.
    """
    monkeypatch.setattr(session_module, "COMPILE_BACKEND", "aot_eager")
    torch._dynamo.reset()
    model = spec(tokenizer, LLAMA | {"num_hidden_layers": 1})
    open_session(driver, tokenizer, model)
    open_session(driver, tokenizer, model, "c", compile=True)
    torch._dynamo.utils.counters.clear()
    params = {"loss": "cross_entropy", "dataset": "d", "packed": True}
    for picked in ([0, 5, 11], [1, 2, 7, 8, 9]):
        plain = driver.call("forward_backward", params, rows(picked)).result
        compiled = driver.call("forward_backward", params, rows(picked), "c").result
        assert compiled["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    other = gradients(driver, "c")
    for name, gradient in gradients(driver).items():
        torch.testing.assert_close(other[name], gradient, rtol=0, atol=1e-5 * float(gradient.abs().max()))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
    torch._dynamo.reset()


def test_one_seed_is_one_initialisation_whatever_the_compute(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer, session="a")
    torch.rand(7)
    open_session(driver, tokenizer, spec(tokenizer, dtype="bfloat16"), "b", gradientCheckpointing=True)
    first, second = weights(driver, "a"), weights(driver, "b")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_memory_that_runs_out_ends_the_session_and_smaller_parts_give_the_same_step(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = Trainer.forward_backward

    def small_machine(self: Trainer, batch: Batch, *more: Any) -> dict[str, Any]:
        if batch.tokens.shape[0] > 2:
            # Half done: a gradient is there already.
            exact(self, batch, *more)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB")
        return exact(self, batch, *more)

    open_session(driver, tokenizer, session="exact")
    expected = driver.train_step(1, [rows([0, 3, 7, 11])], "exact")
    monkeypatch.setattr(Trainer, "forward_backward", small_machine)
    open_session(driver, tokenizer)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        driver.train_step(1, [rows([0, 3, 7, 11])])
    found = driver.side.fault_of(caught.value)
    assert found is not None
    assert found.code == "out-of-memory"
    with pytest.raises(WorkerFault, match="cannot go on"):
        driver.train_step(1, [])
    driver.call("unload", {})
    # What the loop does then: a new session, half as many rows in a pass.
    open_session(driver, tokenizer, session="again")
    first, second, update = driver.train_step(1, [rows([0, 3]), rows([7, 11])], "again")
    assert first["loss"] + second["loss"] == pytest.approx(expected[0]["loss"], rel=1e-6)
    assert update["gradientNorm"] == pytest.approx(expected[1]["gradientNorm"], rel=1e-5)
    ours, theirs = weights(driver, "again"), weights(driver, "exact")
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-4)


def test_a_batch_without_a_trained_token_is_zero(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    arrays = {
        "tokens": np.ones(4, dtype=np.int32),
        "lengths": np.array([4], dtype=np.int32),
        "tokenWeights": np.zeros(4, dtype=np.float32),
    }
    result = forward(driver, arrays, dataset=None)
    assert result == {"loss": 0.0, "nll": 0.0, "tokens": 4, "trainedTokens": 0}
    assert all(p.grad is None for p in trainer(driver).loaded.model.parameters())
    with pytest.raises(RequestError, match="no dataset"):
        forward(driver, rows([0]), dataset="other")
