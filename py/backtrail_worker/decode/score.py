# Log-probabilities and hidden states of given sequences: one forward per batch of similar lengths. Knows no
# policy.
"""The score primitive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.decode.transfer import to_device
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Array, Arrays, RequestError, Score
from backtrail_worker.train.batch import check_ids, need, split

# Bounds of one forward: padded tokens, and elements of its float32 logits and kept hidden states (1 GiB).
TOKENS_AT_ONCE = 16384
ELEMENTS_AT_ONCE = 1 << 28


def _batches(lengths: list[int], per_token: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, within both bounds; `per_token` elements are kept per token."""
    most = max(1, min(TOKENS_AT_ONCE, ELEMENTS_AT_ONCE // per_token))
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and lengths[index] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def forward(
    loaded: Loaded, sequences: list[Array], hidden: bool = False
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """
    Float32 logits [B, T, V] of sequences, right-padded: what stands after the end changes nothing before it.
    With `hidden` also transformers' hidden states, one [B, T, D] for the embeddings and each layer (the last
    one after the final norm).
    """
    width = max(map(len, sequences))
    tokens_BT = np.full((len(sequences), width), loaded.described.pad, dtype=np.int64)
    for row, sequence in enumerate(sequences):
        tokens_BT[row, : len(sequence)] = sequence
    tokens = to_device(torch.from_numpy(tokens_BT), loaded.device)
    out = loaded.model(tokens, use_cache=False, output_hidden_states=hidden)
    return out.logits.float(), out.hidden_states if hidden else ()


def token_logprobs(
    logits_BTV: torch.Tensor, totals_BT: torch.Tensor, sequences: list[Array]
) -> list[npt.NDArray[np.float32]]:
    """
    Log-probability of each token given those before it, 0 for the first; float32 [T] per sequence. `totals`
    is the logsumexp of the logits.
    """
    labels_BT = torch.zeros(totals_BT.shape, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        labels_BT[row, : len(sequence) - 1] = torch.from_numpy(sequence[1:].astype(np.int64))
    picked_BT = logits_BTV.gather(2, to_device(labels_BT, logits_BTV.device).unsqueeze(2)).squeeze(2)
    values_BT = (picked_BT - totals_BT).cpu().numpy()
    zero = np.zeros(1, dtype=np.float32)
    return [
        np.concatenate([zero, values_BT[row, : len(sequence) - 1]]) for row, sequence in enumerate(sequences)
    ]


def sequence_logprobs(loaded: Loaded, sequences: list[Array]) -> list[npt.NDArray[np.float32]]:
    """Log-probability of each token of each sequence, 0 for the first; in batches that fit."""
    rows = int(loaded.model.get_input_embeddings().weight.shape[0])
    results: list[npt.NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(sequences)
    for batch in _batches([len(one) for one in sequences], rows):
        some = [sequences[index] for index in batch]
        logits_BTV, _ = forward(loaded, some)
        values = token_logprobs(logits_BTV, logits_BTV.logsumexp(-1), some)
        for index, value in zip(batch, values, strict=True):
            results[index] = value
    return results


def _check(loaded: Loaded, params: Score, tokens: Array, lengths: Array) -> list[int]:
    """Refuses what the model cannot score; the layers whose hidden states are asked for."""
    vocabulary = int(loaded.model.get_input_embeddings().weight.shape[0])
    check_ids(tokens, vocabulary)
    check_ids(np.array(params.named, dtype=np.int64), vocabulary)
    if len(lengths) and int(lengths.max()) > loaded.described.context:
        raise RequestError(
            f"a sequence has {int(lengths.max())} tokens, the context is {loaded.described.context}"
        )
    layers = params.hidden if isinstance(params.hidden, list) else []
    count = int(loaded.described.config.num_hidden_layers)
    if any(layer > count for layer in layers):
        raise RequestError(
            f"hidden layer {max(layers)} does not exist: 0 is the embeddings, {count} the last layer"
        )
    return layers


@torch.inference_mode()
def score(loaded: Loaded, params: Score, arrays: Arrays, context: Context) -> Answer:
    """Answers the score primitive. Raises RequestError."""
    tokens, lengths = need(arrays, {"tokens": ("int32", 1), "lengths": ("int32", 1)})
    sequences = split(tokens, lengths)
    layers = _check(loaded, params, tokens, lengths)
    rows, width = loaded.model.get_input_embeddings().weight.shape
    firsts = np.concatenate(([0], np.cumsum(lengths)))
    out: Arrays = {"logprobs": np.zeros(len(tokens), dtype=np.float32)}
    if params.named:
        out["named"] = np.zeros((len(tokens), len(params.named)), dtype=np.float32)
    if layers:
        out["hidden"] = np.zeros((len(tokens), len(layers), width), dtype=np.float32)
    ids_K = to_device(torch.tensor(params.named, dtype=torch.long), loaded.device)
    # transformers keeps the states of every layer until the forward ends.
    kept = (int(loaded.described.config.num_hidden_layers) + 1) * width if layers else 0
    done = 0
    for batch in _batches(lengths.tolist(), rows + kept):
        context.check()
        some = [sequences[index] for index in batch]
        logits_BTV, states = forward(loaded, some, bool(layers))
        totals_BT = logits_BTV.logsumexp(-1)
        parts: dict[str, Sequence[Array]] = {"logprobs": token_logprobs(logits_BTV, totals_BT, some)}
        if params.named:
            parts["named"] = list((logits_BTV[:, :, ids_K] - totals_BT.unsqueeze(2)).cpu().numpy())
        if layers:
            parts["hidden"] = list(torch.stack([states[layer] for layer in layers], 2).float().cpu().numpy())
        for row, index in enumerate(batch):
            for name, values in parts.items():
                out[name][firsts[index] : firsts[index + 1]] = values[row][: lengths[index]]
        done += len(batch)
        context.progress(done, len(lengths))
    return Answer({"sequences": len(lengths), "tokens": len(tokens)}, out)
