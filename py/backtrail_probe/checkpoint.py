# Whether a model can be had and is whole, told in a second and before any data is made: headers and lists of
# files, no weights. Never imports torch or transformers.
"""Checkpoint directories and Hub ids."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

WEIGHTS = "model*.safetensors"
OPEN_COPY = "use an open copy (unsloth/Llama-3.2-1B for meta-llama/Llama-3.2-1B)"
DIRECTORY = "give a directory in save_pretrained layout (from: /path/to/checkpoint)"


class AccessError(Exception):
    """A sentence for the user: what is wrong and what to do."""


def tensors(directory: Path) -> tuple[int, int, list[str]]:
    """
    Parameters, bytes and dtypes of a checkpoint's weights, from the headers of its files alone. Raises
    AccessError for a damaged file.
    """
    parameters, size, dtypes = 0, 0, set()
    for file in sorted(directory.glob(WEIGHTS)):
        header, begin = _header(file)
        ends = [begin]
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            parameters += math.prod(tensor["shape"])
            dtypes.add(tensor["dtype"])
            ends.append(begin + int(tensor["data_offsets"][1]))
        found = file.stat().st_size
        if max(ends) > found:
            raise AccessError(f"{file} is cut short: {found} bytes of {max(ends)}; copy or download it again")
        size += found
    return parameters, size, sorted(dtypes)


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file and where its numbers begin. Raises AccessError."""
    with file.open("rb") as stream:
        start = stream.read(8)
        if _pointer(start + stream.read(32)):
            raise AccessError(f"{file} is a pointer of Git LFS, not the weights: run `git lfs pull` there")
        stream.seek(8)
        length = int.from_bytes(start, "little")
        try:
            header = json.loads(stream.read(min(length, 100_000_000)))
        except ValueError as error:
            raise AccessError(f"{file} is no safetensors file, or is cut short; copy it again") from error
    if not isinstance(header, dict):
        raise AccessError(f"{file} is no safetensors file")
    return header, 8 + length


def _pointer(start: bytes) -> bool:
    return start.startswith(b"version https://git-lfs")


def _json_file(file: Path) -> Any:
    """What a JSON file holds. Raises AccessError that names the file."""
    text = file.read_bytes()
    if _pointer(text):
        raise AccessError(f"{file} is a pointer of Git LFS, not the file itself: run `git lfs pull` there")
    try:
        return json.loads(text)
    except ValueError as error:
        raise AccessError(f"{file} is not JSON ({error}): copy or download it again") from error


def _is_known(model_type: object) -> bool:
    """
    Whether transformers makes causal models of that type, by the text of its own list: importing it takes
    seconds. True where the list is not to be found.
    """
    found = importlib.util.find_spec("transformers")
    if found is None or found.origin is None:
        return True
    file = Path(found.origin).parent / "models" / "auto" / "modeling_auto.py"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    names = text.partition("\nMODEL_FOR_CAUSAL_LM_MAPPING_NAMES")[2].partition("\n)")[0]
    return '("llama", "' not in names or f'("{model_type}", "' in names


def _check_config(text: str, source: str) -> None:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise AccessError(f"{source}: config.json is not JSON ({error}); {DIRECTORY}") from error
    stored = config.get("architectures") if isinstance(config, dict) else None
    if stored and not any(item.endswith(("ForCausalLM", "LMHeadModel")) for item in stored):
        raise AccessError(f"{source} is a {', '.join(stored)}, not a causal language model")
    if not isinstance(config, dict):
        raise AccessError(f"{source}: config.json holds no settings; {DIRECTORY}")
    model_type = config.get("model_type")
    if model_type is None:
        raise AccessError(f"{source}: config.json names no model_type; {DIRECTORY}")
    if not _is_known(model_type):
        lacking = f"transformers {version('transformers')} itself has no causal model of type {model_type}"
        if "auto_map" in config:
            raise AccessError(
                f"{source} wants code of its own to be run (auto_map in config.json), which is never done: "
                f"{lacking}"
            )
        raise AccessError(
            f"{source}: {lacking} (model_type in config.json): a newer one may have it, or give another model"
        )
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method", "quantised") if isinstance(quantised, dict) else "quantised"
        raise AccessError(
            f"{source} is quantised ({method}): only float weights are trained and decoded. "
            "Give the model it was made from"
        )


