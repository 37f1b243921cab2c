# The reference engine, the published decoder's way: transformers' generate, one prefix at a time, then a
# second pass for the log-probabilities. Kept apart: completions of one prefix depend on each other.
"""Engine "reference" of generate, and its mode "beam-sample"."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from backtrail_worker.core.call import Answer, Context
from backtrail_worker.decode.completion import Stops, pack_chunk
from backtrail_worker.decode.groups import Group, totals
from backtrail_worker.decode.score import sequence_logprobs
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Generate, RequestError


def _how(params: Generate, count: int) -> dict[str, Any]:
    """Arguments of transformers' generate."""
    if params.temperature == 0:
        return {"do_sample": False, "num_beams": 1}
    return {
        "do_sample": True,
        "num_beams": count if params.beams == "beam-sample" else 1,
        "num_return_sequences": count,
        "temperature": params.temperature,
        "top_k": params.top_k,
        "top_p": params.top_p,
    }


def _generated(loaded: Loaded, group: Group, params: Generate) -> list[list[int]]:
    """
    New tokens of each completion (of beams the best first), cut after the first end token. Seeded by the
    first completion of the prefix.
    """
    members = group.completions
    device = loaded.device
    prefix_1T = torch.tensor([group.prefix], device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(members[0].seed)
        out_NT = loaded.model.generate(
            input_ids=prefix_1T,
            attention_mask=torch.ones_like(prefix_1T),
            max_new_tokens=min(members[0].budget, members[0].room),
            pad_token_id=loaded.described.pad,
            eos_token_id=sorted(loaded.described.ends),
            **_how(params, len(members)),
        )
    results: list[list[int]] = []
    for row in out_NT[:, len(group.prefix) :].tolist():
        end = next((at for at, token in enumerate(row) if token in loaded.described.ends), None)
        results.append(row if end is None else row[: end + 1])
    # Greedy completions of one prefix are all the same.
    return results * (len(members) // len(results))


def _check(params: Generate, groups: list[Group]) -> None:
    if params.engine == "continuous":
        raise RequestError('engine "continuous" has no beams; beams "beam-sample" runs on "reference"')
    if params.beams == "beam-sample" and params.temperature == 0:
        raise RequestError('beams "beam-sample" needs a temperature above 0')
    if any(len({item.budget for item in group.completions}) > 1 for group in groups):
        raise RequestError('the engine "reference" needs one budget for all completions of a prefix')


@torch.inference_mode()
def beam_sample(loaded: Loaded, groups: list[Group], params: Generate, context: Context) -> Answer:
    """
    Answers generate in mode "beam-sample", or on engine "reference" in any mode. Stop texts cut what came
    back; they do not end the decoding.
    """
    _check(params, groups)
    stops = Stops(params.stops, loaded.described.text)
    for number, group in enumerate(groups):
        context.check()
        members = group.completions
        if not members:
            continue
        for item in members:
            item.start()
        if members[0].finish is None:
            rows = _generated(loaded, group, params)
            sequences = [np.array(group.prefix + row, dtype=np.int64) for row in rows]
            scores = sequence_logprobs(loaded, sequences)
            for item, row, values in zip(members, rows, scores, strict=True):
                # What a beam was sampled by is the score of whole beams, and transformers tells no other
                # samples' either: the log-prob as sampled is the model's own, of greedy tokens 0.
                logprobs = values[len(group.prefix) :].tolist()
                sampled = logprobs if params.temperature else [0.0] * len(row)
                item.fill(row, logprobs, sampled, stops, loaded.described.ends)
        context.chunk(*pack_chunk(members, loaded.described.text))
        context.progress(number + 1, len(groups))
    return Answer({**totals(groups)})
