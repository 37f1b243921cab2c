# Beam sampling as the published decoder does it: transformers' generate with do_sample and as many beams as
# returned sequences, one prefix at a time, then one scoring pass. Kept apart: its results depend on the
# beams of one prefix together.
"""The "beam-sample" mode of generate."""

from __future__ import annotations

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.decode.completion import Completion, Stops, pack_chunk
from backtrail_worker.decode.generate import Group
from backtrail_worker.decode.score import logits_of, token_logprobs
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import FINISH_CONTEXT, FINISH_LENGTH, Generate, RequestError


def _beams(loaded: Loaded, group: Group, params: Generate) -> list[list[int]]:
    """New tokens of each returned beam, best first, cut before the first end token."""
    members = group.completions
    device = loaded.device
    prefix_1T = torch.tensor([group.prefix], device=device)
    room = min(members[0].budget, members[0].room)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(members[0].seed)
        out_NT = loaded.model.generate(
            input_ids=prefix_1T,
            attention_mask=torch.ones_like(prefix_1T),
            do_sample=True,
            num_beams=len(members),
            num_return_sequences=len(members),
            max_new_tokens=room,
            temperature=params.temperature,
            top_k=params.top_k,
            top_p=params.top_p,
            pad_token_id=loaded.described.pad,
            eos_token_id=sorted(loaded.described.ends),
        )
    results: list[list[int]] = []
    for row in out_NT[:, len(group.prefix) :].tolist():
        end = next((at for at, token in enumerate(row) if token in loaded.described.ends), None)
        results.append(row if end is None else [*row[:end], row[end]])
    return results


def _fill(
    item: Completion, tokens: list[int], logprobs: list[float], stops: Stops, ends: frozenset[int]
) -> None:
    for token, logprob in zip(tokens, logprobs, strict=True):
        if item.finish is None:
            # What a beam was sampled by is the score of whole beams: the log-prob as sampled is the model's
            # own.
            item.add(token, logprob, logprob, stops, ends)
    if item.finish is None:
        item.finish = FINISH_LENGTH if item.budget <= item.room else FINISH_CONTEXT


@torch.inference_mode()
def beam_sample(loaded: Loaded, groups: list[Group], params: Generate, context: Context) -> Answer:
    """Answers generate in mode "beam-sample". Stop texts cut the returned beams; they do not steer them."""
    if params.temperature == 0:
        raise RequestError('beams "beam-sample" needs a temperature above 0')
    stops = Stops(params.stops, loaded.described.text)
    ends = loaded.described.ends
    total = tokens = 0
    for number, group in enumerate(groups):
        context.check()
        members = group.completions
        if not members:
            continue
        if len({item.budget for item in members}) > 1:
            raise RequestError('beams "beam-sample" needs one budget for all completions of a prefix')
        for item in members:
            item.start()
        if members[0].finish is None:
            rows = _beams(loaded, group, params)
            sequences = [np.array(group.prefix + row, dtype=np.int64) for row in rows]
            scores = token_logprobs(logits_of(loaded, sequences), sequences)
            for item, row, values in zip(members, rows, scores, strict=True):
                _fill(item, row, values[len(group.prefix) :].tolist(), stops, ends)
        context.chunk(*pack_chunk(members, loaded.described.text))
        total += len(members)
        tokens += sum(len(item.tokens) for item in members)
        context.progress(number + 1, len(groups))
    prefix_tokens = sum(len(group.prefix) for group in groups if group.completions)
    return Answer({"completions": total, "tokens": tokens, "prefixTokens": prefix_tokens})
