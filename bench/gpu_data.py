# Data of the GPU benchmarks without Node: a tokenizer of Llama-3's size and examples whose token counts are
# those of the paper's. What the numbers in them say does not matter to a clock, so they are drawn at random.
"""A tokenizer, and Countdown-like examples, from a seed."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

# As in Llama-3: numbers of up to three digits are one token, and so are these pieces.
WORDS = ("###", "Question", ":", " numbers", " [", ",", " ", "]", "->", "target", "\n", "Response", ":\n")
WORDS += ("Goal", " Reached", "!", "+", "-", "*", "/", "=", "\n\n")
SPECIAL = ("<pad>", "<eos>", "<unk>")
NUMBERS = 1000
LLAMA_WORDS = 128256
BACKTRACK = "<backtrack>"
SHARD = "shard.json"
# Share of examples that step back, and at which step those err: as the published data, and as gpu_decode.py.
STEPS_BACK, ERRS = 0.5, (0.5, 0.3, 0.2)


def write_tokenizer(folder: Path, words_in_all: int) -> None:
    """tokenizer.json with one token for each piece of the texts below, filled up to so many words."""
    pieces = [*SPECIAL, *WORDS, *map(str, range(NUMBERS))]
    pieces += [f"<word {number}>" for number in range(words_in_all - len(pieces))]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    words = sorted(WORDS, key=len, reverse=True)
    escaped = ["".join("\\" + char if char in "+*-/[]|.()" else char for char in word) for word in words]
    pattern = "|".join([*escaped, "[0-9]{1,3}", "[\\s\\S]"])
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {piece: index for index, piece in enumerate(pieces)},
            "unk_token": "<unk>",
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")


def _step(chance: random.Random) -> str:
    left, right, result = chance.randrange(1, 100), chance.randrange(1, 100), chance.randrange(1000)
    return f"{left}{chance.choice('+-*/')}{right}={result}\n"


def _example(chance: random.Random) -> dict[str, Any]:
    numbers = [chance.randrange(1, 100) for _ in range(4)]
    prompt = f"###Question: numbers {numbers}->target {chance.randrange(10, 101)}\n###Response:\n"
    back = chance.random() < STEPS_BACK
    count = 1 + chance.choices(range(3), ERRS)[0] if back else 3
    steps = [_step(chance) for _ in range(count)]
    text = "".join(steps) + (BACKTRACK if back else "Goal Reached!")
    # Of an example that steps back the wrong step is not trained.
    wrong = len("".join(steps[:-1]))
    spans = [[0, wrong], [len("".join(steps)), len(text)]] if back else [[0, len(text)]]
    spans = [span for span in spans if span[0] < span[1]]
    about = {"format": "self-backtracking", "solver": "none", "origin": "optimal"}
    return {
        "id": "",
        "problem": {},
        "prompt": prompt,
        "response": text,
        "spans": spans,
        "trainEnd": True,
    } | about


def prepare(folder: Path, words: int, examples: int) -> None:
    """The tokenizer, a shard of examples of 41 tokens each on average, and its entry for load_dataset."""
    write_tokenizer(folder, words)
    chance = random.Random(11)
    lines = "".join(json.dumps(_example(chance) | {"id": str(number)}) + "\n" for number in range(examples))
    path = folder / "train.jsonl"
    path.write_text(lines, encoding="utf-8")
    entry = {"path": str(path), "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    (folder / SHARD).write_text(json.dumps(entry), encoding="utf-8")
