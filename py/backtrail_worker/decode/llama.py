# The engine for models of the Llama shape (Llama, Qwen2): fused projections, a static cache whose rows stand
# at positions of their own, slots refilled while others run. It computes what transformers computes
# (test_decode.py holds both engines together).
"""Fast engine for Llama."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from backtrail_worker.decode.board import Board
from backtrail_worker.decode.engine import F64, Drawn
from backtrail_worker.decode.sampler import Sampler
from backtrail_worker.decode.shape import misfit_of
from backtrail_worker.decode.transfer import to_device
from backtrail_worker.model.load import Loaded

# Padded tokens of one prefill: enough to keep the device busy, and a call is not deaf for long meanwhile.
CPU_PREFILL_TOKENS, GPU_PREFILL_TOKENS = 1024, 4096
# Lengths of the cache that a step looks at, where steps are recorded: one graph for all within a multiple.
STATIC_LENGTHS = 32
STATIC_ROWS = 8


def misfit(loaded: Loaded) -> str | None:
    """Why the model is not of the exact shape that this engine computes; None if it is."""
    return misfit_of(loaded.described.config)


def head_size(config: Any) -> int:
    """Elements of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@dataclass(frozen=True)
class Layer:
    """Weights of a layer, those that read the same input side by side."""

    norm_in: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    norm_mlp: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    act: Any


def _joined(layers: list[Any]) -> torch.Tensor:
    """The matrices of linear layers as one, of which theirs become parts: nothing is held twice."""
    # Outside of inference mode: a tensor made in it could be nobody's parameter.
    with torch.inference_mode(False), torch.no_grad():
        joined = torch.cat([one.weight for one in layers])
        for one, part in zip(layers, torch.split(joined, [len(one.weight) for one in layers]), strict=True):
            one.weight.data = part
    return joined


def _fused(loaded: Loaded) -> list[Layer]:
    """The weights side by side, arranged once per model in memory."""
    if loaded.fused is None:
        layers = []
        for layer in loaded.model.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            projections = [attention.q_proj, attention.k_proj, attention.v_proj]
            biases = [one.bias for one in projections if one.bias is not None]
            layers.append(
                Layer(
                    norm_in=layer.input_layernorm.weight,
                    qkv=_joined(projections),
                    qkv_bias=torch.cat(biases) if biases else None,
                    out=attention.o_proj.weight,
                    norm_mlp=layer.post_attention_layernorm.weight,
                    gate_up=_joined([mlp.gate_proj, mlp.up_proj]),
                    down=mlp.down_proj.weight,
                    # Its forward alone: the call of a module costs as much as its work on a small model.
                    act=mlp.act_fn.forward,
                )
            )
        loaded.fused = layers
    layers_of_model: list[Layer] = loaded.fused
    return layers_of_model


