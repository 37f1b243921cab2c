# The policy-gradient loss against references written out here: token by token in plain floats, and whole
# sessions in float64 by autograd.
from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.protocol import Arrays, PolicyLoss, RequestError
from backtrail_worker.train import head as head_module
from backtrail_worker.train.losses import policy_gradient

from conftest import Driver, spec
from test_train import gradients, open_session, trainer


def policy_numbers(seed: int = 1) -> dict[str, torch.Tensor]:
    """Of every kind: ratios far below, inside and far above the bounds, advantages of both signs and zero."""
    generator = torch.Generator().manual_seed(seed)
    logprobs = -3 * torch.rand(400, generator=generator)
    numbers = {
        "logprobs": logprobs,
        "old": logprobs + 0.5 * torch.randn(400, generator=generator),
        "reference": logprobs + 0.3 * torch.randn(400, generator=generator),
        "advantages": torch.randn(400, generator=generator),
        "weights": torch.rand(400, generator=generator),
    }
    numbers["advantages"][::7] = 0
    return numbers


def policy_reference(
    logprob: float, old: float, ref: float | None, advantage: float, low: float, high: float, kl: float
) -> tuple[float, float, bool]:
    """One token: loss, KL estimate, whether clipped. Plain Python floats are float64."""
    ratio = math.exp(logprob - old)
    free, bounded = ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage
    estimate = 0.0 if ref is None else math.exp(ref - logprob) - (ref - logprob) - 1
    return kl * estimate - min(free, bounded), estimate, bounded < free


@pytest.mark.parametrize(("low", "high", "kl"), [(0.2, 0.2, 0.0), (0.2, 0.28, 0.1), (1.0, 5.0, 0.01)])
def test_the_policy_loss_and_its_slope(low: float, high: float, kl: float) -> None:
    p = policy_numbers()
    ref = p["reference"] if kl > 0 else None
    objective = policy_gradient(p["weights"], p["advantages"], p["old"], ref, PolicyLoss(low, high, kl))
    found = objective(p["logprobs"], slice(0, 400))
    kinds = set()
    for i in range(400):
        at = [float(p[name][i]) for name in ("logprobs", "old", "reference", "advantages")]
        if ref is None:
            at[2] = None  # type: ignore[call-overload]
        loss, estimate, clipped = policy_reference(*at, low, high, kl)
        weight = float(p["weights"][i])
        assert float(found.loss_N[i]) == pytest.approx(weight * loss, rel=1e-4, abs=1e-6)
        assert bool(found.clipped_N[i]) == clipped
        if ref is not None:
            assert float(found.kl_N[i]) == pytest.approx(estimate, rel=1e-4, abs=1e-6)
        # The slope by a central difference of the reference, where no bound lies within it.
        step = 1e-6
        above, below = (policy_reference(at[0] + s, *at[1:], low, high, kl) for s in (step, -step))
        if above[2] == below[2]:
            slope = weight * (above[0] - below[0]) / (2 * step)
            assert float(found.slope_N[i]) == pytest.approx(slope, rel=1e-3, abs=1e-5)
        kinds.add((clipped, at[3] > 0, at[3] < 0))
    if high < 1:
        assert len(kinds) == 5, "the numbers must hold clipped and free tokens of both signs, and zeros"


def test_a_clipped_ratio_that_overflows_pulls_nothing() -> None:
    one = torch.ones(1)
    objective = policy_gradient(one, one, -200 * one, None, PolicyLoss(0.2, 0.2, 0.0))
    found = objective(0 * one, slice(0, 1))
    assert found.loss_N.tolist() == pytest.approx([-1.2])
    assert found.slope_N.tolist() == [0.0]


