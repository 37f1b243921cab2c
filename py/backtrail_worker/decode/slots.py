# How many rows are decoded at a time: what runs best, within a budget of the memory that is free now. Knows
# shapes of models, no engine's insides.
"""Slots and their memory."""

from __future__ import annotations

import torch

from backtrail_worker.decode.groups import Group, longest_of
from backtrail_worker.decode.llama import head_size, misfit
from backtrail_worker.decode.notice import say_once
from backtrail_worker.model.load import Loaded

# On the CPU: what runs best on the tiny model of bench:decode; fewer waste its steps, more its caches.
CPU_SLOTS, GPU_SLOTS = 192, 512
# Of the free memory, for the rows: the rest is for prefills and for what stands beside us.
MEMORY_SHARE = 0.5
# Bytes of the sampler per row and token of the vocabulary: logits as float32 four times over (scaled, sorted
# or masked, exponentiated, probabilities) and their sums as float64.
SAMPLER_BYTES = 4 * 4 + 8


def free_bytes(device: torch.device) -> int | None:
    """Memory that can be taken now; None where the system does not tell."""
    if device.type == "cuda":
        # What the allocator holds without using it is as good as free.
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def row_bytes(loaded: Loaded, longest: int) -> int:
    """Memory of one row: keys and values of `longest` tokens, and the sampler's share."""
    config = loaded.described.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    elements = 2 * int(config.num_hidden_layers) * int(heads) * head_size(config) * longest
    # A cache of transformers is copied when it grows.
    copies = 2 if misfit(loaded) else 1
    vocabulary = int(loaded.model.get_input_embeddings().weight.shape[0])
    itemsize = int(loaded.model.dtype.itemsize)
    return copies * elements * itemsize + vocabulary * SAMPLER_BYTES


def pick_slots(loaded: Loaded, groups: list[Group], asked: int, longest: int = 0) -> int:
    """
    Rows decoded at a time: what was asked for, else what the device runs best with; fewer when the budget
    has no room for them. The tokens depend on it by rounding alone. `longest` (0 = that of the groups):
    tokens that a row has room for; then as many rows as for a larger call, too.
    """
    total = max(1, sum(len(group.completions) for group in groups))
    wanted = asked or (GPU_SLOTS if loaded.device.type == "cuda" else CPU_SLOTS)
    if longest == 0:
        wanted, longest = min(total, wanted), longest_of(groups)
    free = free_bytes(loaded.device)
    if free is None:
        return wanted
    room = max(1, int(free * MEMORY_SHARE / row_bytes(loaded, longest)))
    if room < wanted:
        say_once(f"generate: memory has room for {room} rows at a time, not {wanted}")
    return min(wanted, room)
