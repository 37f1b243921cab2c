# Training at the papers' sizes on one GPU: the worker's own session in this process, in several ways, and the
# published recipe (HF Trainer) as a process of its own. A part of bench/gpu.py.
"""python gpu_train.py <device> <threads> <folder> <cells as JSON>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from backtrail_worker.__main__ import set_thread_environment, settle_memory, versions
from backtrail_worker.core.handlers import TensorSide
from backtrail_worker.data.dataset import build
from backtrail_worker.model.source import describe
from backtrail_worker.protocol import LoadDataset, Tokenize, read_params

from decode_common import SHAPES
from gpu_cells import Cell, answer_cells, arguments
from gpu_data import BACKTRACK, SHARD
from train_direct import Direct

ADAM = {
    "learningRate": 1e-5,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weightDecay": 0.01,
    "clipNorm": 1,
}
# The published recipe pads to the longest of a thousand examples, then to a multiple of 8.
PADDED_TO = 8


def spec(folder: str, shape: str, dtype: str) -> dict[str, Any]:
    """A modelSpec: random weights, the tokenizer of the folder, <backtrack> as a new row."""
    source = {"kind": "architecture", "config": SHAPES[shape], "tokenizer": folder, "seed": 7}
    return {
        "version": shape,
        "source": source,
        "dtype": dtype,
        "addTokens": [BACKTRACK],
        "reservedTokens": {},
    }


def dataset_of(folder: str) -> dict[str, Any]:
    """Parameters of load_dataset."""
    shard = json.loads((Path(folder) / SHARD).read_text(encoding="utf-8"))
    return {"dataset": "train", "shards": [shard], "maxTokens": 128, "overlong": "refuse"}


def lengths_of(folder: str, shape: str) -> list[int]:
    """Tokens of each example, as the worker counts them."""
    model = read_params("tokenize", {"model": spec(folder, shape, "float32"), "texts": []})
    asked = read_params("load_dataset", dataset_of(folder))
    assert isinstance(model, Tokenize)
    assert isinstance(asked, LoadDataset)
    described = describe(model.model)
    lengths: list[int] = build(asked, described.text, described.end, lambda _: None).lengths.tolist()
    return lengths


def flops_of(parameters: int, shape: str, lengths: list[int]) -> float:
    """
    Per real token, forward and backward: 6 for each parameter, and 6 x layers x width x length for causal
    attention.
    """
    config = SHAPES[shape]
    attention = 6 * config["num_hidden_layers"] * config["hidden_size"]
    return 6 * parameters + attention * sum(length * length for length in lengths) / sum(lengths)


def batches(lengths: list[int], tokens: int) -> Iterator[list[int]]:
    """Rows in order, over and over, in parts of at most so many tokens."""
    part: list[int] = []
    room = tokens
    for row in cycle(range(len(lengths))):
        if part and lengths[row] > room:
            yield part
            part, room = [], tokens
        part.append(row)
        room -= lengths[row]


def _total(parts: list[list[int]], of: list[int]) -> int:
    return sum(of[row] for part in parts for row in part)


class Ours:
    """Cells of the worker's own session: one model at a time."""

    def __init__(self, device: torch.device, threads: int, folder: str) -> None:
        self._device, self._folder = str(device), folder
        self._direct = Direct(TensorSide(self._device, threads, versions()), self._device)

    def train(self, cell: Cell) -> Iterator[Cell]:
        """
        Optimizer steps of `passes` packed forward passes of `tokens` each: the first `warm` apart (kernels
        are made there), then `steps` on the clock.
        """
        load = {
            "model": spec(self._folder, cell["shape"], cell["dtype"]),
            "optimizer": {"kind": "adamw"},
            "compile": cell["compile"],
            "gradientCheckpointing": cell["gradientCheckpointing"],
        }
        try:
            opened = self._direct.open({"load": load, "dataset": dataset_of(self._folder)})
            yield self._timed(cell, opened)
        finally:
            self._direct.close()
            torch.compiler.reset()

    def _timed(self, cell: Cell, opened: dict[str, Any]) -> Cell:
        lengths, trained = opened["lengths"], opened["trained"]
        stream = batches(lengths, cell["tokens"])
        plan = [list(islice(stream, cell["passes"])) for _ in range(cell["warm"] + cell["steps"])]
        steps = [{"parts": parts, "weight": 1 / _total(parts, trained)} for parts in plan]
        forward = {"dataset": "train", "loss": "cross_entropy", "packed": True}
        command = {"forward": forward, "adam": ADAM}
        warming = self._direct.steps(command | {"steps": steps[: cell["warm"]]})
        timed = self._direct.steps(command | {"steps": steps[cell["warm"] :]})
        return {
            "parameters": opened["info"]["parameters"],
            "vocabulary": opened["info"]["vocabulary"],
            "config": SHAPES[cell["shape"]],
            "realTokens": sum(_total(parts, lengths) for parts in plan[cell["warm"] :]),
            "trainedTokens": sum(_total(parts, trained) for parts in plan[cell["warm"] :]),
            "wall": timed["seconds"],
            "cpu": timed["cpuSeconds"],
            "warmSeconds": warming["seconds"],
            "losses": warming["losses"] + timed["losses"],
            "flopsPerToken": flops_of(opened["info"]["parameters"], cell["shape"], lengths),
            "matrixRate": opened["matrixRate"],
        }


class Recipe:
    """Cells of train_reference.py."""

    def __init__(self, device: torch.device, threads: int, folder: str) -> None:
        self._command = [sys.executable, str(Path(__file__).with_name("train_reference.py"))]
        self._command += [str(device), str(threads)]
        self._folder = folder

    def recipe(self, cell: Cell) -> Iterator[Cell]:
        """HF Trainer, float32, gradient checkpointing, `batch` examples a step, padded as published."""
        lengths, batch = lengths_of(self._folder, cell["shape"]), cell["batch"]
        count = cell["warm"] + cell["steps"]
        rows = [[(step * batch + i) % len(lengths) for i in range(batch)] for step in range(count)]
        width = -(-max(lengths) // PADDED_TO) * PADDED_TO
        asked = {
            "load": {"model": spec(self._folder, cell["shape"], "float32")},
            "dataset": dataset_of(self._folder),
            "rows": rows,
            "adam": ADAM,
            "widths": [width] * len(lengths),
        }
        with subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        ) as side:
            assert side.stdin is not None
            assert side.stdout is not None
            answers = []
            for command in (
                asked,
                {"do": "steps", "count": cell["warm"]},
                {"do": "steps", "count": cell["steps"]},
            ):
                side.stdin.write(json.dumps(command) + "\n")
                side.stdin.flush()
                line = side.stdout.readline()
                if not line:
                    raise RuntimeError("train_reference.py ended; its last words are above")
                answers.append(json.loads(line))
            side.stdin.close()
        timed = answers[2]
        yield {
            "realTokens": sum(lengths[row] for step in rows[cell["warm"] :] for row in step),
            "paddedTokens": width * batch * cell["steps"],
            "wall": timed["seconds"],
            "cpu": timed["cpuSeconds"],
            "peakOfProcess": timed["peakBytes"],
            "losses": answers[1]["losses"] + timed["losses"],
        }


def main() -> None:
    """Answers the cells of the command line."""
    device, threads, folder, cells = arguments()
    set_thread_environment(threads)
    settle_memory()
    ours, recipe = Ours(device, threads, folder), Recipe(device, threads, folder)
    answer_cells(device, cells, {"train": ours.train, "recipe": recipe.recipe})


if __name__ == "__main__":
    main()
