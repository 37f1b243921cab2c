# Rows or inline sequences -> one right-padded batch with a weight for each predicted token. Numpy only.
"""Batches for forward_backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtrail_worker.data.dataset import Dataset
from backtrail_worker.protocol import Array, Arrays, RequestError


@dataclass(frozen=True)
class Batch:
    """
    Right-padded: tokens int32 [B, T]; weights float32 [B, T] at the position of the token predicted, 0 =
    not trained.
    """

    tokens: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    trained: npt.NDArray[np.bool_]
    real_tokens: int


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


def _pad(rows: list[tuple[Array, Array, Array]], pad: int) -> Batch:
    width = max(len(tokens) for tokens, _, _ in rows)
    tokens_BT = np.full((len(rows), width), pad, dtype=np.int32)
    weights_BT = np.zeros((len(rows), width), dtype=np.float32)
    trained_BT = np.zeros((len(rows), width), dtype=np.bool_)
    for index, (tokens, weights, trained) in enumerate(rows):
        tokens_BT[index, : len(tokens)] = tokens
        weights_BT[index, : len(tokens)] = weights
        trained_BT[index, : len(tokens)] = trained
    return Batch(tokens_BT, weights_BT, trained_BT, sum(len(tokens) for tokens, _, _ in rows))


def from_rows(dataset: Dataset, arrays: Arrays, pad: int) -> Batch:
    """Bins `rows` and `weights` (one for each trained token of the row). Raises RequestError."""
    rows, weights = need(arrays, {"rows": ("int32", 1), "weights": ("float32", 1)})
    if len(rows) == 0 or len(rows) != len(weights):
        raise RequestError(
            f"{len(rows)} rows and {len(weights)} weights; there must be as many, and one at least"
        )
    if int(rows.min()) < 0 or int(rows.max()) >= dataset.rows:
        raise RequestError(f"rows run from {rows.min()} to {rows.max()}, the dataset has {dataset.rows}")
    picked: list[tuple[Array, Array, Array]] = []
    for row, weight in zip(rows.tolist(), weights, strict=True):
        begin, end = dataset.starts[row], dataset.starts[row + 1]
        trained = dataset.mask[begin:end].astype(np.bool_)
        picked.append((dataset.tokens[begin:end], np.where(trained, weight, np.float32(0)), trained))
    return _pad(picked, pad)


def from_inline(arrays: Arrays, pad: int, vocabulary: int) -> Batch:
    """Bins `tokens`, `lengths`, `tokenWeights`. Raises RequestError."""
    shapes = {"tokens": ("int32", 1), "lengths": ("int32", 1), "tokenWeights": ("float32", 1)}
    tokens, lengths, weights = need(arrays, shapes)
    if len(lengths) == 0:
        raise RequestError("no sequences")
    if len(tokens) != len(weights):
        raise RequestError(f"{len(tokens)} tokens and {len(weights)} tokenWeights")
    check_ids(tokens, vocabulary)
    sequences, per_token = split(tokens, lengths), split(weights, lengths)
    if any(weight[0] != 0 for weight in per_token):
        raise RequestError(
            "the first token of a sequence has a weight, but nothing stands before it to predict it"
        )
    return _pad([(one, weight, weight != 0) for one, weight in zip(sequences, per_token, strict=True)], pad)
