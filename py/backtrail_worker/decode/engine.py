# Decode engines: rows of a batch with their key-value caches, each of which gets one more token at a time.
# `HfEngine` drives any causal LM of transformers. An engine knows nothing of stops or budgets.
"""Engine port and the generic engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache

from backtrail_worker.decode.sampler import Picked, Sampler, picked
from backtrail_worker.decode.transfer import to_device
from backtrail_worker.model.load import Loaded, accepts

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """The next token of every row, on its way to the host."""

    packed_3R: torch.Tensor
    event: Any
    """CUDA event of the copy; None on the CPU."""

    @classmethod
    def leave(cls, packed_3R: torch.Tensor) -> Drawn:
        """Starts the copy now: what the device is given later need not be waited for."""
        if packed_3R.device.type != "cuda":
            return cls(packed_3R, None)
        host_3R = torch.empty(packed_3R.shape, dtype=packed_3R.dtype, pin_memory=True)
        host_3R.copy_(packed_3R, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return cls(host_3R, event)

    def read(self) -> Picked:
        """Waits for the copy. Raises WorkerFault "non-finite"."""
        if self.event is not None:
            self.event.synchronize()
        return picked(self.packed_3R)


class Engine(Protocol):
    """
    Rows in a fixed order, which `keep` selects from. Made for the prefixes of one call, which are admitted by
    number, in rising order.
    """

    refills: bool
    """Whether `admit` may be called while rows are active."""
    ahead: int
    """How many draws may be under way before the first of them is read: they keep a GPU busy meanwhile."""

    def admit(self, numbers: list[int], counts: list[int], rows: list[int]) -> None:
        """
        The first counts[0] of these rows are to continue prefix numbers[0], the next counts[1] prefix
        numbers[1], and so on. `rows` rises: rows that are needed no more, then new ones behind the last. An
        engine that does not refill has no rows then, and gets 0, 1, 2...
        """

    def draw(self, uniforms_R: F64) -> Drawn:
        """Draws one more token for each row, which is what the row continues with at the next draw."""

    def keep(self, rows: list[int]) -> None:
        """Keeps these rows, in this order, and drops the others."""


class HfEngine:
    """Left-padded batch on a DynamicCache."""

    refills = False
    ahead = 0

    def __init__(self, loaded: Loaded, sampler: Sampler, prefixes: list[list[int]]) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self._last_position = loaded.described.context - 1
        self._pad = loaded.described.pad
        self._one_logit = accepts(loaded.model, "logits_to_keep")
        self._positions = accepts(loaded.model, "position_ids")
        self._sampler, self._prefixes = sampler, prefixes
        self._cache: Any = None
        self._mask_RT = torch.zeros(0, 0)
        self._next_R = torch.zeros(0)
        self._tokens_R = torch.zeros(0)
        self._first_RV: torch.Tensor | None = None
        """Logits that the prefill of the rows left behind."""

    def _forward(self, tokens_RT: torch.Tensor, positions_RT: torch.Tensor) -> torch.Tensor:
        extra: dict[str, Any] = {"logits_to_keep": 1} if self._one_logit else {}
        if self._positions:
            extra["position_ids"] = positions_RT
        out = self._model(
            input_ids=tokens_RT,
            attention_mask=self._mask_RT,
            past_key_values=self._cache,
            use_cache=True,
            **extra,
        )
        self._cache = out.past_key_values
        logits_RV: torch.Tensor = out.logits[:, -1]
        return logits_RV

    def admit(self, numbers: list[int], counts: list[int], rows: list[int]) -> None:
        prefixes = [self._prefixes[number] for number in numbers]
        width = max(map(len, prefixes))
        padded = [[self._pad] * (width - len(one)) + one for one in prefixes]
        tokens_PT = to_device(torch.tensor(padded), self._device)
        lengths_P = to_device(torch.tensor([len(one) for one in prefixes]), self._device)
        column_T = torch.arange(width, device=self._device)
        self._mask_RT = (column_T >= (width - lengths_P).unsqueeze(1)).long()
        self._cache = DynamicCache(config=self._model.config)
        logits_PV = self._forward(tokens_PT, (self._mask_RT.cumsum(-1) - 1).clamp(min=0))
        rows_R = to_device(torch.arange(len(prefixes)).repeat_interleave(torch.tensor(counts)), self._device)
        self._cache.batch_select_indices(rows_R)
        self._mask_RT = self._mask_RT[rows_R]
        self._next_R = lengths_P[rows_R]
        self._first_RV = logits_PV[rows_R]

    def draw(self, uniforms_R: F64) -> Drawn:
        logits_RV, self._first_RV = self._first_RV, None
        if logits_RV is None:
            self._mask_RT = torch.cat([self._mask_RT, self._mask_RT.new_ones(len(self._tokens_R), 1)], 1)
            logits_RV = self._forward(self._tokens_R.unsqueeze(1), self._next_R.unsqueeze(1))
            # Ended rows that are not yet dropped must not read beyond the position table.
            self._next_R = (self._next_R + 1).clamp(max=self._last_position)
        packed_3R = self._sampler.draw(logits_RV, to_device(torch.from_numpy(uniforms_R), self._device))
        self._tokens_R = packed_3R[0].long()
        return Drawn.leave(packed_3R)

    def keep(self, rows: list[int]) -> None:
        rows_R = to_device(torch.tensor(rows), self._device)
        if not rows:
            self._cache = None
            return
        self._cache.batch_select_indices(rows_R)
        self._mask_RT, self._next_R = self._mask_RT[rows_R], self._next_R[rows_R]
        self._tokens_R = self._tokens_R[rows_R]
