# Decode engines: rows of a batch with their key-value caches. `HfEngine` drives any causal LM of
# transformers; it knows nothing of sampling, stops or budgets.
"""Engine port and the generic engine."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from transformers import DynamicCache

from backtrail_worker.model.load import Loaded, accepts


class Engine(Protocol):
    """Rows in a fixed order: admitted ones are appended, `keep` selects."""

    refills: bool
    """Whether `admit` may be called while rows are active."""

    def admit(self, prefixes: list[list[int]], counts: list[int]) -> torch.Tensor:
        """
        Prefills each prefix once, appends counts[i] rows for it; logits of the next token for the new rows
        [R, V].
        """

    def step(self, tokens: list[int]) -> torch.Tensor:
        """Appends one token to each row; logits of the next one [R, V]."""

    def keep(self, rows: list[int]) -> None:
        """Keeps these rows, in this order, and drops the others."""


class HfEngine:
    """Left-padded batch on a DynamicCache."""

    refills = False

    def __init__(self, loaded: Loaded) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self._last_position = loaded.described.context - 1
        self._pad = loaded.described.pad
        self._one_logit = accepts(loaded.model, "logits_to_keep")
        self._positions = accepts(loaded.model, "position_ids")
        self._cache: Any = None
        self._mask_RT = torch.zeros(0, 0)
        self._next_R = torch.zeros(0)

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

    def admit(self, prefixes: list[list[int]], counts: list[int]) -> torch.Tensor:
        width = max(map(len, prefixes))
        tokens_PT = torch.tensor(
            [[self._pad] * (width - len(one)) + one for one in prefixes], device=self._device
        )
        lengths_P = torch.tensor([len(one) for one in prefixes], device=self._device)
        column_T = torch.arange(width, device=self._device)
        self._mask_RT = (column_T >= (width - lengths_P).unsqueeze(1)).long()
        self._cache = DynamicCache(config=self._model.config)
        logits_PV = self._forward(tokens_PT, (self._mask_RT.cumsum(-1) - 1).clamp(min=0))
        rows_R = torch.arange(len(prefixes)).repeat_interleave(torch.tensor(counts)).to(self._device)
        self._cache.batch_select_indices(rows_R)
        self._mask_RT = self._mask_RT[rows_R]
        self._next_R = lengths_P[rows_R]
        return logits_PV[rows_R]

    def step(self, tokens: list[int]) -> torch.Tensor:
        tokens_R1 = torch.tensor(tokens, device=self._device).unsqueeze(1)
        self._mask_RT = torch.cat([self._mask_RT, self._mask_RT.new_ones(len(tokens), 1)], 1)
        logits_RV = self._forward(tokens_R1, self._next_R.unsqueeze(1))
        # Ended rows that are not yet dropped must not read beyond the position table.
        self._next_R = (self._next_R + 1).clamp(max=self._last_position)
        return logits_RV

    def keep(self, rows: list[int]) -> None:
        rows_R = torch.tensor(rows, device=self._device)
        if not rows:
            self._cache = None
            return
        self._cache.batch_select_indices(rows_R)
        self._mask_RT, self._next_R = self._mask_RT[rows_R], self._next_R[rows_R]
