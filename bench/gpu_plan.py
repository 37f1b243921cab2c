# What bench/gpu.py measures, in order of worth, at the paper's sizes and at toy sizes. Data only: it imports
# neither torch nor a part.
"""Parts and their cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Cell = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """
    One process: a script of this folder, answering cell after cell. `limit_s`: seconds after which it is
    ended; what it has answered by then is kept.
    """

    name: str
    script: str
    limit_s: int
    cells: list[Cell]


def _paper(shape: str, samples: int, b: int, slots: int, cap_s: int, problems: int = 5000) -> Cell:
    return {
        "do": "paper",
        "shape": shape,
        "samples": samples,
        "b": b,
        "slots": slots,
        "problems": problems,
        "capSeconds": cap_s,
    }


def _published(shape: str, samples: int, b: int, problems: int) -> Cell:
    return {"do": "published", "shape": shape, "samples": samples, "b": b, "problems": problems}


def _train(shape: str, steps: int, **more: Any) -> Cell:
    """Steps of 16k tokens in bf16, in one pass."""
    base = {"do": "train", "shape": shape, "steps": steps, "warm": 3, "tokens": 16384, "passes": 1}
    return base | {"dtype": "bfloat16", "compile": False, "gradientCheckpointing": False} | more


def _decode(shape: str, cap_s: int, whole_s: int) -> list[Cell]:
    """The paper's whole test set first, then the published decoder beside it, then the other cells."""
    return [
        {"do": "rates", "megabytes": 4096, "matrix": 8192},
        _paper(shape, 32, 1, 512, whole_s),
        _paper(shape, 8, 0, 512, cap_s),
        _published(shape, 32, 1, 2),
        _published(shape, 8, 0, 8),
        _paper(shape, 8, 1, 512, cap_s),
        _paper(shape, 32, 0, 512, cap_s),
        _paper(shape, 32, 1, 256, cap_s),
        _paper(shape, 8, 0, 256, cap_s),
        _published(shape, 32, 0, 4),
        _published(shape, 8, 1, 2),
        _paper(shape, 8, 1, 256, cap_s),
        _paper(shape, 32, 0, 256, cap_s),
    ]


def _engines(shape: str, samples: int, **problems: int) -> list[Cell]:
    """A cell for each engine: one may not run with the libraries at hand."""
    return [
        {"do": "engines", "shape": shape, "samples": samples, "problems": {engine: count}}
        for engine, count in problems.items()
    ]


def real() -> list[Part]:
    """The sizes of the papers, for one large GPU."""
    recipe = {"shape": "1B", "steps": 20, "warm": 3, "batch": 16}
    return [
        Part("checks", "gpu_checks.py", 150, [{"do": "tests", "select": ""}]),
        Part("decode-1b", "gpu_decode.py", 420, _decode("1B", 30, 150)),
        Part(
            "train-1b",
            "gpu_train.py",
            240,
            [
                _train("1B", 10),
                _train("1B", 10, compile=True),
                _train("1B", 6, gradientCheckpointing=True),
                _train("1B", 6, compile=True, gradientCheckpointing=True),
                _train("1B", 6, dtype="float32"),
            ],
        ),
        Part("train-recipe", "gpu_train.py", 120, [{"do": "recipe", **recipe}]),
        Part(
            "train-3b",
            "gpu_train.py",
            240,
            [
                # In one pass these need 126 GiB, by plan's estimate.
                _train("3B", 6, tokens=8192, passes=2),
                _train("3B", 6, tokens=8192, passes=2, compile=True),
                _train("3B", 4, gradientCheckpointing=True),
                {"do": "recipe", **recipe, "shape": "3B", "steps": 8},
            ],
        ),
        Part("decode-3b", "gpu_decode.py", 300, _decode("3B", 20, 120)),
        Part(
            "engines",
            "gpu_decode.py",
            180,
            [
                {"do": "score", "shape": "1B", "sequences": 512, "rounds": 3},
                *_engines("1B", 8, ours=512, reference=2, batched=16, continuous=64),
                *_engines("1B", 32, ours=128, reference=2, batched=8, continuous=16),
            ],
        ),
    ]


def rehearsal() -> list[Part]:
    """Every kind of cell once or twice, small enough for a CPU in seconds each."""
    tiny = {"tokens": 384, "warm": 1, "dtype": "float32"}
    decode = [
        {"do": "rates", "megabytes": 16, "matrix": 256},
        _paper("tiny", 8, 0, 64, 60, problems=12),
        _paper("tiny", 8, 1, 64, 60, problems=4),
        _published("tiny", 8, 0, 2),
        _published("tiny", 8, 1, 1),
        {"do": "score", "shape": "tiny", "sequences": 16, "rounds": 1},
        *_engines("tiny", 4, ours=8, reference=1, batched=2, continuous=2),
    ]
    train = [
        _train("tiny", 2, **tiny | {"passes": 2}),
        _train("tiny", 1, **tiny | {"gradientCheckpointing": True, "dtype": "bfloat16"}),
        {"do": "recipe", "shape": "tiny", "steps": 2, "warm": 1, "batch": 4},
    ]
    return [
        Part("checks", "gpu_checks.py", 300, [{"do": "tests", "select": ""}]),
        Part("decode", "gpu_decode.py", 300, decode),
        Part("train", "gpu_train.py", 300, train),
    ]
