# Where a model comes from: a directory, a Hub id, an architecture. Answers a directory, a transformers
# config and the tokenizer; loads no weights.
"""Resolving a model spec."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.tokenizer import TextSide
from backtrail_worker.protocol import ArchitectureSource, HubSource, ModelSpec, PathSource

HUB_FILES = ["*.json", "*.safetensors", "*.jinja"]


@dataclass(frozen=True)
class Described:
    """A model without its weights. `directory` is None for an architecture."""

    directory: Path | None
    config: Any
    text: TextSide
    end: int
    ends: frozenset[int]
    pad: int
    context: int


def _snapshot(source: HubSource) -> Path:
    from huggingface_hub import snapshot_download

    revision = source.revision if isinstance(source.revision, str) else None
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}
    try:
        return Path(
            snapshot_download(
                source.id,
                revision=revision,
                allow_patterns=HUB_FILES,
                ignore_patterns=["original/*"],
                local_files_only=offline,
            )
        )
    except Exception as error:
        at = f" at revision {revision}" if revision else ""
        why = (
            "HF_HUB_OFFLINE is set and the model is not in the local cache"
            if offline
            else f"{type(error).__name__}: {error}"
        )
        raise WorkerFault(
            "model-not-found",
            f'the Hub model "{source.id}"{at} could not be had: {why}. '
            "Check the id, HF_TOKEN and the network, or give a directory (from: /path/to/checkpoint).",
        ) from error


def resolve(source: PathSource | HubSource) -> Path:
    """The directory of a checkpoint. Raises WorkerFault "model-not-found"."""
    if isinstance(source, HubSource):
        return _snapshot(source)
    directory = Path(source.path)
    if not directory.is_dir():
        raise WorkerFault("model-not-found", f"no checkpoint directory {directory}")
    if not (directory / "config.json").is_file():
        raise WorkerFault(
            "model-not-found", f"{directory} holds no config.json: not a save_pretrained directory"
        )
    return directory


def _config_of(directory: Path) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise WorkerFault("not-causal-lm", f"{directory}/config.json: {error}") from error
    _check_causal(config, str(directory))
    return config


def _check_causal(config: Any, name: str) -> None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise WorkerFault(
            "not-causal-lm",
            f'{name}: model type "{config.model_type}" has no causal language model class; '
            "give the checkpoint of a decoder language model, such as llama, qwen2 or gpt2",
        )
    # The library types the mapping's values as pairs; each is a class.
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    if "past_key_values" not in inspect.signature(model_class.forward).parameters:
        raise WorkerFault(
            "not-causal-lm",
            f'{name}: the forward of model type "{config.model_type}" takes no past_key_values, so a prompt '
            "cannot be shared by its completions; give a transformer such as llama, qwen2 or gpt2",
        )
    stored = getattr(config, "architectures", None) or []
    if stored and not any(item.endswith(("ForCausalLM", "LMHeadModel")) for item in stored):
        raise WorkerFault(
            "not-causal-lm", f"{name}: the checkpoint is a {', '.join(stored)}, not a causal language model"
        )


def context_of(config: Any) -> int:
    """Longest sequence the model can read."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 1 << 20


def _architecture(source: ArchitectureSource, text: TextSide) -> Any:
    from transformers import AutoConfig

    fields = dict(source.config)
    model_type = fields.pop("model_type", None)
    if not isinstance(model_type, str):
        raise WorkerFault(
            "bad-request", "architecture: config.model_type must name a transformers model type"
        )
    fields["vocab_size"] = max(text.size, int(fields.get("vocab_size") or 0))
    end = text.end_token(fields.get("eos_token_id"))
    fields |= {"eos_token_id": end, "bos_token_id": text.begin_token(), "pad_token_id": text.pad_token(end)}
    try:
        config = AutoConfig.for_model(model_type, **fields)
    except Exception as error:
        raise WorkerFault(
            "bad-request", f"architecture: transformers refuses this config: {error}"
        ) from error
    _check_causal(config, "architecture")
    return config


def describe(spec: ModelSpec) -> Described:
    """
    Config and tokenizer of a spec. Raises WorkerFault "model-not-found", "not-causal-lm", "tokenizer",
    "bad-request".
    """
    source = spec.source
    if isinstance(source, ArchitectureSource):
        directory = None
        place = Path(source.tokenizer)
        if not place.is_dir():
            raise WorkerFault("tokenizer", f"no tokenizer directory {place}")
        text = TextSide(place, spec.add_tokens, spec.reserved_tokens)
        config = _architecture(source, text)
    else:
        directory = resolve(source)
        config = _config_of(directory)
        text = TextSide(directory, spec.add_tokens, spec.reserved_tokens)
    end = text.end_token(config.eos_token_id)
    stated = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    ends = frozenset([end, *(item for item in stated if isinstance(item, int))])
    return Described(directory, config, text, end, ends, text.pad_token(end), context_of(config))
