# Weights of a described model, on a device, with rows for added tokens. Knows no session and no decoding.
"""Loading causal language models."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.source import Described, describe
from backtrail_worker.protocol import ArchitectureSource, ModelSpec

# The library types its Auto classes in parts only.
AutoModel: Any = transformers.AutoModelForCausalLM

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Model types whose logits are the output head applied to the base model's last hidden state, with nothing
# in between.
PLAIN_HEADS = frozenset({"llama", "qwen2", "qwen3", "mistral", "gpt2", "gpt_neox", "smollm3"})


@dataclass
class Loaded:
    """A model in memory."""

    spec: ModelSpec
    described: Described
    model: Any
    device: torch.device
    fused: Any = None
    """Weights as an engine has rearranged them (decode/llama.py); not for models that are trained."""
    board: Any = None
    """Memory that an engine keeps for the rows of later calls (decode/board.py); to be dropped at will."""

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def plain_head(self) -> bool:
        """Whether logits may be computed at chosen positions only."""
        return (
            self.described.config.model_type in PLAIN_HEADS and self.model.get_output_embeddings() is not None
        )


def pick_device(name: str) -> torch.device:
    """ "auto" is the first GPU if there is one. Raises WorkerFault "device"."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise WorkerFault("device", f'device "{name}" cannot be used: {error}') from error
    return device


def damaged(directory: Path | None) -> Path | None:
    """The first safetensors file of a directory that cannot be opened."""
    for file in sorted(directory.glob("*.safetensors")) if directory is not None else []:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (OSError, SafetensorError):
            return file
    return None


def _pretrained(described: Described, dtype: torch.dtype) -> Any:
    directory = described.directory
    try:
        model, report = AutoModel.from_pretrained(
            directory,
            config=described.config,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            # Told below, in one line.
            ignore_mismatched_sizes=True,
        )
    except OSError as error:
        raise WorkerFault("model-not-found", f"{directory}: {error}") from error
    except SafetensorError as error:
        file = damaged(directory) or directory
        raise WorkerFault(
            "model-not-found", f"{file} is damaged or cut short ({error}); copy or download it again"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise WorkerFault(
            "not-causal-lm",
            f"{directory}: the weights lack {len(missing)} tensors of the model, {missing[0]} among them",
        )
    if mismatched := sorted(report["mismatched_keys"]):
        name, stored, wanted = mismatched[0]
        raise WorkerFault(
            "not-causal-lm",
            f"{directory}: {name} has shape {list(stored)} in the weights and {list(wanted)} by config.json, "
            f"and so do {len(mismatched) - 1} others; the files are not of one model",
        )
    return model


def _add_rows(model: Any, size: int) -> None:
    """Gives added tokens rows: the mean of the rows there are, so that equal specs give equal weights."""
    rows = model.get_input_embeddings().weight.shape[0]
    if size <= rows:
        return
    model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            if layer is not None:
                layer.weight[rows:] = layer.weight[:rows].float().mean(0).to(layer.weight.dtype)


def load(
    spec: ModelSpec, dtype: torch.dtype, device: torch.device, described: Described | None = None
) -> Loaded:
    """
    Loads a model. `dtype` is that of the parameters (float32 for sessions, whatever the spec says of
    compute).
    """
    described = described or describe(spec)
    if isinstance(spec.source, ArchitectureSource):
        # On the CPU whatever the device is: one seed is one initialisation everywhere.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.source.seed)
            model = AutoModel.from_config(described.config, dtype=torch.float32, trust_remote_code=False)
        model = model.to(dtype)
    else:
        model = _pretrained(described, dtype)
        _add_rows(model, described.text.size)
    model.config.eos_token_id = described.end if len(described.ends) == 1 else sorted(described.ends)
    model.config.pad_token_id = described.pad
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.eos_token_id = model.config.eos_token_id
        model.generation_config.pad_token_id = described.pad
    model.to(device)
    model.eval()
    return Loaded(spec, described, model, device)


def accepts(model: Any, argument: str) -> bool:
    """Whether the model's forward takes an argument."""
    return argument in inspect.signature(model.forward).parameters


def info(loaded: Loaded, bytes_per_parameter: int) -> dict[str, Any]:
    """The `modelInfo` of primitives.ts."""
    described = loaded.described
    return {
        "modelType": described.config.model_type,
        "parameters": loaded.parameters,
        "vocabulary": int(loaded.model.get_input_embeddings().weight.shape[0]),
        "context": described.context,
        "endToken": described.end,
        "padToken": described.pad,
        "addedTokens": described.text.added,
        "dtype": loaded.spec.dtype,
        "device": str(loaded.device),
        "memoryBytes": sum(
            item.numel() * (bytes_per_parameter if item.requires_grad else item.element_size())
            for item in loaded.model.parameters()
        ),
    }
