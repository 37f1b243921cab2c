# Next tokens from logits: one uniform number per completion and token, a function of (seed, index of the
# token) alone, through the inverse CDF. So what is sampled does not depend on the batch. Knows no model and
# no cache.
"""Greedy and truncated sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from backtrail_worker.core.call import WorkerFault

U64 = npt.NDArray[np.uint64]


def uniforms(seeds_R: U64, index_R: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """
    Numbers in [0, 1) with 53 bits: output `index` of splitmix64 (Steele, Lea, Flood 2014) started at each
    seed. Shapes [R] and [R] -> [R].
    """
    with np.errstate(over="ignore"):
        z = seeds_R + (index_R.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    numbers_R: npt.NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers_R


@dataclass(frozen=True)
class Picked:
    """Tokens [R] with their log-probabilities: of the model (T=1, untruncated) and as sampled."""

    tokens: list[int]
    logprobs: list[float]
    sampled: list[float]


@dataclass(frozen=True)
class Sampler:
    """
    temperature 0 = greedy; top_k 0 and top_p 1 = no truncation. Order as in the field: temperature, top-k,
    top-p.
    """

    temperature: float
    top_k: int
    top_p: float

    def pick(self, logits_RV: torch.Tensor, uniforms_R: npt.NDArray[np.float64]) -> Picked:
        """One token per row."""
        logits_RV = logits_RV.float()
        log_total_R = logits_RV.logsumexp(-1)
        if self.temperature == 0:
            tokens_R = _first_argmax(logits_RV)
            sampled_R = torch.zeros_like(log_total_R)
        else:
            tokens_R, sampled_R = self._sample(logits_RV, uniforms_R)
        logprobs_R = logits_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1) - log_total_R
        # One transfer for all three; ids are exact in float64.
        packed_3R = torch.stack([tokens_R.double(), logprobs_R.double(), sampled_R.double()]).cpu()
        # NaN logits, or a temperature so small that they overflow: no token may be made of that.
        if not torch.isfinite(packed_3R).all():
            raise WorkerFault(
                "non-finite",
                "the model's logits are not finite numbers, or the temperature is too small for them",
            )
        return Picked(packed_3R[0].long().tolist(), packed_3R[1].tolist(), packed_3R[2].tolist())

    def _sample(
        self, logits_RV: torch.Tensor, uniforms_R: npt.NDArray[np.float64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        scaled_RV = self._truncated(logits_RV / self.temperature)
        probs_RV = torch.softmax(scaled_RV, -1)
        cdf_RV = probs_RV.cumsum(-1, dtype=torch.float64)
        total_R1 = cdf_RV[:, -1:].contiguous()
        targets_R1 = torch.from_numpy(uniforms_R).to(logits_RV.device).unsqueeze(1) * total_R1
        tokens_R = torch.searchsorted(cdf_RV, targets_R1, right=True).squeeze(1)
        # Rounding may carry u * total up to total: the last token with any probability is meant.
        last_R = torch.searchsorted(cdf_RV, total_R1).squeeze(1)
        # NaN sorts behind the end; `pick` refuses it, but a gather out of range would end a GPU process.
        tokens_R = torch.minimum(tokens_R, last_R).clamp_(max=logits_RV.shape[1] - 1)
        sampled_R = scaled_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1) - scaled_RV.logsumexp(-1)
        return tokens_R, sampled_R

    def _truncated(self, scaled_RV: torch.Tensor) -> torch.Tensor:
        vocabulary = scaled_RV.shape[1]
        by_rank = self.top_k if 0 < self.top_k < vocabulary else vocabulary
        if by_rank == vocabulary and self.top_p >= 1:
            return scaled_RV
        # Stable: of equal logits the lower id ranks first.
        sorted_RV, order_RV = scaled_RV.sort(dim=-1, descending=True, stable=True)
        sorted_RV[:, by_rank:] = -torch.inf
        if self.top_p < 1:
            probs_RV = torch.softmax(sorted_RV, -1)
            before_RV = probs_RV.cumsum(-1, dtype=torch.float64) - probs_RV
            sorted_RV = sorted_RV.masked_fill(before_RV >= self.top_p, -torch.inf)
        return torch.empty_like(scaled_RV).scatter_(1, order_RV, sorted_RV)


def _first_argmax(logits_RV: torch.Tensor) -> torch.Tensor:
    """Argmax with the lowest id among equals, which torch.argmax does not promise."""
    ids_V = torch.arange(logits_RV.shape[1], device=logits_RV.device)
    best_R1 = logits_RV.max(-1, keepdim=True).values
    return torch.where(logits_RV == best_R1, ids_V, logits_RV.shape[1] - 1).min(-1).values
