# transformers' own continuous batching as an engine, to compare with. One request per completion, one seed
# for the whole call: which completion draws which number depends on the batch. Knows no slots.
"""Engine "continuous" of generate."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from backtrail_worker.core.call import Answer, Context, WorkerFault
from backtrail_worker.decode.completion import Completion, Stops, pack_chunk
from backtrail_worker.decode.groups import Group, longest_of, totals
from backtrail_worker.decode.score import sequence_logprobs
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import Generate, RequestError

# The library types it in parts only.
GenerationConfig: Any = transformers.GenerationConfig

CHUNK_COMPLETIONS = 256
PAGE_TOKENS = 32
# transformers before 5.18 calls it so.
PAGE_FIELD = "page_size" if "page_size" in ContinuousBatchingConfig.__dataclass_fields__ else "block_size"
# Tokens of one forward: the largest batch that the tests and benchmarks ask for, with its prompts.
BATCH_TOKENS = 512
# Seconds between two looks at whether the call was cancelled.
POLL_S = 0.5


def refusal(loaded: Loaded) -> str | None:
    """Why continuous batching cannot run this model, if so."""
    attention = loaded.model.config._attn_implementation
    if attention != "sdpa":
        return f'it runs on paged sdpa attention here, and this model runs on "{attention}"'
    if not hasattr(loaded.model, "init_continuous_batching"):
        return f"transformers {transformers.__version__} has none for {loaded.described.config.model_type}"
    return None


def _settings(loaded: Loaded, groups: list[Group], params: Generate, seed: int) -> tuple[Any, Any]:
    longest = longest_of(groups)
    rows = min(BATCH_TOKENS, sum(len(group.completions) for group in groups))
    sampling = {"temperature": params.temperature, "top_k": params.top_k, "top_p": params.top_p}
    generation = GenerationConfig(
        do_sample=params.temperature > 0,
        max_new_tokens=longest,
        eos_token_id=sorted(loaded.described.ends),
        pad_token_id=loaded.described.pad,
        **(sampling if params.temperature > 0 else {}),
    )
    page: dict[str, Any] = {PAGE_FIELD: PAGE_TOKENS}
    batching = ContinuousBatchingConfig(
        **page,
        num_blocks=rows * -(-longest // PAGE_TOKENS) + 1,
        max_batch_tokens=max(BATCH_TOKENS, longest),
        use_cuda_graph=False,
        return_logprobs=True,
        seed=seed,
    )
    return generation, batching


def _run(
    loaded: Loaded, groups: list[Group], params: Generate, context: Context, stops: Stops
) -> list[Completion]:
    """Decodes all that may have a token; the completions in the order in which they ended."""
    waiting = {
        str(item.index): (group, item)
        for group in groups
        for item in group.completions
        if item.finish is None
    }
    ended: list[Completion] = []
    if not waiting:
        return ended
    seed = next(iter(waiting.values()))[1].seed & (2**63 - 1)
    generation, batching = _settings(loaded, groups, params, seed)
    devices = [loaded.device] if loaded.device.type == "cuda" else []
    # Its thread writes tensors that are made here: under inference mode it could not. It seeds the generator
    # of the whole process.
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        torch.random.fork_rng(devices=devices),
        loaded.model.continuous_batching_context_manager(
            generation_config=generation, continuous_batching_config=batching, timeout=5
        ) as manager,
    ):
        for name, (group, item) in waiting.items():
            manager.add_request(group.prefix, name, min(item.budget, item.room))
        total = len(waiting)
        while waiting:
            context.check()
            out = manager.get_result(timeout=POLL_S)
            if out is None or not out.is_finished():
                if not manager.is_running():
                    raise WorkerFault("engine", "continuous batching ended with requests left")
                continue
            if out.error is not None:
                raise WorkerFault("engine", f"continuous batching: {out.error}")
            _, item = waiting.pop(out.request_id)
            sampled = out.logprobs if params.temperature else [0.0] * len(out.logprobs)
            item.fill(out.generated_tokens, out.logprobs, sampled, stops, loaded.described.ends)
            ended.append(item)
            context.progress(len(ended), total)
    return ended


def _rescore(loaded: Loaded, prefixes: list[list[int]], items: list[Completion]) -> None:
    """The model's own log-probs: those that came back are after temperature and truncation."""
    sequences = [
        np.array(prefix + item.tokens, dtype=np.int64) for prefix, item in zip(prefixes, items, strict=True)
    ]
    scores = sequence_logprobs(loaded, sequences)
    for prefix, item, values in zip(prefixes, items, scores, strict=True):
        item.logprobs = values[len(prefix) :].tolist()


@torch.inference_mode()
def continuous(loaded: Loaded, groups: list[Group], params: Generate, context: Context) -> Answer:
    """
    Answers generate by transformers' continuous batching; stop texts cut what came back. Raises RequestError
    when it does not run this model.
    """
    if reason := refusal(loaded):
        raise RequestError(f'engine "continuous" cannot run this model: {reason}')
    stops = Stops(params.stops, loaded.described.text)
    owners = {item.index: group for group in groups for item in group.completions}
    for group in groups:
        for item in group.completions:
            item.start()
    done = [item for group in groups for item in group.completions if item.finish is not None]
    attention = loaded.model.config._attn_implementation
    loaded.model.set_attn_implementation(f"paged|{attention}")
    try:
        done += _run(loaded, groups, params, context, stops)
    finally:
        loaded.model.set_attn_implementation(attention)
    plain = params.temperature in (0, 1) and params.top_k == 0 and params.top_p == 1
    for first in range(0, len(done), CHUNK_COMPLETIONS):
        part = done[first : first + CHUNK_COMPLETIONS]
        if not plain:
            _rescore(loaded, [owners[item.index].prefix for item in part], part)
        context.chunk(*pack_chunk(part, loaded.described.text))
    return Answer({**totals(groups)})
