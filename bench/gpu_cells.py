# What the measured parts of bench/gpu.py share: they take cells from the command line, answer each with one
# JSON line at once, and live on when a cell fails.
"""Cells of one part."""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import torch

Cell = dict[str, Any]


def arguments() -> tuple[torch.device, int, str, list[Cell]]:
    """Device, kernel threads (0 = default), folder of the tokenizer and the data, cells."""
    name, threads, folder, cells = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"{name}: this machine has no such device; --rehearse runs the plan on the CPU")
    if device.type == "cuda":
        # Memory cannot be counted before.
        torch.cuda.init()
    return device, threads, folder, cells


def answer_cells(device: torch.device, cells: list[Cell], ways: dict[str, Callable[[Cell], Any]]) -> None:
    """
    One line per row on stdout: {cell, seconds, peakBytes, ...}, or {cell, failed}. What libraries print goes
    to stderr.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    for cell in cells:
        print(f"{cell} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            for row in _rows(device, ways[cell["do"]](cell)):
                about = {"cell": cell, "seconds": round(time.monotonic() - began, 2)}
                print(json.dumps(about | row), file=answers, flush=True)
        except Exception as error:
            # The other cells say as much without this one.
            traceback.print_exc()
            failed = f"{type(error).__name__}: {error}"[:600]
            print(json.dumps({"cell": cell, "failed": failed}), file=answers, flush=True)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _rows(device: torch.device, found: Any) -> Iterator[dict[str, Any]]:
    """The rows of a cell; memory is counted from its begin."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for row in found:
        yield row | {"peakBytes": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else row
