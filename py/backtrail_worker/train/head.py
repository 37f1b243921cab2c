# From hidden states to a loss without ever holding the logits of all positions: 16k positions of a 128k
# vocabulary would be 8.4 GB in float32. Needs nothing newer than PyTorch 2.0.
"""The output head and the loss, in chunks of positions."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch

from backtrail_worker.train.losses import Objective, TokenLoss

# float32 logits held at a time: 256 MiB, and about three times that while a chunk is worked on. Of a GPU 1
# GiB: each chunk reads and writes the whole gradient of the head, 1 GiB of a 128k vocabulary at width 2048.
LOGITS_AT_ONCE = 2**26
GPU_LOGITS_AT_ONCE = 2**28


def logits_at_once(device: torch.device) -> int:
    """Logits held at a time, in elements; by the kind of device alone, so that equal kinds round alike."""
    return GPU_LOGITS_AT_ONCE if device.type == "cuda" else LOGITS_AT_ONCE


@dataclass
class Sums:
    """Sums over trained tokens; `anchor` is a scalar whose gradient is that of the loss."""

    anchor: torch.Tensor
    loss: torch.Tensor
    nll: torch.Tensor
    kl: torch.Tensor
    clipped: torch.Tensor


@dataclass
class _Running:
    """Adds the chunks up; one tensor [4] of loss, nll, kl, clipped."""

    total: torch.Tensor

    def add(self, logprobs_N: torch.Tensor, found: TokenLoss) -> None:
        zero = logprobs_N.new_zeros(())
        kl = zero if found.kl_N is None else found.kl_N.sum()
        clipped = zero if found.clipped_N is None else found.clipped_N.sum().to(zero.dtype)
        self.total += torch.stack([found.loss_N.sum(), -logprobs_N.sum(), kl, clipped])


class _Lean(torch.autograd.Function):
    """
    Each chunk's logits are made, used for the loss and both gradients, and dropped; so no logit is computed
    twice and backward only hands the gradients over.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: torch.Tensor,
        weight_VD: torch.Tensor,
        labels_N: torch.Tensor,
        objective: Objective,
        dtype: torch.dtype,
        bound: int,
    ) -> torch.Tensor:
        """Sums [4] (see _Running); differentiable in its first element only."""
        rows = max(1, bound // weight_VD.shape[0])
        low_VD = weight_VD.to(dtype)
        want_hidden, want_weight = ctx.needs_input_grad[:2]
        grad_ND = torch.empty_like(hidden_ND) if want_hidden else None
        grad_VD = torch.zeros_like(weight_VD) if want_weight else None
        running = _Running(torch.zeros(4, dtype=torch.float32, device=hidden_ND.device))
        for begin in range(0, len(labels_N), rows):
            places = slice(begin, begin + rows)
            low_CD, labels_C1 = hidden_ND[places].to(dtype), labels_N[places].unsqueeze(1)
            logits_CV = (low_CD @ low_VD.T).float()
            logits_CV -= logits_CV.logsumexp(1, keepdim=True)
            logprobs_C = logits_CV.gather(1, labels_C1).squeeze(1)
            found = objective(logprobs_C, places)
            running.add(logprobs_C, found)
            # d logprob / d logits = one-hot - softmax, times the slope; in place of the logits.
            slope_C1 = found.slope_N.unsqueeze(1)
            grad_CV = logits_CV.exp_().mul_(-slope_C1).scatter_add_(1, labels_C1, slope_C1).to(dtype)
            del logits_CV
            if grad_ND is not None:
                grad_ND[places] = grad_CV @ low_VD
            if grad_VD is not None and dtype == grad_VD.dtype:
                grad_VD.addmm_(grad_CV.T, low_CD)
            elif grad_VD is not None:
                grad_VD += grad_CV.T @ low_CD
        ctx.gradients = (grad_ND, grad_VD)
        return running.total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_4: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """In place: the buffers are ours alone and as large as the head."""
        gradients = [None if one is None else one.mul_(grad_4[0]) for one in ctx.gradients]
        ctx.gradients = (None, None)
        return (*gradients, None, None, None, None)


class Head:
    """The output head of a session's model."""

    def __init__(self, layer: Any, model_type: str, plain: bool) -> None:
        """`plain`: whether logits are this layer applied to the last hidden state and nothing else."""
        self._layer = layer
        # Only a linear layer's own matrix can be multiplied by hand. A wrapped one (LoRA) or one whose matrix
        # lies in pieces elsewhere (ZeRO-3: one dimension) must be called as a module.
        # A matrix with trainable rows (model/lora.py) is still a linear layer with one matrix.
        linear = (
            plain and isinstance(layer, torch.nn.Linear) and type(layer).forward is torch.nn.Linear.forward
        )
        self.lean = linear and getattr(layer, "bias", None) is None and layer.weight.dim() == 2
        if not self.lean:
            print(
                f"train: the head of this {model_type} model is not a plain matrix, so the logits of all "
                "trained positions are held at once; smaller micro-batches bound the memory",
                file=sys.stderr,
                flush=True,
            )

    def sums_of_hidden(
        self,
        hidden_ND: torch.Tensor,
        labels_N: torch.Tensor,
        objective: Objective,
        dtype: torch.dtype,
        bound: int = 0,
    ) -> Sums:
        """
        Sums over N trained positions; `dtype` is that of the matrix products, `bound` the logits held at a
        time (0 = logits_at_once).
        """
        if not self.lean:
            return sums_of_logits(self._layer(hidden_ND), labels_N, objective)
        bound = bound or logits_at_once(hidden_ND.device)
        total = _Lean.apply(  # type: ignore[no-untyped-call]
            hidden_ND, self._layer.weight, labels_N, objective, dtype, bound
        )
        loss, nll, kl, clipped = total.detach().unbind()
        return Sums(total[0], loss, nll, kl, clipped)


def sums_of_logits(logits_NV: torch.Tensor, labels_N: torch.Tensor, objective: Objective) -> Sums:
    """The same from logits that something else has made."""
    logprobs_N = -torch.nn.functional.cross_entropy(logits_NV.float(), labels_N, reduction="none")
    with torch.no_grad():
        found = objective(logprobs_N, slice(None))
        running = _Running(torch.zeros(4, dtype=torch.float32, device=logits_NV.device))
        running.add(logprobs_N, found)
    loss, nll, kl, clipped = running.total.unbind()
    return Sums((logprobs_N * found.slope_N).sum(), loss, nll, kl, clipped)
