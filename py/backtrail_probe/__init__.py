# What the Python side has, and what a checkpoint holds, as JSON texts for the control plane (src/python/
# calls these through pythonia, in a short-lived process). Data only: nothing is trained, generated or kept;
# torch is imported only to be asked.
"""Probes of the environment, of models and of tokenizers."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from backtrail_probe.checkpoint import AccessError, check, tensors
from backtrail_worker.decode.shape import FAST_MODEL_TYPES, misfit_of

# What the worker imports, with the oldest release that works (the ranges of pyproject.toml).
REQUIRED: dict[str, tuple[int, ...]] = {
    "torch": (2, 11),
    "transformers": (5,),
    "tokenizers": (0, 22),
    "safetensors": (0, 6),
    "numpy": (1, 26),
    "pyzmq": (26,),
    "msgspec": (0, 19),
}
# Compiled modules that a quick import proves: metadata alone may belong to a build for another Python.
COMPILED = {
    "torch": "torch",
    "numpy": "numpy",
    "tokenizers": "tokenizers",
    "safetensors": "safetensors",
    "pyzmq": "zmq",
    "msgspec": "msgspec",
}
OPTIONAL = ("accelerate", "deepspeed", "peft")
# What the worker imports of them where it uses them.
OPTIONAL_MODULES = {"deepspeed": ("deepspeed", "deepspeed.utils.tensor_fragment"), "peft": ("peft",)}
MINIMUM_PYTHON = (3, 11)


def _json(value: object) -> str:
    # Only JSON texts may cross pythonia: NaN or bytes would end the other side.
    return json.dumps(value, allow_nan=False)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _older(version: str, minimum: tuple[int, ...]) -> bool:
    """Whether a version such as 2.13.0+cpu or 5.0rc1 lies below the minimum, by its leading numbers."""
    found = re.match(r"\d+(\.\d+)*", version)
    return found is not None and tuple(int(part) for part in found[0].split(".")) < minimum


def _has_bfloat16(torch: Any, properties: Any) -> bool:
    """
    Whether the GPU computes in bfloat16 by itself: NVIDIA's from compute capability 8.0, and AMD's. Older
    ones emulate it, which torch calls support.
    """
    return properties.major >= 8 or getattr(torch.version, "hip", None) is not None


def _extras(versions: dict[str, str | None]) -> dict[str, object]:
    """Whether optional packages that are installed import, and what else DeepSpeed needs on a CPU."""
    broken = {}
    for name, modules in OPTIONAL_MODULES.items():
        try:
            for module in modules if versions[name] is not None else ():
                importlib.import_module(module)
        except Exception as error:
            broken[name] = _first_line(error)
    # As torch's builder of extensions finds it.
    return {"broken": broken, "compiler": shutil.which(os.environ.get("CXX", "c++")) is not None}


def environment(extras: bool) -> str:
    """
    JSON {python, versions, missing, devices: [{name, memoryBytes, bfloat16}], fastModelTypes, problems,
    extras: {broken: {package: reason}, compiler} or, where they are not asked for, null}.
    """
    versions = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if versions[name] is None]
    problems = []
    for name, minimum in REQUIRED.items():
        version = versions[name]
        if version is not None and _older(version, minimum):
            wanted = f"{name}>={'.'.join(map(str, minimum))}"
            problems.append(f"{name} {version} is too old: {sys.executable} -m pip install '{wanted}'")
    if sys.version_info < MINIMUM_PYTHON:
        problems.append(f"Python {platform.python_version()} is too old: 3.11 or newer is needed")
    imported = {}
    for name, module in COMPILED.items():
        if name not in missing:
            try:
                imported[name] = importlib.import_module(module)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                python = platform.python_version()
                problems.append(f"{name} {versions[name]} does not import in Python {python} ({reason})")
    devices: list[dict[str, object]] = []
    if "torch" in imported:
        torch: Any = imported["torch"]
        try:
            for index in range(torch.cuda.device_count()):
                properties = torch.cuda.get_device_properties(index)
                devices.append(
                    {
                        "name": properties.name,
                        "memoryBytes": int(properties.total_memory),
                        "bfloat16": _has_bfloat16(torch, properties),
                    }
                )
        except Exception as error:
            problems.append(f"torch cannot use the GPU: {type(error).__name__}: {error}")
    return _json(
        {
            "python": platform.python_version(),
            "versions": {name: version for name, version in versions.items() if version is not None},
            "missing": missing,
            "devices": devices,
            "fastModelTypes": FAST_MODEL_TYPES,
            "problems": problems,
            "extras": _extras(versions) if extras and not problems and not missing else None,
        }
    )


def access(source: str, revision: str | None) -> str:
    """JSON {}; {"error": sentence} when the model cannot be had or is not whole."""
    try:
        check(str(source), None if revision is None else str(revision))
    except (AccessError, OSError) as error:
        return _json({"error": str(error)})
    return _json({})


def model(source: str, samples: list[str]) -> str:
    """JSON with type, size, context and tokenizer of a checkpoint directory or Hub id.

    {"error": ...} when it cannot be read.
    """
    texts = [str(sample) for sample in samples]
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.set_verbosity_error()
    try:
        config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        return _json({"error": _why(error, source)})
    causal = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    report: dict[str, Any] = {
        "modelType": config.model_type,
        "causalLm": config.model_type in causal,
        "vocabulary": getattr(config, "vocab_size", None),
        "context": getattr(config, "max_position_embeddings", None),
        "config": {
            name: value for name, value in config.to_dict().items() if isinstance(value, bool | int | str)
        },
        "fastEngineMisfit": misfit_of(config),
        "dtype": str(getattr(config, "dtype", None) or "").removeprefix("torch."),
        "parameters": None,
        "bytes": None,
        "storedDtypes": [],
        "problem": None,
    }
    if Path(source).is_dir():
        try:
            check(source, None)
        except (AccessError, OSError) as error:
            report["problem"] = str(error)
        try:
            parameters, report["bytes"], report["storedDtypes"] = tensors(Path(source))
        except (AccessError, OSError) as error:
            return _json({"error": str(error)})
        report["parameters"] = parameters or None
    if report["parameters"] is None and report["causalLm"]:
        report["parameters"] = _count_parameters(config, transformers)
    report["tokenizer"] = _tokenizer(source, texts, transformers)
    return _json(report)


def _why(error: Exception, source: str) -> str:
    """Why a config cannot be had: the reason that the Hub or the directory gives, else transformers' own."""
    try:
        check(source, None)
    except (AccessError, OSError) as reason:
        return str(reason)
    return f"{source}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip(' :.') if lines else 'no reason given'}"


def _count_parameters(config: Any, transformers: Any) -> int:
    """By building the model without memory (meta device)."""
    torch: Any = importlib.import_module("torch")
    with torch.device("meta"):
        built = transformers.AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in built.parameters())


def _tokenizer(source: str, texts: list[str], transformers: Any) -> dict[str, Any]:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        return {"error": _first_line(error)}
    known = tokenizer.get_vocab()
    return {
        "class": type(tokenizer).__name__,
        "size": len(tokenizer),
        "special": {
            name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)
        },
        "backtrackToken": known.get("<backtrack>"),
        "samples": [
            {"text": text, "tokens": tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])}
            for text in texts
        ],
    }
