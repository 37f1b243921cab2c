# Which models the fast decoding engine computes, told from a config alone: `doctor` asks without loading
# weights. Imports neither torch nor transformers.
"""The shape of model that the fast engine is for."""

from __future__ import annotations

from typing import Any

FAST_MODEL_TYPES = ("llama", "qwen2")
# Rotary embeddings whose table depends on the position alone, not on the length of the sequence.
PLAIN_ROPES = frozenset({"default", "linear", "llama3"})


def misfit_of(config: Any) -> str | None:
    """
    Why a model of this transformers config is not of the exact shape that the fast engine computes; None if
    it is.
    """
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if config.model_type not in FAST_MODEL_TYPES:
        return f"it computes {' and '.join(FAST_MODEL_TYPES)}, not {config.model_type}"
    if getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        return "it has no biases but those of qwen2"
    if set(getattr(config, "layer_types", None) or ["full_attention"]) != {"full_attention"}:
        return "it has no sliding windows"
    if rope not in PLAIN_ROPES:
        return f'its rotary embeddings are {", ".join(sorted(PLAIN_ROPES))}, not "{rope}"'
    return None