@torch.inference_mode()
def make_board(loaded: Loaded, slots: int, longest: int, asked: int = 0) -> Board:
    """Memory for rows of this model."""
    config, device, dtype = loaded.described.config, loaded.device, _fused(loaded)[0].qkv.dtype
    size = head_size(config)
    shape = (config.num_hidden_layers, 2, slots, config.num_key_value_heads, longest, size)
    positions_1L = torch.arange(longest, device=device).unsqueeze(0)
    cos_1LD, sin_1LD = loaded.model.model.rotary_emb(torch.zeros(1, dtype=dtype, device=device), positions_1L)
    # With its first half negative, a turn is x * cos + swapped halves of x * sin.
    sin_LD = torch.cat([-sin_1LD[0, :, : size // 2], sin_1LD[0, :, size // 2 :]], 1)
    return Board(torch.zeros(shape, dtype=dtype, device=device), cos_1LD[0], sin_LD, asked)


class LlamaEngine:
    """
    Rows 0..R-1 of a board are active. A prefix is computed once, without its last token, and copied into the
    rows that continue it; that last token is the first that the rows themselves compute.
    """

    refills = True

    def __init__(
        self,
        loaded: Loaded,
        sampler: Sampler,
        prefixes: list[list[int]],
        board: Board,
        static: bool | None = None,
    ) -> None:
        """`static`: steps of few sizes, which CUDA graphs can hold (None: on a GPU)."""
        config, self._device = loaded.described.config, loaded.device
        self._model, self._head = loaded.model.model, loaded.model.get_output_embeddings()
        self._layers = _fused(loaded)
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._size, self._epsilon = head_size(config), float(config.rms_norm_eps)
        self._sampler, self._prefixes, self._board = sampler, prefixes, board
        self._static = loaded.device.type == "cuda" if static is None else static
        self.ahead = 1 if self._static else 0
        # Of prefixes begin..end-1: [layers, 2, end - begin, kv heads, width, size].
        self._begin, self._end = 0, 0
        self._prefilled = board.cache[:, :, :0, :, :0]
        self._num = 0
        self._pos_S = np.zeros(board.slots, dtype=np.int64)

    # ---- prefixes

    def admit(self, numbers: list[int], counts: list[int], rows: list[int]) -> None:
        self._num = max(self._num, rows[-1] + 1)
        first, begin = 0, 0
        while first < len(numbers):
            if numbers[first] >= self._end:
                self._prefill_from(numbers[first])
            last = first
            while last < len(numbers) and numbers[last] < self._end:
                last += 1
            end = begin + sum(counts[first:last])
            self._fill(numbers[first:last], counts[first:last], rows[begin:end])
            first, begin = last, end

    def _prefill_from(self, number: int) -> None:
        """This prefix and as many of those after it as belong into one forward."""
        bound = CPU_PREFILL_TOKENS if self._device.type == "cpu" else GPU_PREFILL_TOKENS
        # With one slot nothing may depend on what else is in the call.
        most = len(self._prefixes) if self._board.slots > 1 else number + 1
        width, end = len(self._prefixes[number]) - 1, number + 1
        while end < most:
            wider = max(width, len(self._prefixes[end]) - 1)
            if wider * (end + 1 - number) > bound:
                break
            width, end = wider, end + 1
        self._begin, self._end = number, end
        self._prefilled = self._prefill(self._prefixes[number:end], width)

    def _prefill(self, prefixes: list[list[int]], width: int) -> torch.Tensor:
        """Keys and values of all but the last token of each."""
        num, groups = len(prefixes), self._heads // self._kv_heads
        cache = self._board.cache
        shape = (cache.shape[0], 2, num, self._kv_heads, width, self._size)
        filled = torch.empty(shape, dtype=cache.dtype, device=self._device)
        if width == 0:
            return filled
        tokens_PT = torch.tensor([one[:-1] + [0] * (width + 1 - len(one)) for one in prefixes])
        x_ND = self._model.embed_tokens(to_device(tokens_PT.flatten(), self._device))
        cos_N1D, sin_N1D = (
            one_LD[:width].repeat(num, 1).unsqueeze(1) for one_LD in (self._board.cos_LD, self._board.sin_LD)
        )
        for number, layer in enumerate(self._layers):
            q, k, v = (
                one.view(num, width, -1, self._size).transpose(1, 2)
                for one in self._split(layer, x_ND, cos_N1D, sin_N1D)
            )
            filled[number, 0], filled[number, 1] = k, v
            if number + 1 < len(self._layers):
                # Padding stands right of the prefix, where a causal mask hides it.
                mixed = F.scaled_dot_product_attention(
                    q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), is_causal=True
                )
                x_ND = self._finish(layer, x_ND, mixed.transpose(1, 2).reshape(num * width, -1))
        return filled

    def _fill(self, numbers: list[int], counts: list[int], rows: list[int]) -> None:
        """Rows that continue prefixes of the last prefill."""
        board, width = self._board, self._prefilled.shape[4]
        source = [n - self._begin for n, count in zip(numbers, counts, strict=True) for _ in range(count)]
        rows_R, source_R = (to_device(torch.tensor(one), self._device) for one in (rows, source))
        for layer, prefilled in zip(board.cache, self._prefilled, strict=True):
            layer[:, :, :, :width].index_copy_(1, rows_R, prefilled.index_select(1, source_R))
        prefixes = [self._prefixes[self._begin + index] for index in source]
        self._pos_S[rows] = [len(one) - 1 for one in prefixes]
        board.tokens_S[rows_R] = to_device(torch.tensor([one[-1] for one in prefixes]), self._device)
        board.pos_S[rows_R] = to_device(torch.from_numpy(self._pos_S[rows]), self._device)

    # ---- steps

    def draw(self, uniforms_R: F64) -> Drawn:
        board, num = self._board, self._num
        pos_R = self._pos_S[:num]
        rows, used = self._extent(num, int(pos_R.max()) + 1)
        board.uniforms_S[:num] = to_device(torch.from_numpy(uniforms_R), self._device)
        key = (rows, used, self._sampler)
        board.graphs.run(key, lambda: self._advance(rows, used), [board.tokens_S, board.pos_S])
        # Ended rows that are still there must not write beyond the cache; on the board neither.
        np.minimum(pos_R + 1, board.longest - 1, out=pos_R)
        return Drawn.leave(board.drawn_3S[:, :num].clone())

    def _extent(self, rows: int, used: int) -> tuple[int, int]:
        """The rows and the positions of each that a step computes: these, or more."""
        board = self._board
        if not self._static:
            # Unread ends of rows are gaps that a processor does not fetch ahead over: they cost more than
            # they save until they are long. With one slot nothing may depend on what else is in the call.
            whole = board.slots > 1 and used * 2 >= board.longest
            return rows, board.longest if whole else used
        # Few sizes, so that few steps are recorded: all slots, a half, a quarter...; lengths in multiples.
        most = board.slots
        while most // 2 >= max(rows, STATIC_ROWS):
            most //= 2
        return most, min(-(-used // STATIC_LENGTHS) * STATIC_LENGTHS, board.longest)

    def _advance(self, rows: int, used: int) -> None:
        """One step of the first rows, on the board alone: from its tokens and positions to the next ones."""
        board = self._board
        tokens_R, pos_R = board.tokens_S[:rows], board.pos_S[:rows]
        packed_3R = self._sampler.draw(self._forward(tokens_R, pos_R, used), board.uniforms_S[:rows])
        board.drawn_3S[:, :rows] = packed_3R
        tokens_R.copy_(packed_3R[0])
        pos_R.add_(1).clamp_(max=board.longest - 1)

    def _forward(self, tokens_R: torch.Tensor, pos_R: torch.Tensor, used: int) -> torch.Tensor:
        """Logits [R, V] after one token of each row, which sees `used` positions of the cache at most."""
        num, board = len(tokens_R), self._board
        # Where each row's token stands in the cache seen as one list of positions, head by head.
        head_N = torch.arange(num * self._kv_heads, device=self._device)
        place_N = head_N * board.longest + pos_R.repeat_interleave(
            self._kv_heads, output_size=num * self._kv_heads
        )
        unseen_RT = torch.arange(used, device=self._device) > pos_R.unsqueeze(1)
        bias_R11T = torch.zeros(num, 1, 1, used, dtype=board.cache.dtype, device=self._device)
        bias_R11T.masked_fill_(unseen_RT[:, None, None], -torch.inf)
        cos_R1D, sin_R1D = board.cos_LD[pos_R].unsqueeze(1), board.sin_LD[pos_R].unsqueeze(1)
        x_RD = self._model.embed_tokens(tokens_R)
        for number, layer in enumerate(self._layers):
            q_RHD, k_RKD, v_RKD = self._split(layer, x_RD, cos_R1D, sin_R1D)
            keys, values = board.cache[number, 0], board.cache[number, 1]
            keys.view(-1, self._size).index_copy_(0, place_N, k_RKD.reshape(-1, self._size))
            values.view(-1, self._size).index_copy_(0, place_N, v_RKD.reshape(-1, self._size))
            # Queries of heads that share keys become the query positions of one head.
            q_RKGD = q_RHD.reshape(num, self._kv_heads, -1, self._size)
            mixed = self._attend(q_RKGD, keys[:num, :, :used], values[:num, :, :used], bias_R11T)
            x_RD = self._finish(layer, x_RD, mixed.reshape(num, -1))
        logits_RV: torch.Tensor = self._head(self._norm(x_RD, self._model.norm.weight))
        return logits_RV

    def _norm(self, x_ND: torch.Tensor, weight_D: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x_ND, weight_D.shape, weight_D, self._epsilon)

    def _split(
        self, layer: Layer, x_ND: torch.Tensor, cos_N1D: torch.Tensor, sin_N1D: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries [N, heads, size], keys and values [N, kv heads, size]; the first two turned."""
        qkv_NE = F.linear(self._norm(x_ND, layer.norm_in), layer.qkv, layer.qkv_bias)
        by_head = qkv_NE.view(len(x_ND), -1, self._size)
        qk, v = torch.split(by_head, [self._heads + self._kv_heads, self._kv_heads], 1)
        half = self._size // 2
        turned = torch.addcmul(qk * cos_N1D, torch.cat([qk[..., half:], qk[..., :half]], -1), sin_N1D)
        q, k = torch.split(turned, [self._heads, self._kv_heads], 1)
        return q, k, v

    def _finish(self, layer: Layer, x_ND: torch.Tensor, mixed_ND: torch.Tensor) -> torch.Tensor:
        x_ND = torch.addmm(x_ND, mixed_ND, layer.out.T)
        gate, up = F.linear(self._norm(x_ND, layer.norm_mlp), layer.gate_up).chunk(2, -1)
        return torch.addmm(x_ND, layer.act(gate) * up, layer.down.T)

    def _attend(
        self, q_RKGD: torch.Tensor, k_RKTD: torch.Tensor, v_RKTD: torch.Tensor, bias_R11T: torch.Tensor
    ) -> torch.Tensor:
        if self._device.type != "cpu":
            return F.scaled_dot_product_attention(q_RKGD, k_RKTD, v_RKTD, attn_mask=bias_R11T)
        # With one query a row, the CPU kernel of SDPA takes up to twice as long as these two products.
        scores_RKGT = torch.matmul(q_RKGD * self._size**-0.5, k_RKTD.transpose(2, 3)) + bias_R11T
        return torch.matmul(torch.softmax(scores_RKGT, -1), v_RKTD)

    def keep(self, rows: list[int]) -> None:
        kept_R = self._pos_S[rows]
        moves = [(to, row) for to, row in enumerate(rows) if to != row]
        if moves:
            self._board.move([to for to, _ in moves], [row for _, row in moves], int(kept_R.max()))
        self._num = len(rows)
        self._pos_S[: self._num] = kept_R
