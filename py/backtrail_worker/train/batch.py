# Rows or inline sequences -> one batch, right-padded or packed, with a weight for each predicted token. Numpy
# only.
"""Batches for forward_backward."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backtrail_worker.data.dataset import Dataset
from backtrail_worker.protocol import Array, Arrays, ForwardBackward, PolicyLoss, RequestError

# Packed rows are a multiple of the first wide and at most the second, or as wide as the longest sequence: GPU
# kernels want masks whose width is a multiple of 16.
PACK_STEP, PACK_WIDTH = 32, 512
# Under a block mask attention costs width x tokens: as much as the rest of the model at about this width. Of
# 1B parameters it is 15k by operations; kernels with a mask are assumed to be 7 times slower than products.
PACK_DOUBLES = 2048
POLICY_COLUMNS = ("advantages", "oldLogprobs", "refLogprobs")


@dataclass(frozen=True)
class Sequence:
    """One example [T]; `weights` and `columns` stand at the position of the token predicted."""

    tokens: Array
    weights: Array
    trained: Array
    columns: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """
    tokens int32 [B, T]; weights float32 [B, T] at the position of the token predicted, trained bool [B, T].
    Padding stands right and is not trained. `positions` int32 [B, T], packed batches only: restart at 0 where
    a sequence begins, and nothing may see across; 0 in padding, which no context is too short for. `longest`:
    tokens of the longest sequence.
    """

    tokens: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    trained: npt.NDArray[np.bool_]
    real_tokens: int
    longest: int
    positions: npt.NDArray[np.int32] | None = None
    columns: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def need(arrays: Arrays, shapes: dict[str, tuple[str, int]]) -> list[Array]:
    """
    The named bins, checked for element type and number of dimensions; no others may come. Raises
    RequestError.
    """
    if arrays.keys() != shapes.keys():
        raise RequestError(f"bins must be {sorted(shapes)}, found {sorted(arrays)}")
    for name, (kind, dims) in shapes.items():
        if arrays[name].dtype.name != kind or arrays[name].ndim != dims:
            found = f"{arrays[name].dtype.name} with {arrays[name].ndim} dimensions"
            raise RequestError(f'bin "{name}" must be {kind} with {dims} dimensions, found {found}')
    return [arrays[name] for name in shapes]


def split(tokens: Array, lengths: Array) -> list[npt.NDArray[np.int32]]:
    """Sequences end to end -> list of sequences. Raises RequestError when the lengths do not add up."""
    if (lengths < 1).any():
        raise RequestError("lengths must be at least 1")
    if int(lengths.sum()) != len(tokens):
        raise RequestError(f"lengths add up to {int(lengths.sum())}, there are {len(tokens)} tokens")
    return np.split(tokens, np.cumsum(lengths)[:-1]) if len(lengths) else []


def check_ids(tokens: Array, vocabulary: int) -> None:
    """Raises RequestError for a token id outside the model's vocabulary."""
    if len(tokens) and (int(tokens.min()) < 0 or int(tokens.max()) >= vocabulary):
        raise RequestError(
            f"token ids run from {tokens.min()} to {tokens.max()}, the vocabulary has {vocabulary}"
        )


def _lay_out(sequences: list[Sequence], rows: list[list[int]], width: int, pad: int, packed: bool) -> Batch:
    """Sequences by number into rows, end to end."""
    shape = (len(rows), width)
    tokens_BT = np.full(shape, pad, dtype=np.int32)
    weights_BT = np.zeros(shape, dtype=np.float32)
    trained_BT = np.zeros(shape, dtype=np.bool_)
    positions_BT = np.zeros(shape, dtype=np.int32)
    columns = {name: np.zeros(shape, dtype=np.float32) for name in sequences[0].columns}
    for row, members in enumerate(rows):
        begin = 0
        for member in members:
            one = sequences[member]
            end = begin + len(one.tokens)
            tokens_BT[row, begin:end] = one.tokens
            weights_BT[row, begin:end] = one.weights
            trained_BT[row, begin:end] = one.trained
            positions_BT[row, begin:end] = np.arange(end - begin)
            for name, values in one.columns.items():
                columns[name][row, begin:end] = values
            begin = end
    lengths = [len(one.tokens) for one in sequences]
    positions = positions_BT if packed else None
    return Batch(tokens_BT, weights_BT, trained_BT, sum(lengths), max(lengths), positions, columns)


