# Log-probabilities of given sequences: one forward per batch of similar lengths. Knows no policy.
"""The score primitive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Array, Arrays, RequestError, Score
from backtrail_worker.train.batch import check_ids, need, split

# Bounds of one forward: padded tokens, and elements of its float32 logits (1 GiB).
TOKENS_AT_ONCE = 16384
LOGITS_AT_ONCE = 1 << 28


def _batches(lengths: list[int], vocabulary: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, within both bounds."""
    most = max(1, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary))
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and lengths[index] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def logits_of(loaded: Loaded, sequences: list[Array]) -> torch.Tensor:
    """
    Float32 logits [B, T, V] of sequences, right-padded: what stands after the end changes nothing before
    it.
    """
    width = max(map(len, sequences))
    tokens_BT = np.full((len(sequences), width), loaded.described.pad, dtype=np.int64)
    for row, sequence in enumerate(sequences):
        tokens_BT[row, : len(sequence)] = sequence
    logits_BTV: torch.Tensor = loaded.model(
        torch.from_numpy(tokens_BT).to(loaded.device), use_cache=False
    ).logits
    return logits_BTV.float()


def token_logprobs(logits_BTV: torch.Tensor, sequences: list[Array]) -> list[Array]:
    """Log-probability of each token given those before it, 0 for the first; float32 [T] per sequence."""
    results: list[Array] = []
    for logits_TV, sequence in zip(logits_BTV, sequences, strict=True):
        values_T = np.zeros(len(sequence), dtype=np.float32)
        if len(sequence) > 1:
            logprobs_TV = torch.log_softmax(logits_TV[: len(sequence) - 1], -1)
            labels_T1 = torch.from_numpy(sequence[1:].astype(np.int64)).to(logits_TV.device).unsqueeze(1)
            values_T[1:] = logprobs_TV.gather(1, labels_T1).squeeze(1).cpu().numpy()
        results.append(values_T)
    return results


@torch.inference_mode()
def score(loaded: Loaded, params: Score, arrays: Arrays, context: Context) -> Answer:
    """Answers the score primitive. Raises RequestError."""
    tokens, lengths = need(arrays, {"tokens": ("int32", 1), "lengths": ("int32", 1)})
    vocabulary = int(loaded.model.get_input_embeddings().weight.shape[0])
    check_ids(tokens, vocabulary)
    check_ids(np.array(params.named, dtype=np.int64), vocabulary)
    sequences = split(tokens, lengths)
    if len(lengths) and int(lengths.max()) > loaded.described.context:
        raise RequestError(
            f"a sequence has {int(lengths.max())} tokens, the context is {loaded.described.context}"
        )
    firsts = np.concatenate(([0], np.cumsum(lengths)))
    logprobs = np.zeros(len(tokens), dtype=np.float32)
    named = np.zeros((len(tokens), len(params.named)), dtype=np.float32)
    ids_K = torch.tensor(params.named, dtype=torch.long, device=loaded.device)
    done = 0
    for batch in _batches(lengths.tolist(), vocabulary):
        context.check()
        some = [sequences[index] for index in batch]
        logits_BTV = logits_of(loaded, some)
        for index, values in zip(batch, token_logprobs(logits_BTV, some), strict=True):
            logprobs[firsts[index] : firsts[index + 1]] = values
        if params.named:
            named_BTK = (logits_BTV[:, :, ids_K] - logits_BTV.logsumexp(-1, keepdim=True)).cpu().numpy()
            for row, index in enumerate(batch):
                named[firsts[index] : firsts[index + 1]] = named_BTK[row, : lengths[index]]
        done += len(batch)
        context.progress(done, len(lengths))
    out: Arrays = {"logprobs": logprobs}
    if params.named:
        out["named"] = named
    return Answer({"sequences": len(lengths), "tokens": len(tokens)}, out)
