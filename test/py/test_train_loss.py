# The loss in chunks of positions against float64 references.
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.utils.parametrize
from backtrail_worker.train import head as head_module
from backtrail_worker.train.head import Head, sums_of_logits
from backtrail_worker.train.losses import cross_entropy

from conftest import GPT2, LLAMA, NEOX, Driver, rows, spec
from test_train import gradients, open_session, trainer
from test_train_packing import NO_DROPOUT, bins, reference

N, D, V = 23, 16, 57


def layer_and_hidden(seed: int = 3) -> tuple[torch.nn.Linear, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(D, V, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(V, D, generator=generator))
    hidden_ND = torch.randn(N, D, generator=generator)
    labels_N = torch.randint(0, V, (N,), generator=generator)
    weights_N = torch.rand(N, generator=generator)
    return layer, hidden_ND, labels_N, weights_N


@pytest.mark.parametrize("bound", [1, V, 5 * V + 1, 0], ids=["row", "row-exactly", "uneven", "whole"])
def test_chunks_give_the_loss_and_gradients_of_the_whole(bound: int) -> None:
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    hidden_ND.requires_grad_()
    sums = Head(layer, "llama", True).sums_of_hidden(
        hidden_ND, labels_N, cross_entropy(weights_N), torch.float32, bound
    )
    (2 * sums.anchor).backward()
    exact_ND = hidden_ND.detach().double().requires_grad_()
    exact_VD = layer.weight.detach().double().requires_grad_()
    logprobs_NV = torch.log_softmax(exact_ND @ exact_VD.T, -1)
    nll_N = -logprobs_NV[torch.arange(N), labels_N]
    loss = (nll_N * weights_N).sum()
    (2 * loss).backward()
    assert float(sums.loss) == pytest.approx(float(loss.detach()), rel=1e-6)
    assert float(sums.nll) == pytest.approx(float(nll_N.detach().sum()), rel=1e-6)
    torch.testing.assert_close(hidden_ND.grad.double(), exact_ND.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad.double(), exact_VD.grad, rtol=1e-5, atol=1e-5)


def test_no_more_logits_are_held_than_the_bound_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    seen: list[int] = []
    exact = torch.Tensor.logsumexp
    monkeypatch.setattr(
        torch.Tensor, "logsumexp", lambda self, *a, **k: seen.append(self.numel()) or exact(self, *a, **k)
    )
    Head(layer, "llama", True).sums_of_hidden(
        hidden_ND.requires_grad_(), labels_N, cross_entropy(weights_N), torch.float32, 4 * V + 3
    )
    assert seen == [4 * V] * 5 + [3 * V]


def test_a_gpu_holds_more_logits_than_the_cpu() -> None:
    cpu, gpu = (head_module.logits_at_once(torch.device(name)) for name in ("cpu", "cuda:1"))
    # As src/plan/estimate.ts has them.
    assert (cpu, gpu) == (2**26, 2**28)


def test_a_frozen_head_gets_no_gradient() -> None:
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    layer.weight.requires_grad_(False)
    hidden_ND.requires_grad_()
    sums = Head(layer, "llama", True).sums_of_hidden(
        hidden_ND, labels_N, cross_entropy(weights_N), torch.float32, 2 * V
    )
    sums.anchor.backward()
    assert layer.weight.grad is None
    assert hidden_ND.grad is not None
    assert hidden_ND.grad.abs().sum() > 0


class Doubled(torch.nn.Module):
    def forward(self, weight_VD: torch.Tensor) -> torch.Tensor:
        return 2 * weight_VD


def test_a_matrix_made_from_parameters_stays_in_chunks_and_its_gradient_reaches_them() -> None:
    """Trainable token rows (model/lora.py) stand in the head as a parametrization."""
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    exact_VD = layer.weight.detach().double().requires_grad_()
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())
    head = Head(layer, "llama", True)
    assert head.lean
    sums = head.sums_of_hidden(
        hidden_ND.requires_grad_(), labels_N, cross_entropy(weights_N), torch.float32, 3 * V
    )
    sums.anchor.backward()
    logprobs_NV = torch.log_softmax(hidden_ND.detach().double() @ (2 * exact_VD).T, -1)
    (-logprobs_NV[torch.arange(N), labels_N] * weights_N).sum().backward()
    ours = layer.parametrizations.weight.original.grad
    torch.testing.assert_close(ours.double(), exact_VD.grad, rtol=1e-5, atol=1e-5)


