# How gradients become one AdamW step, and who computes what. Here: one process with all rows and all
# parameters. ranks/ has the versions for several processes. Knows no loss and no batch layout.
"""Optimizer steps of one process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.load import Loaded
from backtrail_worker.model.save import Moments
from backtrail_worker.protocol import OptimStep
from backtrail_worker.train.batch import Sequence


def check_norm(value: float, step: int) -> None:
    """Raises WorkerFault "non-finite"."""
    if not math.isfinite(value):
        raise WorkerFault("non-finite", f"the gradient norm of step {step} is {value}; no step was taken")


def set_hyperparameters(optimizer: Any, params: OptimStep) -> None:
    """Those of the call, into every parameter group."""
    for group in optimizer.param_groups:
        group.update(
            lr=params.learning_rate,
            betas=(params.beta1, params.beta2),
            eps=params.epsilon,
            weight_decay=params.weight_decay,
        )


class Updates:
    """Gradients, clipping and AdamW over the parameters of a model that is on its device."""

    writes = True
    """Whether this process writes checkpoints."""

    def __init__(self, loaded: Loaded) -> None:
        # named_parameters names a tied matrix once.
        parameters = loaded.model.named_parameters()
        self.named: dict[str, Any] = {name: one for name, one in parameters if one.requires_grad}
        self._optimizer = torch.optim.AdamW(list(self.named.values()), lr=0.0, fused=True)

    def about(self) -> dict[str, Any]:
        """Optional fields of the `modelInfo` of primitives.ts: how many ranks, what of the state is cut."""
        return {}

    def mine(self, sequences: list[Sequence]) -> list[Sequence]:
        """Those of a call's sequences that this process computes; may be none."""
        return sequences

    def backward(self, anchor: torch.Tensor | None) -> None:
        """Adds the gradients of a scalar; None: nothing to add in this call."""
        if anchor is not None:
            anchor.backward()  # type: ignore[no-untyped-call]

    def step(self, params: OptimStep) -> float:
        """
        One AdamW step after clipping to the global norm, which is returned; gradients are zero afterwards.
        Raises WorkerFault "non-finite".
        """
        parameters = list(self.named.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._combine([parameter.grad for parameter in parameters])
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])
        value = float(norm.item())
        check_norm(value, params.step)
        if params.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, params.clip_norm, norm)
        set_hyperparameters(self._optimizer, params)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return value

    def _combine(self, gradients: list[torch.Tensor]) -> None:
        """Sums gradients over processes, in place."""

    def moments(self) -> Moments:
        """exp_avg and exp_avg_sq by parameter name; empty before the first step."""
        found: Moments = {}
        for name, parameter in self.named.items():
            state = self._optimizer.state.get(parameter)
            if state:
                found[name] = (state["exp_avg"], state["exp_avg_sq"])
        return found

    def restore(self, step: int, moments: Moments) -> None:
        """State after `step` steps; the weights are in place already. Gradients are zero afterwards."""
        self._optimizer.state.clear()
        for name, (first, second) in moments.items():
            parameter = self.named[name]
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(step), dtype=torch.float32, device=parameter.device),
                "exp_avg": first.to(parameter.device),
                "exp_avg_sq": second.to(parameter.device),
            }
        self._optimizer.zero_grad(set_to_none=True)

    def close(self) -> None:
        """Lets go of what the garbage collector would not find."""

    @contextmanager
    def whole(self, change: bool = False) -> Iterator[None]:
        """While it lasts every parameter is whole; `change`: what is written into them is kept."""
        yield
