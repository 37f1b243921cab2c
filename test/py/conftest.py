# Small real parts for the worker's tests: a WordLevel tokenizer, tiny models, and handlers driven without a
# socket.
from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "py"))

import numpy as np
import pytest
from backtrail_worker.core.call import Answer, Request
from backtrail_worker.protocol import Arrays, SessionRef, read_params

SPECIAL = ["<pad>", "<eos>", "<unk>"]
PIECES = [
    "Q:",
    "->",
    "R:\n",
    "Goal!",
    *"0123456789",
    "+",
    "-",
    "*",
    "/",
    "=",
    ",",
    "\n",
    "\U0001f600",
    "<reserved>",
]


def write_tokenizer(
    directory: Path, special: list[str] | None = None, pieces: list[str] | None = None
) -> Path:
    """A tokenizer.json whose tokens are literal pieces; ids in the order special, pieces."""
    special = SPECIAL if special is None else special
    pieces = PIECES if pieces is None else pieces
    directory.mkdir(parents=True, exist_ok=True)
    flags = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    longest = sorted(pieces, key=len, reverse=True)
    pattern = "|".join("".join("\\" + c if c in "+*-/|.()[]" else c for c in piece) for piece in longest)
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": pattern + "|[\\s\\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: i for i, token in enumerate([*special, *pieces])},
            "unk_token": "<unk>",
        },
    }
    (directory / "tokenizer.json").write_text(json.dumps(document))
    (directory / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<eos>",
                "pad_token": "<pad>",
            }
        )
    )
    return directory


def token_id(piece: str) -> int:
    """Id of a piece in the tokenizer above; `<backtrack>` is the first added token."""
    return [*SPECIAL, *PIECES, "<backtrack>"].index(piece)


LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "tie_word_embeddings": True,
}
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "initializer_range": 0.2,
}
NEOX = {
    "model_type": "gpt_neox",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}


def spec(tokenizer: Path, config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A modelSpec of an architecture."""
    source = {
        "kind": "architecture",
        "config": config or LLAMA,
        "tokenizer": str(tokenizer),
        "seed": 7,
    }
    base = {
        "version": "v",
        "source": source,
        "dtype": "float32",
        "addTokens": ["<backtrack>"],
        "reservedTokens": {},
    }
    return base | changes


def path_spec(path: Path, **changes: Any) -> dict[str, Any]:
    """A modelSpec of a directory."""
    return spec(path) | {"version": str(path), "source": {"kind": "path", "path": str(path)}} | changes


class FakeContext:
    """Collects what a primitive says while it works."""

    def __init__(self) -> None:
        self.chunks: list[tuple[list[str], Arrays]] = []

    def check(self) -> None:
        pass

    def progress(self, done: float, total: float) -> None:
        pass

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        self.chunks.append((texts, arrays))


class Driver:
    """
    Calls primitives in this process; counts the calls of each session. BACKTRAIL_TEST_DEVICE runs the tests
    on another device than the CPU.
    """

    def __init__(self, device: str | None = None) -> None:
        from backtrail_worker.core.handlers import TensorSide

        self.side = TensorSide(device or os.environ.get("BACKTRAIL_TEST_DEVICE", "cpu"), 1, {})
        self.context = FakeContext()
        self._seq: dict[str, int] = {}

    def free(self, primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> Answer:
        self.context = FakeContext()
        request = Request(primitive, read_params(primitive, params), arrays or {}, None)
        return self.side.answer(request, self.context)

    def call(
        self,
        primitive: str,
        params: dict[str, Any],
        arrays: Arrays | None = None,
        session: str = "s",
        seq: int | None = None,
    ) -> Answer:
        if seq is None:
            seq = self._seq[session] = self._seq.get(session, 0) + 1
        request = Request(
            primitive,
            read_params(primitive, params),
            arrays or {},
            SessionRef(session, seq),
        )
        return self.side.answer(request, FakeContext())

    def train_step(
        self, step: int, arrays: list[Arrays], session: str = "s", **changes: Any
    ) -> list[dict[str, Any]]:
        """Micro-batches of dataset "d" and one optimizer step."""
        results = [
            self.call(
                "forward_backward",
                {"dataset": "d", "loss": "cross_entropy"},
                part,
                session,
            ).result
            for part in arrays
        ]
        params = {
            "step": step,
            "learningRate": 0.01,
            "beta1": 0.9,
            "beta2": 0.98,
            "epsilon": 1e-8,
        }
        params |= {"weightDecay": 0.01, "clipNorm": 1.0} | changes
        return [*results, self.call("optim_step", params, None, session).result]


def rows(indices: list[int], weight: float = 0.125) -> Arrays:
    """Bins of forward_backward by dataset row."""
    return {
        "rows": np.array(indices, dtype=np.int32),
        "weights": np.full(len(indices), weight, dtype=np.float32),
    }


def example(prompt: str, response: str, spans: list[list[int]], end: bool = True) -> dict[str, Any]:
    return {
        "id": "x",
        "problem": {},
        "prompt": prompt,
        "response": response,
        "spans": spans,
        "trainEnd": end,
        "format": "f",
        "solver": "s",
        "origin": "optimal",
    }


def write_shard(path: Path, examples: list[dict[str, Any]]) -> dict[str, str]:
    """JSONL and its entry for load_dataset."""
    path.write_text(
        "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in examples),
        encoding="utf-8",
    )
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def sums(count: int) -> list[dict[str, Any]]:
    """Small sums as examples, of different lengths."""
    return [
        example(
            f"Q:{a},{a + 3}R:\n",
            f"{a}+{a + 3}={2 * a + 3}\nGoal!",
            [[0, len(f"{a}+{a + 3}={2 * a + 3}\nGoal!")]],
        )
        for a in range(count)
    ]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return write_tokenizer(tmp_path / "tokenizer")


@pytest.fixture
def driver() -> Driver:
    return Driver()