def policy_bins(driver: Driver, kl: bool) -> Arrays:
    """Rows 3, 11, 5 inline with advantages by token, old and reference log-probs near the model's own."""
    rng = np.random.default_rng(2)
    data = trainer(driver).datasets["d"]
    parts = [slice(data.starts[r], data.starts[r + 1]) for r in (3, 11, 5)]
    tokens = np.concatenate([data.tokens[part] for part in parts]).astype(np.int32)
    trained = np.concatenate([data.mask[part] for part in parts])
    count = len(tokens)
    arrays = {
        "tokens": tokens,
        "lengths": np.array([part.stop - part.start for part in parts], dtype=np.int32),
        "tokenWeights": (trained * rng.uniform(0.1, 1, count)).astype(np.float32),
        "advantages": rng.normal(size=count).astype(np.float32),
        "oldLogprobs": rng.normal(-4, 1, count).astype(np.float32),
    }
    return arrays | ({"refLogprobs": rng.normal(-4, 1, count).astype(np.float32)} if kl else {})


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("kl", [0.0, 0.05])
def test_policy_gradients_of_a_session(
    driver: Driver, tokenizer: Path, kl: float, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(driver, tokenizer)
    arrays = policy_bins(driver, kl > 0)
    model = copy.deepcopy(trainer(driver).loaded.model).double()
    monkeypatch.setattr(head_module, "LOGITS_AT_ONCE", 100)
    policy = {"clipLow": 0.2, "clipHigh": 0.28, "kl": kl}
    params = {"loss": "policy_gradient", "packed": packed, "policy": policy}
    result = driver.call("forward_backward", params, arrays).result
    # One sequence after the other, in float64, by autograd.
    column = {name: torch.from_numpy(array).double() for name, array in arrays.items() if name != "lengths"}
    loss, estimate, clipped, nll, begin = torch.zeros((), dtype=torch.float64), 0.0, 0, 0.0, 0
    for length in arrays["lengths"].tolist():
        part = slice(begin + 1, begin + length)
        ids = torch.from_numpy(arrays["tokens"][begin : begin + length].astype(np.int64))
        logprobs = torch.log_softmax(model(ids.unsqueeze(0), use_cache=False).logits[0].double(), -1)
        new = logprobs[:-1].gather(1, ids[1:].unsqueeze(1)).squeeze(1)
        ratio = (new - column["oldLogprobs"][part]).exp()
        free = ratio * column["advantages"][part]
        bounded = ratio.clamp(0.8, 1.28) * column["advantages"][part]
        weight = column["tokenWeights"][part]
        loss = loss - (weight * torch.minimum(free, bounded)).sum()
        if kl > 0:
            gap = column["refLogprobs"][part] - new
            loss = loss + kl * (weight * (gap.exp() - gap - 1)).sum()
            estimate += float((gap.exp() - gap - 1)[weight != 0].sum().detach())
        clipped += int(((bounded < free) & (weight != 0)).sum())
        nll -= float(new[weight != 0].sum().detach())
        begin += length
    loss.backward()
    assert result["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert result["kl"] == pytest.approx(estimate, rel=1e-5)
    assert result["nll"] == pytest.approx(nll, rel=1e-5)
    assert result["clipped"] == clipped
    assert clipped > 5
    assert result["trainedTokens"] == int((arrays["tokenWeights"] != 0).sum())
    exact = dict(model.named_parameters())
    for name, gradient in gradients(driver).items():
        tolerance = 1e-5 * float(exact[name].grad.abs().max())
        torch.testing.assert_close(gradient.double(), exact[name].grad, rtol=0, atol=tolerance)


def test_no_clip_no_kl_and_old_equal_to_new_is_the_plain_policy_gradient(
    driver: Driver, tokenizer: Path
) -> None:
    """Advantages of 1 and a ratio of 1: the gradient is that of cross-entropy with the same weights."""
    open_session(driver, tokenizer)
    arrays = policy_bins(driver, False)
    driver.call(
        "forward_backward",
        {"loss": "cross_entropy"},
        {name: arrays[name] for name in ("tokens", "lengths", "tokenWeights")},
    )
    expected = gradients(driver)
    trainer(driver).loaded.model.zero_grad()
    scored = driver.free(
        "score",
        {"model": spec(tokenizer), "named": []},
        {name: arrays[name] for name in ("tokens", "lengths")},
    )
    arrays["advantages"] = np.ones_like(arrays["advantages"])
    arrays["oldLogprobs"] = scored.arrays["logprobs"]
    policy = {"clipLow": 0.2, "clipHigh": 0.2, "kl": 0}
    result = driver.call("forward_backward", {"loss": "policy_gradient", "policy": policy}, arrays).result
    assert result["clipped"] == 0
    for name, gradient in gradients(driver).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("params", "change", "words"),
    [
        ({"loss": "policy_gradient"}, {}, "needs `policy`"),
        ({"loss": "cross_entropy", "policy": {"clipLow": 0, "clipHigh": 0, "kl": 0}}, {}, "takes no"),
        ({"loss": "policy_gradient", "dataset": "d"}, {}, "inline sequences"),
        ({"loss": "policy_gradient"}, {"refLogprobs": np.zeros(1, dtype=np.float32)}, "bins must be"),
        ({"loss": "policy_gradient"}, {"advantages": np.zeros(3, dtype=np.float32)}, "and 3 advantages"),
        ({"loss": "policy_gradient"}, {"oldLogprobs": np.zeros(3, dtype=np.int32)}, "must be float32"),
    ],
)
def test_policy_calls_out_of_contract_are_refused(
    driver: Driver, tokenizer: Path, params: dict[str, Any], change: Arrays, words: str
) -> None:
    open_session(driver, tokenizer)
    if words != "needs `policy`" and params["loss"] == "policy_gradient":
        params = params | {"policy": {"clipLow": 0.2, "clipHigh": 0.2, "kl": 0}}
    with pytest.raises(RequestError, match=words):
        driver.call("forward_backward", params, policy_bins(driver, False) | change)


def test_a_policy_loss_that_is_no_number_is_an_error(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    arrays = policy_bins(driver, False)
    arrays["advantages"] = np.full_like(arrays["advantages"], -1)
    arrays["oldLogprobs"] = np.full_like(arrays["oldLogprobs"], -500)
    policy = {"clipLow": 0.2, "clipHigh": 0.2, "kl": 0}
    with pytest.raises(WorkerFault, match="the loss of step 1 is") as caught:
        driver.call("forward_backward", {"loss": "policy_gradient", "policy": policy}, arrays)
    assert caught.value.code == "non-finite"
