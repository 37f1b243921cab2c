# Checkpoints: plain save_pretrained directories, written beside their place and renamed; with optimizer
# state for resume. Optimizer state is kept by parameter name in safetensors; nothing is pickled.
"""Writing and reading checkpoints."""

from __future__ import annotations

import glob
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.load import AutoModel, Loaded, damaged
from backtrail_worker.model.lora import adapter_tensors, copy_adapter, is_adapted, merged_tensors

TRAINER_FILE, OPTIMIZER_FILE, ADAPTER_FILE = "trainer.json", "optimizer.safetensors", "adapter.safetensors"
TRAINER_FORMAT = 1
Moments = dict[str, tuple[torch.Tensor, torch.Tensor]]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop(place: Path, kind: str) -> None:
    """Removes what stands beside a checkpoint under its name; also of a worker that was killed meanwhile."""
    for one in place.parent.glob(f"{glob.escape(place.name)}.{kind}-*"):
        shutil.rmtree(one, ignore_errors=True)


def _publish(partial: Path, place: Path) -> int:
    """Makes the directory durable and gives it its name. Answers its size in bytes."""
    size = 0
    for file in sorted(partial.rglob("*")):
        if file.is_file():
            _sync(file)
            size += file.stat().st_size
    _sync(partial)
    old = place.with_name(f"{place.name}.replaced-{os.getpid()}")
    if place.exists():
        # A replay writes a checkpoint again: the old one stands until the new one is whole.
        os.rename(place, old)
    os.rename(partial, place)
    _sync(place.parent)
    _drop(place, "replaced")
    return size


def save(loaded: Loaded, path: str, step: int, moments: Moments | None) -> int:
    """
    Writes a checkpoint; with `moments` (exp_avg, exp_avg_sq by parameter name) one that `restore` can
    resume.
    """
    place = Path(path)
    partial = place.with_name(f"{place.name}.partial-{os.getpid()}")
    _drop(place, "partial")
    try:
        partial.mkdir(parents=True)
        plain = merged_tensors(loaded.model) if is_adapted(loaded.model) else None
        loaded.model.save_pretrained(partial, safe_serialization=True, state_dict=plain)
        loaded.described.text.save(partial, loaded.described.end, loaded.described.pad)
        if moments is not None:
            tensors = {}
            for name, (first, second) in moments.items():
                tensors[f"exp_avg.{name}"] = first.detach().cpu().contiguous()
                tensors[f"exp_avg_sq.{name}"] = second.detach().cpu().contiguous()
            save_file(tensors, partial / OPTIMIZER_FILE)
            if plain is not None:
                # Merged weights cannot be taken apart again.
                adapter = adapter_tensors(loaded.model)
                save_file({n: t.cpu().contiguous() for n, t in adapter.items()}, partial / ADAPTER_FILE)
            state = {"format": TRAINER_FORMAT, "step": step, "optimizer": "adamw"}
            (partial / TRAINER_FILE).write_text(json.dumps(state), encoding="utf-8")
        return _publish(partial, place)
    except OSError as error:
        raise WorkerFault("save", f"checkpoint {place} could not be written: {error}") from error
    finally:
        _drop(place, "partial")


def _read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Raises WorkerFault "model-not-found"."""
    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise WorkerFault("model-not-found", f"{file} cannot be read: {error}") from error
    return tensors


def read_state(directory: Path) -> tuple[int, Moments]:
    """Step and optimizer moments of a checkpoint. Raises WorkerFault "model-not-found"."""
    trainer, optimizer = directory / TRAINER_FILE, directory / OPTIMIZER_FILE
    if not trainer.is_file() or not optimizer.is_file():
        raise WorkerFault(
            "model-not-found",
            f"{directory} is no checkpoint to resume from ({TRAINER_FILE} or {OPTIMIZER_FILE} lacks)",
        )
    try:
        state: dict[str, Any] = json.loads(trainer.read_text(encoding="utf-8"))
        step = int(state["step"])
        tensors = _read_tensors(optimizer)
        names = [name.removeprefix("exp_avg.") for name in tensors if name.startswith("exp_avg.")]
        return step, {name: (tensors[f"exp_avg.{name}"], tensors[f"exp_avg_sq.{name}"]) for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise WorkerFault("model-not-found", f"{directory} cannot be read: {error!r}") from error


def copy_weights(loaded: Loaded, directory: Path) -> None:
    """
    Replaces the weights by those of a checkpoint of the same architecture; of an adapted model only the
    adapters, since the rest is frozen. Raises WorkerFault "model-not-found".
    """
    if is_adapted(loaded.model):
        copy_adapter(loaded.model, _read_tensors(directory / ADAPTER_FILE), str(directory))
        return
    try:
        other = AutoModel.from_pretrained(
            directory,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except OSError as error:
        raise WorkerFault("model-not-found", f"{directory}: {error}") from error
    except SafetensorError as error:
        file = damaged(directory) or directory
        raise WorkerFault("model-not-found", f"{file} is damaged or cut short ({error})") from error
    theirs = dict(other.named_parameters())
    ours = dict(loaded.model.named_parameters())
    differing = [name for name in ours.keys() | theirs.keys() if name not in ours or name not in theirs]
    differing += [name for name in ours.keys() & theirs.keys() if ours[name].shape != theirs[name].shape]
    if differing:
        raise WorkerFault(
            "model-not-found", f"{directory} is of another architecture: {sorted(differing)[0]} differs"
        )
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(theirs[name])