class Wrapped(torch.nn.Module):
    """A head that must be called, as an adapter's."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.inner = layer
        self.weight = layer.weight

    def forward(self, hidden_ND: torch.Tensor) -> torch.Tensor:
        return self.inner(hidden_ND) + 0.5 * self.inner(hidden_ND)


def test_a_head_that_is_not_a_plain_matrix_is_called_and_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    head = Head(Wrapped(layer), "llama", True)
    assert "not a plain matrix" in capfd.readouterr().err
    sums = head.sums_of_hidden(hidden_ND.requires_grad_(), labels_N, cross_entropy(weights_N), torch.float32)
    sums.anchor.backward()
    ours = hidden_ND.grad.clone()
    hidden_ND.grad = None
    nll_N = torch.nn.functional.cross_entropy(1.5 * layer(hidden_ND), labels_N, reduction="none")
    (nll_N * weights_N).sum().backward()
    assert float(sums.loss) == pytest.approx(float((nll_N * weights_N).sum().detach()), rel=1e-6)
    torch.testing.assert_close(ours, hidden_ND.grad, rtol=1e-5, atol=1e-6)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "config",
    [LLAMA, LLAMA | {"tie_word_embeddings": False}, GPT2 | NO_DROPOUT, NEOX],
    ids=["tied", "untied", "gpt2", "neox"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_chunked_sessions_have_the_exact_gradients(
    driver: Driver, tokenizer: Path, config: dict[str, Any], packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(driver, tokenizer, spec(tokenizer, config))
    picked = [(3, 0.5), (11, 0.25), (5, 2.0)]
    loss, exact = reference(driver, picked)
    # Three positions at a time.
    monkeypatch.setattr(head_module, "LOGITS_AT_ONCE", 100)
    params = {"loss": "cross_entropy", "dataset": "d", "packed": packed}
    result = driver.call("forward_backward", params, bins(picked)).result
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients(driver).items():
        tolerance = 1e-5 * float(exact[name].abs().max())
        torch.testing.assert_close(gradient.double(), exact[name], rtol=0, atol=tolerance)


def test_bf16_chunks_are_as_near_to_the_truth_as_bf16_in_one_piece(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(driver, tokenizer, spec(tokenizer, dtype="bfloat16"))
    params = {"loss": "cross_entropy", "dataset": "d"}
    whole = driver.call("forward_backward", params, rows([0, 3, 7])).result
    one_piece = gradients(driver)
    trainer(driver).loaded.model.zero_grad()
    monkeypatch.setattr(head_module, "LOGITS_AT_ONCE", 100)
    chunked = driver.call("forward_backward", params, rows([0, 3, 7])).result
    assert chunked["loss"] == pytest.approx(whole["loss"], rel=1e-3)
    _, exact = reference(driver, [(0, 0.125), (3, 0.125), (7, 0.125)])
    for name, gradient in gradients(driver).items():
        assert gradient.dtype == torch.float32
        scale = float(exact[name].norm())
        off, off_whole = (float((g.double() - exact[name]).norm()) for g in (gradient, one_piece[name]))
        assert off < 0.05 * scale
        assert off < 1.5 * off_whole + 1e-4 * scale


def test_many_bf16_chunks_add_up_without_losing_the_small_ones() -> None:
    """4,096 positions, four at a time: a sum held in bf16 would stop growing long before its end."""
    generator = torch.Generator().manual_seed(4)
    layer = torch.nn.Linear(D, V, bias=False)
    hidden_ND = torch.randn(4096, D, generator=generator) + 1
    labels_N = torch.randint(0, V, (4096,), generator=generator)
    objective = cross_entropy(torch.full((4096,), 1 / 4096))
    found = []
    for bound in (4 * V, 4096 * V):
        layer.weight.grad = None
        sums = Head(layer, "llama", True).sums_of_hidden(
            hidden_ND.requires_grad_(), labels_N, objective, torch.bfloat16, bound
        )
        sums.anchor.backward()
        found.append(layer.weight.grad.double())
    exact_VD = layer.weight.detach().double().requires_grad_()
    logits_NV = hidden_ND.detach().double() @ exact_VD.T
    torch.nn.functional.cross_entropy(logits_NV, labels_N).backward()
    chunked, whole = (float((one - exact_VD.grad).norm() / exact_VD.grad.norm()) for one in found)
    assert whole < 0.01
    assert chunked < 2 * whole


def test_logits_made_elsewhere_give_the_same_sums() -> None:
    layer, hidden_ND, labels_N, weights_N = layer_and_hidden()
    objective = cross_entropy(weights_N)
    ours = Head(layer, "llama", True).sums_of_hidden(hidden_ND, labels_N, objective, torch.float32, V)
    theirs = sums_of_logits(layer(hidden_ND), labels_N, objective)
    assert float(ours.loss) == pytest.approx(float(theirs.loss), rel=1e-6)
    assert float(ours.nll) == pytest.approx(float(theirs.nll), rel=1e-6)