def _check_directory(directory: Path) -> None:
    config = directory / "config.json"
    if not config.is_file():
        names = sorted(item.name for item in directory.iterdir())[:8]
        found = ", ".join(names) or "nothing"
        raise AccessError(f"{directory} holds no config.json, so it is no checkpoint; it holds: {found}")
    _check_config(config.read_text(encoding="utf-8"), str(directory))
    tokenizer = directory / "tokenizer.json"
    if not tokenizer.is_file():
        raise AccessError(
            f"{directory} holds no tokenizer.json (a tokenizer of the `tokenizers` library): copy it there "
            "from the model that this one was made from"
        )
    _json_file(tokenizer)
    index = directory / "model.safetensors.index.json"
    wanted = {"model.safetensors"}
    if index.is_file():
        listed = _json_file(index)
        if not isinstance(listed, dict) or not isinstance(listed.get("weight_map"), dict):
            raise AccessError(f"{index} names no files: copy or download it again")
        wanted = set(listed["weight_map"].values())
    if missing := sorted(name for name in wanted if not (directory / name).is_file()):
        pickled = any(directory.glob("pytorch_model*.bin"))
        advice = (
            "pytorch_model.bin is not read, since loading it can run code: save it again with transformers' "
            "save_pretrained"
            if pickled
            else "copy or download it again; only weights in safetensors files are read"
        )
        raise AccessError(f"{directory} lacks {missing[0]}: {advice}")
    tensors(directory)


def explain(error: Exception, source: str, revision: str | None) -> str:
    """One sentence on why a Hub id cannot be had, and what to do."""
    from huggingface_hub import constants, errors

    name = f"{source} at {revision}" if revision else source
    token = "HF_TOKEN is set" if os.environ.get("HF_TOKEN") else "HF_TOKEN is not set"
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated ({token}): accept its licence on the Hub and set HF_TOKEN, or {OPEN_COPY}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{source} has no revision {revision}: check model.revision"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no model {source} on the Hub, or it is private ({token}); check the id, or {DIRECTORY}"
        )
    if isinstance(error, errors.HFValidationError):
        return f"{source} is neither a directory nor a Hub id (owner/name); {DIRECTORY}"
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        if constants.HF_HUB_OFFLINE:
            return f"{name} is not in the local cache, and HF_HUB_OFFLINE is set: unset it, or {DIRECTORY}"
        return f"{name} is not in the local cache and the Hub cannot be reached; {DIRECTORY}"
    if isinstance(error, errors.EntryNotFoundError):
        return f"{name} holds no config.json, so it is no model; check the id"
    return f"{name} cannot be had ({type(error).__name__}: {str(error).splitlines()[0][:200]}); {DIRECTORY}"


def _check_hub(source: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

    try:
        config = hf_hub_download(source, "config.json", revision=revision)
        _check_config(Path(config).read_text(encoding="utf-8"), source)
        if not constants.HF_HUB_OFFLINE:
            names = HfApi().list_repo_files(source, revision=revision)
            for kind in ("tokenizer.json", ".safetensors"):
                if not any(name == kind or (kind[0] == "." and name.endswith(kind)) for name in names):
                    what = kind if kind[0] != "." else "weights in safetensors files"
                    raise AccessError(f"{source} has no {what}, which are all that is read")
            return
        _check_directory(Path(snapshot_download(source, revision=revision, local_files_only=True)))
    except AccessError:
        raise
    except Exception as error:
        raise AccessError(explain(error, source, revision)) from error


def check(source: str, revision: str | None) -> None:
    """Raises AccessError unless the model can be had and, as far as can be seen without its weights, read."""
    if Path(source).is_dir():
        _check_directory(Path(source))
    else:
        _check_hub(source, revision)
