# A trainable model: fp32 master weights, AdamW, datasets by name. It knows no schedule, no data order and
# no stopping rule: weights, rows and hyperparameters come with every call.
"""Gradients and optimizer steps."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.data.dataset import Dataset
from backtrail_worker.model.load import Loaded
from backtrail_worker.model.save import Moments, copy_weights, read_state, save
from backtrail_worker.protocol import OptimStep, RequestError
from backtrail_worker.train.batch import Batch

SEED_MULTIPLIER = 1_000_003


class Trainer:
    """The model of one session."""

    def __init__(self, loaded: Loaded, gradient_checkpointing: bool) -> None:
        self.loaded = loaded
        self.datasets: dict[str, Dataset] = {}
        self.step = 0
        self._micro = 0
        model = loaded.model
        model.train()
        if gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        # named_parameters names a tied matrix once.
        self._named = dict(model.named_parameters())
        self._optimizer = torch.optim.AdamW(list(self._named.values()), lr=0.0, fused=True)

    def _compute(self) -> AbstractContextManager[Any]:
        enabled = self.loaded.spec.dtype == "bfloat16"
        return torch.autocast(self.loaded.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _logits(self, tokens_BT: torch.Tensor, picked_N: torch.Tensor) -> torch.Tensor:
        """
        Logits [N, V] at flat positions of [B, T]. No mask: padding stands right of all that is real and
        weighs nothing.
        """
        model = self.loaded.model
        if self.loaded.plain_head:
            hidden_BTD = model.base_model(input_ids=tokens_BT, use_cache=False).last_hidden_state
            hidden_ND = hidden_BTD.flatten(0, 1).index_select(0, picked_N)
            logits_NV: torch.Tensor = model.get_output_embeddings()(hidden_ND)
            return logits_NV
        logits_BTV: torch.Tensor = model(input_ids=tokens_BT, use_cache=False).logits
        return logits_BTV.flatten(0, 1).index_select(0, picked_N)

    def forward_backward(self, batch: Batch) -> dict[str, Any]:
        """
        Adds the gradients of sum(weight * nll). Raises WorkerFault "non-finite"; the session is then
        unusable.
        """
        device = self.loaded.device
        if batch.tokens.shape[1] > self.loaded.described.context:
            limit = self.loaded.described.context
            raise RequestError(
                f"a sequence has {batch.tokens.shape[1]} tokens, the model's context is {limit}"
            )
        # Dropout, where a config has it, must not depend on what ran before a restore.
        torch.manual_seed(self.step * SEED_MULTIPLIER + self._micro)
        self._micro += 1
        trained_BT = torch.from_numpy(batch.trained)
        if not batch.trained.any():
            return {"loss": 0.0, "nll": 0.0, "tokens": batch.real_tokens, "trainedTokens": 0}
        tokens_BT = torch.from_numpy(batch.tokens).long()
        # The logits at position p predict the token at p + 1; position 0 is never trained.
        target_N = trained_BT.flatten().nonzero().squeeze(1)
        labels_N = tokens_BT.flatten()[target_N].to(device, non_blocking=True)
        weights_N = torch.from_numpy(batch.weights).flatten()[target_N].to(device, non_blocking=True)
        with self._compute():
            logits_NV = self._logits(tokens_BT.to(device, non_blocking=True), (target_N - 1).to(device))
        nll_N = F.cross_entropy(logits_NV.float(), labels_N, reduction="none")
        loss = (nll_N * weights_N).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        both = torch.stack([loss.detach(), nll_N.detach().sum()]).tolist()
        if not all(map(math.isfinite, both)):
            raise WorkerFault(
                "non-finite",
                f"the loss of step {self.step + 1} is {both[0]}; lower the learning rate or clip",
            )
        return {"loss": both[0], "nll": both[1], "tokens": batch.real_tokens, "trainedTokens": len(target_N)}

    def optim_step(self, params: OptimStep) -> dict[str, Any]:
        """
        One AdamW step after clipping; gradients are zero afterwards. Raises RequestError, WorkerFault
        "non-finite".
        """
        if params.step != self.step + 1:
            raise RequestError(f"optim_step {params.step} follows step {self.step}; expected {self.step + 1}")
        parameters = list(self._named.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        value = float(norm.item())
        if not math.isfinite(value):
            raise WorkerFault(
                "non-finite", f"the gradient norm of step {params.step} is {value}; no step was taken"
            )
        if params.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, params.clip_norm, norm)
        for group in self._optimizer.param_groups:
            group.update(
                lr=params.learning_rate,
                betas=(params.beta1, params.beta2),
                eps=params.epsilon,
                weight_decay=params.weight_decay,
            )
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step, self._micro = params.step, 0
        return {"step": self.step, "gradientNorm": value}

    def _moments(self) -> Moments:
        moments: Moments = {}
        for name, parameter in self._named.items():
            state = self._optimizer.state.get(parameter)
            if state:
                moments[name] = (state["exp_avg"], state["exp_avg_sq"])
        return moments

    def save(self, path: str, resume: bool) -> int:
        """Writes a checkpoint; bytes written."""
        if resume and self._micro:
            raise RequestError(
                "save with resume between forward_backward and optim_step would lose gradients"
            )
        return save(self.loaded, path, self.step, self._moments() if resume else None)

    def restore(self, path: str) -> int:
        """Weights, moments and step of a checkpoint; gradients are zero afterwards."""
        directory = Path(path)
        step, moments = read_state(directory)
        if moments and moments.keys() != self._named.keys():
            raise WorkerFault("model-not-found", f"{path}: optimizer state of another architecture")
        copy_weights(self.loaded, directory)
        self._optimizer.state.clear()
        for name, (first, second) in moments.items():
            parameter = self._named[name]
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(step), dtype=torch.float32, device=parameter.device),
                "exp_avg": first.to(parameter.device),
                "exp_avg_sq": second.to(parameter.device),
            }
        self._optimizer.zero_grad(set_to_none=True)
        self.step, self._micro = step, 0
        return step
