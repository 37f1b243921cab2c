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


def picked(packed_3R: torch.Tensor) -> Picked:
    """
    What `Sampler.draw` drew, on the host. Raises WorkerFault "non-finite" for logits that are NaN, or a
    temperature so small that they overflow: no token may be made of that.
    """
    if not torch.isfinite(packed_3R).all():
        raise WorkerFault(
            "non-finite",
            "the model's logits are not finite numbers, or the temperature is too small for them",
        )
    tokens_R, logprobs_R, sampled_R = packed_3R.cpu()
    return Picked(tokens_R.long().tolist(), logprobs_R.tolist(), sampled_R.tolist())


# Above this vocabulary the cumulative sums are made of sums over blocks, and within one block only: a sum in
# float64 over all of 128k tokens costs more than the rest of the sampler.
BLOCK = 512
PLAIN_VOCABULARY = 8 * BLOCK


@dataclass(frozen=True)
class Sampler:
    """
    temperature 0 = greedy; top_k 0 and top_p 1 = no truncation. Order as in the field: temperature, top-k,
    top-p. Nothing here waits for the device, so that a CUDA graph can hold it.
    """

    temperature: float
    top_k: int
    top_p: float

    def draw(self, logits_RV: torch.Tensor, uniforms_R: torch.Tensor) -> torch.Tensor:
        """
        One token per row: float64 [3, R] of token (exact), log-probability, log-probability as sampled. The
        token is one of the vocabulary even where the numbers are NaN, which `picked` refuses: an index out of
        range would end a GPU process.
        """
        logprobs_RV = torch.log_softmax(logits_RV, -1, dtype=torch.float32)
        if self.temperature == 0:
            tokens_R = _first_argmax(logits_RV)
            sampled_R = torch.zeros_like(uniforms_R)
        else:
            scaled_RV = logprobs_RV if self.temperature == 1 else logprobs_RV / self.temperature
            probs_RV = torch.softmax(self._truncated(scaled_RV), -1)
            search = _search if probs_RV.shape[1] <= PLAIN_VOCABULARY else _search_blocks
            tokens_R = search(probs_RV, uniforms_R.unsqueeze(1))
            sampled_R = probs_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1).log().double()
        logprobs_R = logprobs_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1)
        return torch.stack([tokens_R.double(), logprobs_R.double(), sampled_R])

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


def _search(probs_RV: torch.Tensor, uniforms_R1: torch.Tensor) -> torch.Tensor:
    """Where the cumulative sum of each row first exceeds u times its total."""
    cdf_RV = probs_RV.cumsum(-1, dtype=torch.float64)
    total_R1 = cdf_RV[:, -1:].contiguous()
    tokens_R1 = torch.searchsorted(cdf_RV, uniforms_R1 * total_R1, right=True)
    # Rounding may carry u * total up to total: the last token with any probability is meant. NaN sorts behind
    # the end.
    tokens_R1 = torch.minimum(tokens_R1, torch.searchsorted(cdf_RV, total_R1))
    return tokens_R1.squeeze(1).clamp(max=probs_RV.shape[1] - 1)


def _search_blocks(probs_RV: torch.Tensor, uniforms_R1: torch.Tensor) -> torch.Tensor:
    """The same in two steps, the block and then the place in it; up to rounding in float64."""
    vocabulary = probs_RV.shape[1]
    even = vocabulary // BLOCK * BLOCK
    sums = [probs_RV[:, :even].reshape(len(probs_RV), -1, BLOCK).sum(-1, dtype=torch.float64)]
    if even < vocabulary:
        sums.append(probs_RV[:, even:].sum(-1, keepdim=True, dtype=torch.float64))
    sums_RC = torch.cat(sums, 1)
    cdf_RC = sums_RC.cumsum(1)
    total_R1 = cdf_RC[:, -1:].contiguous()
    targets_R1 = uniforms_R1 * total_R1
    block_R1 = torch.searchsorted(cdf_RC, targets_R1, right=True)
    block_R1 = torch.minimum(block_R1, torch.searchsorted(cdf_RC, total_R1)).clamp(max=cdf_RC.shape[1] - 1)
    # Not below 0, where a token without probability would do.
    rest_R1 = (targets_R1 - (cdf_RC.gather(1, block_R1) - sums_RC.gather(1, block_R1))).clamp(min=0)
    ids_RB = block_R1 * BLOCK + torch.arange(BLOCK, device=probs_RV.device)
    inside_RB = ids_RB < vocabulary
    parts_RB = probs_RV.gather(1, ids_RB.clamp(max=vocabulary - 1)) * inside_RB
    cdf_RB = parts_RB.cumsum(1, dtype=torch.float64)
    place_R1 = torch.searchsorted(cdf_RB, rest_R1, right=True)
    place_R1 = torch.minimum(place_R1, torch.searchsorted(cdf_RB, cdf_RB[:, -1:].contiguous()))
    return (block_R1 * BLOCK + place_R1).squeeze(1).clamp(max=vocabulary - 1)


def _first_argmax(logits_RV: torch.Tensor) -> torch.Tensor:
    """Argmax with the lowest id among equals, which torch.argmax does not promise."""
    ids_V = torch.arange(logits_RV.shape[1], device=logits_RV.device)
    best_R1 = logits_RV.max(-1, keepdim=True).values
    return torch.where(logits_RV == best_R1, ids_V, logits_RV.shape[1] - 1).min(-1).values
