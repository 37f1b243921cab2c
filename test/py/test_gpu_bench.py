# bench/gpu.py, for the first minute on a GPU: its plan at toy size, a part that takes too long, the table.
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import gpu
import gpu_table
from gpu_plan import Part, real, rehearsal

ABOUT = {
    "host": "h",
    "cores": 2,
    "device": "cuda:0",
    "gpus": ["NVIDIA H200, 580.1"],
    "versions": {"torch": "2.11.0"},
    "commit": "abc",
    "sources": "0",
    "date": "today",
}
LLAMA_1B = {
    "model_type": "llama",
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 8192,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
}


def test_every_kind_of_cell_that_is_planned_is_rehearsed() -> None:
    kinds = [
        {(part.script, cell["do"]) for part in plan() for cell in part.cells} for plan in (real, rehearsal)
    ]
    assert kinds[0] == kinds[1]
    names = [part.name for part in real()]
    assert len(names) == len(set(names)) <= 8


def test_the_plan_at_toy_size_is_measured_stored_and_shown(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable,
        str(ROOT / "bench" / "gpu.py"),
        "--rehearse",
        "--out",
        str(out),
        "--commit",
        "c1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    parts = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
    assert set(parts) == {part.name for part in rehearsal()}
    assert not list(out.glob("*.part"))
    for part in rehearsal():
        record = parts[part.name]
        assert record["status"] == "done"
        assert record["about"]["commit"] == "c1"
        assert record["about"]["versions"].keys() >= {"python", "torch", "transformers"}
        # No cell without its rows, in the plan's order.
        answered = [row["cell"] for row in record["rows"]]
        assert [cell for i, cell in enumerate(answered) if i == 0 or cell != answered[i - 1]] == part.cells
        assert not [row for row in record["rows"] if "failed" in row or row.get("outcome") == "failed"]
    assert sum(row["outcome"] == "passed" for row in parts["checks"]["rows"]) > 20
    for text in (
        "passed",
        "tiny, N=8, b=1, 64 slots",
        "published recipe",
        "continuous batching",
        "score + hidden",
    ):
        assert text in done.stdout
    again = subprocess.run(
        [*command[:2], "--table", str(out)], capture_output=True, text=True, check=True
    ).stdout
    assert again.strip() in done.stdout
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "name another folder" in refused.stderr


def test_a_part_that_takes_too_long_is_ended_with_all_it_started_and_keeps_its_rows(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import json, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(json.dumps({'cell': {'do': 'x'}, 'child': child.pid}), flush=True)\n"
        "time.sleep(600)\n"
    )
    run = gpu.Run(tmp_path, "cpu", ABOUT)
    run.measure(Part("slow", str(script), 600, []), tmp_path, 1.5)
    record = json.loads((tmp_path / "slow.json").read_text())
    assert record["status"] == "ended at its limit of 2 s"
    assert record == run.records[0]
    (row,) = record["rows"]
    until = time.monotonic() + 10
    while _alive(row["child"]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(row["child"])


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_part_that_dies_leaves_the_next_ones_alone(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text('import os; print(\'{"cell": {"do": "x"}}\', flush=True); os.abort()')
    run = gpu.Run(tmp_path, "cpu", ABOUT)
    for name in ("one", "two"):
        run.measure(Part(name, str(script), 60, []), tmp_path, 60)
    assert [(one["status"], len(one["rows"])) for one in run.records] == [("failed with exit code -6", 1)] * 2


def record(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"part": "p", "status": "done", "seconds": 1, "about": ABOUT, "rows": rows}


def cells_of(text: str, begin: str) -> dict[str, str]:
    """The line of a table that begins so, by the table's head."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"| {begin}"))
    head = max(i for i in range(at) if lines[i].startswith("| ---")) - 1
    return dict(
        zip(*([cell.strip() for cell in lines[i].strip("|").split(" | ")] for i in (head, at)), strict=True)
    )


def test_the_tables_ratios_are_those_of_the_rows() -> None:
    paper = {"shape": "1B", "samples": 32, "b": 1, "slots": 512, "problems": 5000, "do": "paper"}
    slow = {"do": "published", "shape": "1B", "samples": 32, "b": 1}
    train = {"do": "train", "shape": "1B", "tokens": 16384, "passes": 1, "dtype": "bfloat16", "compile": True}
    rows = [
        {"cell": slow, "problems": 2, "wall": 8.0, "tokens": 1},
        {
            "cell": paper,
            "problems": 2500,
            "wall": 50.0,
            "cpu": 25.0,
            "tokens": 8_000_000,
            "scheduled": 8_000_100,
            "roofline": 200_000.0,
            "peakBytes": 6 << 30,
            "longest": 50,
            "model": {"config": LLAMA_1B, "dtype": "bfloat16"},
        },
        {
            "cell": train | {"gradientCheckpointing": False},
            "realTokens": 500_000,
            "trainedTokens": 200_000,
            "wall": 10.0,
            "flopsPerToken": 9.89e9,
            "matrixRate": 800e12,
            "warmSeconds": 3.0,
            "losses": [11.0, 10.0],
            "peakBytes": 40 << 30,
            "config": LLAMA_1B,
            "vocabulary": 128257,
        },
        {
            "cell": {"do": "recipe", "shape": "1B", "batch": 16},
            "realTokens": 40_000,
            "paddedTokens": 50_000,
            "wall": 4.0,
            "peakOfProcess": 1 << 30,
            "losses": [11.0, 11.0],
        },
        {"cell": {"do": "engines"}, "failed": "ValueError: no such engine"},
    ]
    text = gpu_table.table([record(rows)], lambda asked: [float(2 << 30)] * len(asked))
    decoding = cells_of(text, "1B, N=32, b=1")
    assert decoding["all asked for"] == "100 s (extrapolated)"
    assert decoding["problems/s"] == "50"
    assert decoding["times the published decoder"] == "200"
    assert decoding["roofline (share)"] == "200000 (80%)"
    assert (decoding["peak GiB"], decoding["plan says GiB"]) == ("6.0", "2.0")
    training = cells_of(text, "1B, bfloat16, compiled")
    assert training["real tokens/s"] == "50000"
    # 50,000 tokens of 9.89 GFLOP a second: 494.5 TFLOP/s.
    assert (training["MFU by data sheet"], training["MFU by the rate measured"]) == ("50.0%", "61.8%")
    # Of them 6 x 2048 x 128257 for the head, which 60% of the tokens do not need.
    assert training["same, head where trained"] == "45.2%"
    assert training["times the recipe"] == "5.00"
    assert training["minutes for the paper's run"] == "21.1"
    assert "no such engine" in text


@pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules" / "tsx").exists(),
    reason="Node or tsx is missing",
)
def test_the_estimates_are_those_of_plan() -> None:
    decode = {"kind": "decode", "config": LLAMA_1B, "compute": "bfloat16", "slots": 512, "tokens": 50}
    train = {"kind": "train", "config": LLAMA_1B, "compute": "bfloat16", "microTokens": 16384}
    found = gpu.estimates(
        [decode, train | {"vocabulary": 128257, "checkpointing": True}, {**decode, "config": {}}]
    )
    parameters = 1_235_814_400
    cache = 512 * 50 * 2 * 16 * 8 * 64 * 2
    # Weights and cache, and the sampler's rows: at most some copies of the logits.
    assert 2 * parameters + cache < (found[0] or 0) < 2 * parameters + cache + 512 * 128256 * 32
    assert 16 * parameters < (found[1] or 0) < 30 * parameters
    assert found[2] is None


def test_without_node_there_are_no_estimates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    assert gpu.estimates([{}, {}]) == [None, None]
