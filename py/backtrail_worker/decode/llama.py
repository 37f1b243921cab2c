# The engine for models of the Llama shape (Llama, Qwen2): fused projections, a static cache whose rows stand
# at positions of their own, slots refilled while others run. It computes what transformers computes
# (test_decode.py holds both engines together).
"""Fast engine for Llama."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from backtrail_worker.decode.shape import misfit_of
from backtrail_worker.model.load import Loaded

# Padded tokens of one prefill: bounds its memory, whatever number of slots is filled at a time.
PREFILL_TOKENS = 16384


def misfit(loaded: Loaded) -> str | None:
    """Why the model is not of the exact shape that this engine computes; None if it is."""
    return misfit_of(loaded.described.config)


def head_size(config: Any) -> int:
    """Elements of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@dataclass(frozen=True)
class Layer:
    """Weights of a layer, those that read the same input side by side."""

    norm_in: Any
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    norm_mlp: Any
    gate_up: torch.Tensor
    down: torch.Tensor
    act: Any


def _fused(loaded: Loaded) -> list[Layer]:
    """Fused copies of the weights, made once per model in memory."""
    if loaded.fused is None:
        layers = []
        for layer in loaded.model.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            projections = [attention.q_proj, attention.k_proj, attention.v_proj]
            biases = [one.bias for one in projections if one.bias is not None]
            layers.append(
                Layer(
                    # Their forwards alone: the call of a module costs as much as its work on a small model.
                    norm_in=layer.input_layernorm.forward,
                    qkv=torch.cat([one.weight for one in projections]),
                    qkv_bias=torch.cat(biases) if biases else None,
                    out=attention.o_proj.weight,
                    norm_mlp=layer.post_attention_layernorm.forward,
                    gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
                    down=mlp.down_proj.weight,
                    act=mlp.act_fn.forward,
                )
            )
        loaded.fused = layers
    layers_of_model: list[Layer] = loaded.fused
    return layers_of_model


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary embedding; cos and sin broadcast over heads."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class LlamaEngine:
    """
    Rows 0..R-1 of a cache [layers, 2, slots, kv heads, longest, head size] are active; row r has pos_R[r]
    tokens. What stands behind a row's position is masked, so old contents never need clearing.
    """

    refills = True

    def __init__(self, loaded: Loaded, slots: int, longest: int) -> None:
        config, self._device = loaded.described.config, loaded.device
        self._model = loaded.model.model
        self._head = loaded.model.get_output_embeddings()
        self._layers = _fused(loaded)
        self._heads = config.num_attention_heads
        self._kv_heads = config.num_key_value_heads
        self._size = head_size(config)
        self._longest = longest
        dtype = self._layers[0].qkv.dtype
        shape = (len(self._layers), 2, slots, self._kv_heads, longest, self._size)
        self._cache = torch.zeros(shape, dtype=dtype, device=self._device)
        positions_1L = torch.arange(longest, device=self._device).unsqueeze(0)
        cos_1LD, sin_1LD = self._model.rotary_emb(
            torch.zeros(1, dtype=dtype, device=self._device), positions_1L
        )
        self._cos_LD, self._sin_LD = cos_1LD[0], sin_1LD[0]
        self._pos: list[int] = []

    def _split(
        self, layer: Layer, x_BTD: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Queries [B, heads, T, size], keys and values [B, kv heads, T, size]; the first two turned to their
        positions.
        """
        qkv = F.linear(layer.norm_in(x_BTD), layer.qkv, layer.qkv_bias)
        turned = self._heads + self._kv_heads
        qk, v = torch.split(qkv, [turned * self._size, self._kv_heads * self._size], -1)
        q, k = torch.split(_turn(self._by_head(qk), cos, sin), [self._heads, self._kv_heads], 1)
        return q, k, self._by_head(v)

    def _by_head(self, x_BTE: torch.Tensor) -> torch.Tensor:
        return x_BTE.view(*x_BTE.shape[:2], -1, self._size).transpose(1, 2)

    def _finish(self, layer: Layer, x_BTD: torch.Tensor, mixed_BTD: torch.Tensor) -> torch.Tensor:
        x_BTD = x_BTD + F.linear(mixed_BTD, layer.out)
        gate, up = F.linear(layer.norm_mlp(x_BTD), layer.gate_up).chunk(2, -1)
        return x_BTD + F.linear(layer.act(gate) * up, layer.down)

    def admit(self, prefixes: list[list[int]], counts: list[int]) -> torch.Tensor:
        parts: list[torch.Tensor] = []
        first = 0
        while first < len(prefixes):
            width, end = len(prefixes[first]), first + 1
            while end < len(prefixes):
                wider = max(width, len(prefixes[end]))
                if wider * (end + 1 - first) > PREFILL_TOKENS:
                    break
                width, end = wider, end + 1
            parts.append(self._prefill(prefixes[first:end], counts[first:end], width))
            first = end
        return torch.cat(parts)

    def _prefill(self, prefixes: list[list[int]], counts: list[int], width: int) -> torch.Tensor:
        first, groups = len(self._pos), self._heads // self._kv_heads
        tokens_PT = torch.tensor([one + [0] * (width - len(one)) for one in prefixes], device=self._device)
        source = [index for index, count in enumerate(counts) for _ in range(count)]
        source_R = torch.tensor(source, device=self._device)
        cos_TD, sin_TD = self._cos_LD[:width], self._sin_LD[:width]
        x_PTD = self._model.embed_tokens(tokens_PT)
        for number, layer in enumerate(self._layers):
            q, k, v = self._split(layer, x_PTD, cos_TD, sin_TD)
            rows = self._cache[number, :, first : first + len(source), :, :width]
            rows[0], rows[1] = k[source_R], v[source_R]
            # Padding stands right of the prefix, where a causal mask hides it.
            mixed = F.scaled_dot_product_attention(
                q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), is_causal=True
            )
            x_PTD = self._finish(layer, x_PTD, mixed.transpose(1, 2).flatten(2))
        last_P = torch.tensor([len(one) - 1 for one in prefixes], device=self._device)
        x_PD = x_PTD[torch.arange(len(prefixes), device=self._device), last_P]
        self._pos += [len(prefixes[index]) for index in source]
        logits_PV: torch.Tensor = self._head(self._model.norm(x_PD))
        return logits_PV[source_R]

    def step(self, tokens: list[int]) -> torch.Tensor:
        num = len(tokens)
        pos_R = torch.tensor(self._pos, device=self._device)
        used = max(self._pos) + 1
        # Where each row's next token stands in the cache seen as one list of positions, head by head.
        head_N = torch.arange(num * self._kv_heads, device=self._device)
        place_N = head_N * self._longest + pos_R.repeat_interleave(self._kv_heads)
        unseen_RT = torch.arange(used, device=self._device) > pos_R.unsqueeze(1)
        bias_R11T = torch.zeros(num, 1, 1, used, dtype=self._cache.dtype, device=self._device)
        bias_R11T.masked_fill_(unseen_RT[:, None, None], -torch.inf)
        cos_R11D, sin_R11D = self._cos_LD[pos_R][:, None, None], self._sin_LD[pos_R][:, None, None]
        x_R1D = self._model.embed_tokens(torch.tensor(tokens, device=self._device)).unsqueeze(1)
        for number, layer in enumerate(self._layers):
            q, k, v = self._split(layer, x_R1D, cos_R11D, sin_R11D)
            keys, values = self._cache[number, 0], self._cache[number, 1]
            keys.flatten(0, 2).index_copy_(0, place_N, k.flatten(0, 2))
            values.flatten(0, 2).index_copy_(0, place_N, v.flatten(0, 2))
            # Queries of heads that share keys become the query positions of one head.
            q_RKGD = q.reshape(num, self._kv_heads, -1, self._size)
            mixed = self._attend(q_RKGD, keys[:num, :, :used], values[:num, :, :used], bias_R11T)
            x_R1D = self._finish(layer, x_R1D, mixed.reshape(num, 1, -1))
        # Ended rows that are not yet dropped must not write beyond the cache.
        self._pos = [min(pos + 1, self._longest - 1) for pos in self._pos]
        logits_RV: torch.Tensor = self._head(self._model.norm(x_R1D[:, 0]))
        return logits_RV

    def _attend(
        self, q_RKGD: torch.Tensor, k_RKTD: torch.Tensor, v_RKTD: torch.Tensor, bias_R11T: torch.Tensor
    ) -> torch.Tensor:
        if self._device.type != "cpu":
            return F.scaled_dot_product_attention(q_RKGD, k_RKTD, v_RKTD, attn_mask=bias_R11T)
        # With one query a row, the CPU kernel of SDPA takes up to twice as long as these two products.
        scores_RKGT = torch.matmul(q_RKGD * self._size**-0.5, k_RKTD.transpose(2, 3)) + bias_R11T
        return torch.matmul(torch.softmax(scores_RKGT, -1), v_RKTD)

    def keep(self, rows: list[int]) -> None:
        kept = [self._pos[row] for row in rows]
        moves = [(to, row) for to, row in enumerate(rows) if to != row]
        if moves:
            used = max(kept)
            to_R = torch.tensor([to for to, _ in moves], device=self._device)
            from_R = torch.tensor([row for _, row in moves], device=self._device)
            # Layer by layer: one indexed copy of the whole cache would need as much memory again.
            for layer in self._cache:
                for part in layer:
                    part[to_R, :, :used] = part[from_R, :, :used]
        self._pos = kept
