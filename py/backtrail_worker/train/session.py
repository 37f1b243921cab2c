# A trainable model: fp32 master weights, AdamW, datasets by name. It knows no schedule, no data order and
# no stopping rule: weights, rows and hyperparameters come with every call.
"""Gradients and optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.data.dataset import Dataset
from backtrail_worker.model.load import DTYPES, Loaded
from backtrail_worker.model.save import copy_weights, read_state, save
from backtrail_worker.protocol import Array, Arrays, ForwardBackward, OptimStep, PolicyLoss, RequestError
from backtrail_worker.train.batch import POLICY_COLUMNS, Batch, packed, padded, read
from backtrail_worker.train.head import Head, Sums, sums_of_logits
from backtrail_worker.train.losses import Objective, cross_entropy, policy_gradient
from backtrail_worker.train.updates import Updates

SEED_MULTIPLIER = 1_000_003
# Model types whose packed losses and gradients are tested against those of each example alone
# (test/py/test_train_packing.py), with the attention for which transformers makes a block mask.
PACKABLE = frozenset({"llama", "qwen2", "qwen3", "mistral", "gpt_neox", "gpt2"})
PACKABLE_ATTENTION = frozenset({"sdpa", "eager"})
COMPILE_BACKEND = "inductor"


class Trainer:
    """The model of one session."""

    def __init__(
        self,
        loaded: Loaded,
        gradient_checkpointing: bool,
        make_updates: Callable[[Loaded], Updates] = Updates,
        compiled: bool = False,
    ) -> None:
        self.loaded = loaded
        self.datasets: dict[str, Dataset] = {}
        self.step = 0
        self._micro = 0
        self._dtype = DTYPES[loaded.spec.dtype]
        model = loaded.model
        self._vocabulary = int(model.get_input_embeddings().weight.shape[0])
        model.train()
        if gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.updates = make_updates(loaded)
        # The part that runs in _sums. Lengths change from call to call: one graph for all of them.
        self._body = model.base_model if loaded.plain_head else model
        if compiled:
            self._body = torch.compile(self._body, dynamic=True, backend=COMPILE_BACKEND)
        # After it: several ranks may have cut the matrices in pieces, which the head must see.
        self._head = Head(model.get_output_embeddings(), model.config.model_type, loaded.plain_head)

    def _compute(self) -> AbstractContextManager[Any]:
        enabled = self._dtype == torch.bfloat16
        return torch.autocast(self.loaded.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _check(self, batch: Batch) -> None:
        """Raises RequestError for sequences beyond the context, and for packing where it was not verified."""
        limit = self.loaded.described.context
        if batch.longest > limit:
            raise RequestError(f"a sequence has {batch.longest} tokens, the model's context is {limit}")
        if batch.positions is None:
            return
        config = self.loaded.described.config
        attention = getattr(self.loaded.model.config, "_attn_implementation", None)
        if config.model_type not in PACKABLE or attention not in PACKABLE_ATTENTION:
            raise RequestError(
                f"packing was not verified for model type {config.model_type} with {attention} attention: "
                f"examples might see each other. Set train.batch.packing: false "
                f"(verified: {', '.join(sorted(PACKABLE))} with {' or '.join(sorted(PACKABLE_ATTENTION))})"
            )

    def _sums(self, batch: Batch, target_N: torch.Tensor, labels_N: torch.Tensor, loss: Objective) -> Sums:
        """
        Forward pass. No attention mask, ever: padding stands right of all that is real and weighs nothing,
        and of packed sequences the model makes a block mask by itself, from positions that restart, only if
        it is given no mask and no cache.
        """
        device = self.loaded.device
        inputs = {"input_ids": torch.from_numpy(batch.tokens).long().to(device, non_blocking=True)}
        if batch.positions is not None:
            inputs["position_ids"] = torch.from_numpy(batch.positions).long().to(device, non_blocking=True)
        # The output at position p predicts the token at p + 1; position 0 is never trained.
        picked_N = (target_N - 1).to(device, non_blocking=True)
        with self._compute():
            if not self.loaded.plain_head:
                logits_BTV = self._body(**inputs, use_cache=False).logits
                return sums_of_logits(logits_BTV.flatten(0, 1).index_select(0, picked_N), labels_N, loss)
            hidden_BTD = self._body(**inputs, use_cache=False).last_hidden_state
            hidden_ND = hidden_BTD.flatten(0, 1).index_select(0, picked_N)
            return self._head.sums_of_hidden(hidden_ND, labels_N, loss, self._dtype)

    def forward_backward(self, batch: Batch, policy: PolicyLoss | None = None) -> dict[str, Any]:
        """
        Adds the gradients of sum(weight * nll), or with `policy` of the policy-gradient loss (losses.py).
        Raises RequestError; WorkerFault "non-finite", after which the session is unusable.
        """
        device = self.loaded.device
        self._check(batch)
        # Dropout, where a config has it, must not depend on what ran before a restore.
        torch.manual_seed(self.step * SEED_MULTIPLIER + self._micro)
        self._micro += 1
        target_N = torch.from_numpy(batch.trained).flatten().nonzero().squeeze(1)
        count = {"tokens": batch.real_tokens, "trainedTokens": len(target_N)}
        if len(target_N) == 0:
            self.updates.backward(None)
            return {"loss": 0.0, "nll": 0.0} | count | ({} if policy is None else {"kl": 0.0, "clipped": 0})

        def at_targets(values_BT: Array) -> torch.Tensor:
            return torch.from_numpy(values_BT).flatten()[target_N].to(device, non_blocking=True)

        objective = cross_entropy(at_targets(batch.weights))
        if policy is not None:
            columns = [at_targets(batch.columns[name]) for name in POLICY_COLUMNS if name in batch.columns]
            reference_N = columns[2] if len(columns) == 3 else None
            weights_N = at_targets(batch.weights)
            objective = policy_gradient(weights_N, columns[0], columns[1], reference_N, policy)
        sums = self._sums(batch, target_N, at_targets(batch.tokens).long(), objective)
        self.updates.backward(sums.anchor)
        loss, nll, kl, clipped = torch.stack([sums.loss, sums.nll, sums.kl, sums.clipped]).tolist()
        if not (math.isfinite(loss) and math.isfinite(nll)):
            raise WorkerFault(
                "non-finite", f"the loss of step {self.step + 1} is {loss}; lower the learning rate or clip"
            )
        extra = {} if policy is None else {"kl": kl, "clipped": round(clipped)}
        return {"loss": loss, "nll": nll} | count | extra

    def run(self, params: ForwardBackward, arrays: Arrays) -> dict[str, Any]:
        """The primitive forward_backward. Raises RequestError, WorkerFault."""
        dataset = None
        if isinstance(params.dataset, str) and (dataset := self.datasets.get(params.dataset)) is None:
            known = sorted(self.datasets)
            raise RequestError(f'no dataset "{params.dataset}" in this session; loaded: {known}')
        sequences = self.updates.mine(read(params, arrays, dataset, self._vocabulary))
        lay_out = packed if params.packed is True else padded
        policy = params.policy if isinstance(params.policy, PolicyLoss) else None
        return self.forward_backward(lay_out(sequences, self.loaded.described.pad), policy)

    def optim_step(self, params: OptimStep) -> dict[str, Any]:
        """
        One AdamW step after clipping; gradients are zero afterwards. Raises RequestError, WorkerFault
        "non-finite".
        """
        if params.step != self.step + 1:
            raise RequestError(f"optim_step {params.step} follows step {self.step}; expected {self.step + 1}")
        value = self.updates.step(params)
        self.step, self._micro = params.step, 0
        return {"step": self.step, "gradientNorm": value}

    def save(self, path: str, resume: bool) -> int:
        """Writes a checkpoint; bytes written."""
        if resume and self._micro:
            raise RequestError(
                "save with resume between forward_backward and optim_step would lose gradients"
            )
        moments = self.updates.moments() if resume else None
        with self.updates.whole():
            return save(self.loaded, path, self.step, moments) if self.updates.writes else 0

    def restore(self, path: str) -> int:
        """Weights, moments and step of a checkpoint; gradients are zero afterwards."""
        directory = Path(path)
        step, moments = read_state(directory)
        if moments and moments.keys() != self.updates.named.keys():
            raise WorkerFault("model-not-found", f"{path}: optimizer state of another architecture")
        with self.updates.whole(change=True):
            copy_weights(self.loaded, directory)
        self.updates.restore(step, moments)
        self.step, self._micro = step, 0
        return step