def padded(sequences: list[Sequence], pad: int) -> Batch:
    """One sequence a row, as wide as the longest."""
    width = max(len(one.tokens) for one in sequences)
    return _lay_out(sequences, [[index] for index in range(len(sequences))], width, pad, False)


def _fit(lengths: list[int], order: list[int], width: int) -> list[list[int]]:
    """Rows that hold all sequences: each, in this order, goes into the fullest row with room for it."""
    rows: list[list[int]] = []
    # (room left, row), ascending.
    room: list[tuple[int, int]] = []
    for member in order:
        at = bisect_left(room, (lengths[member], 0))
        if at == len(room):
            free, row = width, len(rows)
            rows.append([])
        else:
            free, row = room.pop(at)
        rows[row].append(member)
        insort(room, (free - lengths[member], row))
    return rows


def packed(sequences: list[Sequence], pad: int) -> Batch:
    """
    Sequences end to end, none cut, in rows of the width that costs least: narrow rows spare attention, wide
    ones padding.
    """
    lengths = [len(one.tokens) for one in sequences]
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    least = -(-max(lengths) // PACK_STEP) * PACK_STEP
    widths = range(least, max(least, PACK_WIDTH) + 1, PACK_STEP)
    ways = [(_fit(lengths, order, width), width) for width in widths]
    rows, width = min(ways, key=lambda way: len(way[0]) * way[1] * (PACK_DOUBLES + way[1]))
    return _lay_out(sequences, rows, width, pad, True)


def from_rows(dataset: Dataset, arrays: Arrays) -> list[Sequence]:
    """Bins `rows` and `weights` (one for each trained token of the row). Raises RequestError."""
    rows, weights = need(arrays, {"rows": ("int32", 1), "weights": ("float32", 1)})
    if len(rows) == 0 or len(rows) != len(weights):
        raise RequestError(
            f"{len(rows)} rows and {len(weights)} weights; there must be as many, and one at least"
        )
    if int(rows.min()) < 0 or int(rows.max()) >= dataset.rows:
        raise RequestError(f"rows run from {rows.min()} to {rows.max()}, the dataset has {dataset.rows}")
    picked: list[Sequence] = []
    for row, weight in zip(rows.tolist(), weights, strict=True):
        begin, end = dataset.starts[row], dataset.starts[row + 1]
        trained = dataset.mask[begin:end].astype(np.bool_)
        picked.append(Sequence(dataset.tokens[begin:end], np.where(trained, weight, np.float32(0)), trained))
    return picked


def from_inline(arrays: Arrays, vocabulary: int, columns: tuple[str, ...] = ()) -> list[Sequence]:
    """Bins `tokens`, `lengths`, `tokenWeights` and `columns`, float32 per token. Raises RequestError."""
    shapes = {"tokens": ("int32", 1), "lengths": ("int32", 1), "tokenWeights": ("float32", 1)}
    tokens, lengths, weights, *more = need(arrays, shapes | dict.fromkeys(columns, ("float32", 1)))
    if len(lengths) == 0:
        raise RequestError("no sequences")
    for name, values in zip(("tokenWeights", *columns), (weights, *more), strict=True):
        if len(tokens) != len(values):
            raise RequestError(f"{len(tokens)} tokens and {len(values)} {name}")
    check_ids(tokens, vocabulary)
    per_token = split(weights, lengths)
    if any(weight[0] != 0 for weight in per_token):
        raise RequestError(
            "the first token of a sequence has a weight, but nothing stands before it to predict it"
        )
    parts = [split(values, lengths) for values in more]
    return [
        Sequence(one, weight, weight != 0, {name: part[i] for name, part in zip(columns, parts, strict=True)})
        for i, (one, weight) in enumerate(zip(split(tokens, lengths), per_token, strict=True))
    ]


def read(params: ForwardBackward, arrays: Arrays, dataset: Dataset | None, vocabulary: int) -> list[Sequence]:
    """The sequences of a forward_backward call. Raises RequestError."""
    policy = params.policy if isinstance(params.policy, PolicyLoss) else None
    if (params.loss == "policy_gradient") != (policy is not None):
        raise RequestError(f'loss "{params.loss}" {"takes no" if policy else "needs"} `policy`')
    if dataset is not None:
        if policy is not None:
            raise RequestError("policy_gradient takes inline sequences, not rows of a dataset")
        return from_rows(dataset, arrays)
    columns = () if policy is None else POLICY_COLUMNS[: 3 if policy.kl > 0 else 2]
    return from_inline(arrays, vocabulary, columns)
