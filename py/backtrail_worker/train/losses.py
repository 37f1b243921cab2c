# Losses as functions of one number per trained token, its log-probability: value and derivative. Knows no
# model and no batch; nothing is normalised here, the weights are final.
"""cross_entropy and policy_gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from backtrail_worker.protocol import PolicyLoss


@dataclass(frozen=True)
class TokenLoss:
    """Of N trained tokens, all float32 [N]: `slope` is d loss / d logprob. `kl`, `clipped` for policies."""

    loss_N: torch.Tensor
    slope_N: torch.Tensor
    kl_N: torch.Tensor | None = None
    clipped_N: torch.Tensor | None = None


# (log-probabilities [n], their places among all trained tokens) -> losses [n].
Objective = Callable[[torch.Tensor, slice], TokenLoss]


def cross_entropy(weights_N: torch.Tensor) -> Objective:
    """Weight times negative log-likelihood."""

    def at(logprobs_N: torch.Tensor, places: slice) -> TokenLoss:
        weights = weights_N[places]
        return TokenLoss(-weights * logprobs_N, -weights)

    return at


def policy_gradient(
    weights_N: torch.Tensor,
    advantages_N: torch.Tensor,
    old_N: torch.Tensor,
    reference_N: torch.Tensor | None,
    params: PolicyLoss,
) -> Objective:
    """
    Weight times (kl * k3 - clipped surrogate). Surrogate: min(ratio * A, clip(ratio, 1 - low, 1 + high) * A),
    ratio = exp(new - old) (Schulman et al. 2017, arXiv:1707.06347, eq. 7; one bound for each side as in
    DAPO). k3 = exp(r) - r - 1, r = reference - new: unbiased for KL(new || reference) over samples of the
    new policy, never negative (Schulman 2020, "Approximating KL divergence").
    """

    def at(logprobs_N: torch.Tensor, places: slice) -> TokenLoss:
        weights, advantages = weights_N[places], advantages_N[places]
        ratio = (logprobs_N - old_N[places]).exp()
        bounded = ratio.clamp(1 - params.clip_low, 1 + params.clip_high)
        # Where the bound is the smaller of the two, nothing pulls any more. The slope is written out and not
        # left to autograd, which makes NaN of a clipped ratio that overflowed (0 * inf).
        clipped = torch.where(advantages > 0, ratio > bounded, ratio < bounded) & (advantages != 0)
        surrogate = torch.where(clipped, bounded, ratio) * advantages
        slope = torch.where(clipped, torch.zeros_like(ratio), -ratio * advantages)
        if reference_N is None:
            return TokenLoss(-weights * surrogate, weights * slope, None, clipped)
        gap = reference_N[places] - logprobs_N
        # expm1: exp(r) - r - 1 of a small r would be rounding only.
        kl = gap.expm1() - gap
        loss = weights * (params.kl * kl - surrogate)
        return TokenLoss(loss, weights * (slope - params.kl * gap.expm1()), kl, clipped)

    return at
