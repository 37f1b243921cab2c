# ZeRO stages 1 to 3 through DeepSpeed: ranks compute their share of the rows and keep a part of the
# optimizer state (1), the gradients (2) and the parameters (3). The optimizer is ours; DeepSpeed only cuts
# it in pieces. Its own checkpoints are pickled and never used: state goes by parameter name, as in one
# process.
# Written against DeepSpeed 0.19.8.
"""Updates over DeepSpeed."""

from __future__ import annotations

import gc
import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.load import Loaded
from backtrail_worker.model.save import Moments
from backtrail_worker.protocol import OptimStep
from backtrail_worker.ranks import compiled
from backtrail_worker.ranks.group import Group
from backtrail_worker.ranks.reduced import share
from backtrail_worker.train.batch import Sequence
from backtrail_worker.train.updates import Updates, check_norm, set_hyperparameters

# Typed in parts only.
deepspeed: Any = importlib.import_module("deepspeed")
tensor_fragment: Any = importlib.import_module("deepspeed.utils.tensor_fragment")

# Elements. Smaller tensors may be constants that DeepSpeed shares between engines.
WORTH_FREEING = 1024
# What the coordinator decides call by call. `managed_gradient_accumulation: false`: every backward adds, and
# the step is the boundary.
OURS: dict[str, Any] = {
    "train_micro_batch_size_per_gpu": 1,
    "gradient_accumulation_steps": 1,
    "managed_gradient_accumulation": False,
    "gradient_clipping": 0.0,
    "zero_allow_untested_optimizer": True,
    "steps_per_print": 10**9,
}


def without_auto(value: Any) -> Any:
    """A settings tree without its "auto" leaves, which stand for what others decide."""
    if not isinstance(value, dict):
        return value
    return {key: without_auto(item) for key, item in value.items() if item != "auto"}


def _free(held: list[Any]) -> None:
    """
    Gives back the memory of tensors in nested containers, whoever else holds them: after `destroy` DeepSpeed
    still does, some 20 bytes per parameter and session under stage 3.
    """
    seen: set[int] = set()
    while held:
        one = held.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            held += [one.grad if one.is_leaf else None, getattr(one, "ds_tensor", None)]
            if one.numel() >= WORTH_FREEING:
                one.untyped_storage().resize_(0)
        elif isinstance(one, dict):
            held += one.values()
        elif isinstance(one, list | tuple):
            held += one


class Zero(Updates):
    """AdamW on this rank's part of the parameters."""

    def __init__(self, group: Group, settings: dict[str, Any], loaded: Loaded) -> None:
        super().__init__(loaded)
        self._group, self._loaded = group, loaded
        self._pending = False
        self.writes = group.rank == 0
        config = without_auto(settings) | OURS
        self._stage = int(config["zero_optimization"]["stage"])
        group.tied = self._stage == 3
        if group.device == "cpu":
            compiled.load()
        made = deepspeed.initialize(model=loaded.model, optimizer=self._optimizer, config=config)
        self._engine = made[0]

    def about(self) -> dict[str, Any]:
        """See Updates."""
        return {"ranks": self._group.ranks, "sharding": f"zero-{self._stage}"}

    def mine(self, sequences: list[Sequence]) -> list[Sequence]:
        """See Updates."""
        return share(sequences, self._group)

    def backward(self, anchor: torch.Tensor | None) -> None:
        """See Updates. All ranks must take part, also those with nothing to add. Raises Elsewhere."""
        anchor = self._nothing() if anchor is None else anchor
        self._group.agree()
        self._pending = True
        try:
            # Told to DeepSpeed's engine by its own forward, which a loss made from hidden states goes past;
            # without it stage 3 keeps only the last backward's gradients.
            self._engine.optimizer.clear_backward_seen_flag()
            # DeepSpeed averages over ranks; the weights are those of the whole step already.
            self._engine.backward(anchor * self._group.ranks)
        except Exception as error:
            self._group.broken(error)

    def _nothing(self) -> torch.Tensor:
        """A zero that all parameters have a part in, made by the modules that make a loss, in their order."""
        model = self._loaded.model
        token_11 = torch.zeros((1, 1), dtype=torch.long, device=self._group.device)
        if self._loaded.plain_head:
            hidden_11D = model.base_model(input_ids=token_11, use_cache=False).last_hidden_state
            logits_11V: torch.Tensor = model.get_output_embeddings()(hidden_11D)
        else:
            logits_11V = model(input_ids=token_11, use_cache=False).logits
        return logits_11V.float().sum() * 0

    def step(self, params: OptimStep) -> float:
        """See Updates. Raises Elsewhere."""
        self._group.agree()
        sharded = self._engine.optimizer
        try:
            if not self._pending:
                raise AssertionError("optim_step without forward_backward")
            set_hyperparameters(sharded, params)
            sharded.clip_grad = params.clip_norm
            self._engine.step()
            norm = math.nan if getattr(sharded, "overflow", False) else self._engine.get_global_grad_norm()
            value = float(norm)
        except Exception as error:
            self._group.broken(error)
        self._pending = False
        check_norm(value, params.step)
        return value

    def moments(self) -> Moments:
        """See Updates; on ranks that do not write it is empty."""
        if not self._engine.optimizer.optimizer.state:
            return {}
        self._group.agree()
        found: Moments = {}
        try:
            for name, parameter in self.named.items():
                pair = [
                    tensor_fragment.safe_get_full_optimizer_state(parameter, key)
                    for key in ("exp_avg", "exp_avg_sq")
                ]
                if self.writes:
                    found[name] = (pair[0].cpu(), pair[1].cpu())
        except Exception as error:
            self._group.broken(error)
        return found

    def restore(self, step: int, moments: Moments) -> None:
        """See Updates. Raises WorkerFault "session" in the middle of a step."""
        if self._pending:
            raise WorkerFault("session", "restore between forward_backward and optim_step; unload first")
        sharded = self._engine.optimizer
        # The weights that were put into the model are copies of these.
        sharded.refresh_fp32_params()
        state = sharded.optimizer.state
        state.clear()
        thirds = self._stage == 3
        flats = sharded.fp32_partitioned_groups_flat if thirds else sharded.single_partition_of_fp32_groups
        if not thirds:
            # The parameters point to their parts of the state that was; to be pointed anew.
            sharded._hp_optimizer_states_linked = False
        if not moments:
            return
        for flat in flats:
            state[flat] = {
                "step": torch.tensor(float(step), dtype=torch.float32, device=flat.device),
                "exp_avg": torch.zeros_like(flat),
                "exp_avg_sq": torch.zeros_like(flat),
            }
        if not thirds:
            sharded._lazy_init_hp_params_optimizer_state()
        for name, (first, second) in moments.items():
            for key, value in (("exp_avg", first), ("exp_avg_sq", second)):
                whole = value.to(self._group.device)
                tensor_fragment.safe_set_full_optimizer_state(self.named[name], whole, key)

    def close(self) -> None:
        """See Updates. The model cannot be used any more."""
        held: list[Any] = [vars(self._engine.optimizer), self._optimizer.state]
        held += self._loaded.model.parameters()
        self._engine.destroy()
        _free(held)
        del self._engine
        gc.collect()

    @contextmanager
    def whole(self, change: bool = False) -> Iterator[None]:
        """See Updates. Stage 3 gathers them; rank 0's changes are the ones that are kept."""
        if self._stage < 3:
            yield
            return
        self._group.agree()
        parameters = list(self._loaded.model.parameters())
        with deepspeed.zero.GatheredParameters(parameters, modifier_rank=0 if change else None):
            yield
