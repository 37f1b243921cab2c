# Low-rank adapters (peft's layers) on a frozen model, with the rows of added tokens trainable beside them.
# The model keeps its class and its module names but for the adapted layers; what is saved is the plain model
# with everything merged, and for resume the adapters as they are.
"""LoRA with trainable token rows."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch.nn.utils import parametrize

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.load import Loaded
from backtrail_worker.protocol import LoraSpec

Tensors = dict[str, torch.Tensor]


class TokenRows(torch.nn.Module):
    """Some rows of a matrix as a parameter of their own; the other rows stay as they are."""

    def __init__(self, weight_VD: torch.Tensor, ids: list[int]) -> None:
        super().__init__()
        self.ids: torch.Tensor
        self.register_buffer("ids", torch.tensor(ids, device=weight_VD.device), persistent=False)
        self.rows = torch.nn.Parameter(weight_VD.detach()[ids].clone())

    def forward(self, weight_VD: torch.Tensor) -> torch.Tensor:
        """The whole matrix [V, D]; gradients reach `rows` alone, since the rest is frozen."""
        return weight_VD.index_copy(0, self.ids, self.rows)


def _refuse(reason: str) -> WorkerFault:
    return WorkerFault("lora", f"lora: {reason}")


def _train_rows(model: Any, ids: list[int]) -> None:
    """Gives the rows of tokens to the optimizer, in the embeddings and, tied or not, in the head."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    layers = [layer for layer in (embedding, head) if layer is not None]
    if any(not isinstance(getattr(layer, "weight", None), torch.nn.Parameter) for layer in layers):
        raise _refuse(
            f"{type(model).__name__} keeps its embeddings in no plain matrix, so the rows of added "
            "tokens could not be trained; train without lora"
        )
    made: dict[int, TokenRows] = {}
    for layer in layers:
        # A tied matrix is one parameter under two names: one set of rows serves both.
        matrix = layer.weight
        rows = made.setdefault(id(matrix), TokenRows(matrix, ids))
        parametrize.register_parametrization(layer, "weight", rows)


def attach(loaded: Loaded, lora: LoraSpec) -> None:
    """
    Freezes the model and puts adapters in, which change nothing until they are trained. The rows of the
    spec's added tokens are trained too. Raises WorkerFault "lora".
    """
    try:
        peft: Any = importlib.import_module("peft")
    except ImportError as error:
        raise _refuse(f"peft is not installed ({error}): python -m pip install 'peft>=0.17'") from error
    model = loaded.model
    ends = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if _is_matrix(module)}
    heads = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    taken = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if id(module) in heads}
    targets = list(lora.targets) if isinstance(lora.targets, list) else sorted(ends - taken)
    if unknown := sorted(set(targets) - (ends - taken)):
        raise _refuse(
            f"targets: the model has no layer {unknown[0]} to adapt; "
            f"it has: {', '.join(sorted(ends - taken))}"
        )
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if loaded.described.text.added:
        _train_rows(model, sorted(loaded.described.text.added.values()))
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha if isinstance(lora.alpha, float) else 2.0 * lora.rank,
        lora_dropout=lora.dropout,
        target_modules=targets,
        bias="none",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lora.seed)
        peft.inject_adapter_in_model(config, model)
    # peft freezes all that is not its own.
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_is_adapter(name))


def _is_matrix(module: Any) -> bool:
    # GPT-2's Conv1D is a transposed linear layer, which peft adapts as well.
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


def _is_adapter(name: str) -> bool:
    return ".lora_" in name or name.endswith(".rows")


def is_adapted(model: Any) -> bool:
    """Whether `attach` has been at this model."""
    return any(_is_adapter(name) for name, _ in model.named_parameters())


def adapter_tensors(model: Any) -> Tensors:
    """All that is trained, by parameter name."""
    return {name: item.detach() for name, item in model.named_parameters() if _is_adapter(name)}


def merged_tensors(model: Any) -> Tensors:
    """The state of the plain model with adapters and rows worked in; the model itself is not touched."""
    modules = dict(model.named_modules())
    deltas = {
        name: module.get_delta_weight("default")
        for name, module in modules.items()
        if hasattr(module, "get_delta_weight")
    }
    tensors: Tensors = {}
    for name, item in model.state_dict().items():
        if _is_adapter(name):
            continue
        layer, _, leaf = name.rpartition(".")
        if layer.endswith(".parametrizations.weight"):
            # Its forward itself: a call of the module is for all ranks together under ZeRO-3, and saving is
            # not.
            (rows,) = modules[layer]
            layer = layer.removesuffix(".parametrizations.weight")
            tensors[f"{layer}.weight"] = rows.forward(item).detach()
        elif layer.endswith(".base_layer"):
            layer = layer.removesuffix(".base_layer")
            added = deltas[layer].to(item.dtype) if leaf == "weight" else 0
            tensors[f"{layer}.{leaf}"] = (item + added).detach()
        else:
            tensors[name] = item.detach()
    return tensors


def copy_adapter(model: Any, stored: Tensors, place: str) -> None:
    """Puts the tensors of `adapter_tensors` back. Raises WorkerFault "model-not-found"."""
    ours = {name: item for name, item in model.named_parameters() if _is_adapter(name)}
    differing = sorted(
        name
        for name in ours.keys() | stored.keys()
        if name not in ours or name not in stored or ours[name].shape != stored[name].shape
    )
    if differing:
        raise WorkerFault("model-not-found", f"{place}: adapters of another shape: {differing[0]} differs")
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(stored[name])
