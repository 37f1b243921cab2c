# DeepSpeed's compiled operation after a process was killed that loaded it, and one that compiled it.
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT, sums, write_shard
from test_ranks import FIRST_START_S, HAS_DEEPSPEED, NO_DEEPSPEED, Ranks

pytestmark = pytest.mark.skipif(not HAS_DEEPSPEED, reason=NO_DEEPSPEED)
LOAD = "from backtrail_worker.ranks import compiled\ncompiled.load()\n"


def python(code: str, **changes: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "py"), "DS_ACCELERATOR": "cpu"} | changes
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def said(process: subprocess.Popen[str], deadline: float = 60) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=deadline)
    return process.returncode, out, error


def test_a_lock_that_a_killed_process_left_holds_no_group_up(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = LOAD + "import sys\nprint(compiled.place())\nsys.prefix = '/elsewhere'\nprint(compiled.place())"
    code, out, error = said(python(code), FIRST_START_S)
    assert code == 0, error
    ours, elsewhere = map(Path, out.splitlines()[-2:])
    assert ours.parent == elsewhere.parent
    assert ours != elsewhere
    shutil.copytree(ours, tmp_path / ours.name)
    (folder,) = (tmp_path / ours.name / "built").iterdir()
    compiled = (folder / "deepspeed_shm_comm.so").stat().st_mtime_ns
    (folder / "lock").touch()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    group = Ranks("zero-2")
    try:
        shard = write_shard(tmp_path / "a.jsonl", sums(8))
        assert group.open("s", tokenizer, shard)["sharding"] == "zero-2"
    finally:
        group.close()
    assert not (folder / "lock").exists()
    assert (folder / "deepspeed_shm_comm.so").stat().st_mtime_ns == compiled


def test_after_a_kill_in_the_middle_of_compiling_the_next_compiles_anew(tmp_path: Path) -> None:
    def compiler(name: str, instead: str) -> str:
        """One that can say its version and does something else instead of compiling."""
        file = tmp_path / name
        file.write_text(f'#!/bin/sh\ncase " $* " in *" -c "*) {instead};; esac\nexec c++ "$@"\n')
        file.chmod(0o700)
        return str(file)

    pids, extensions = tmp_path / "pids", tmp_path / "extensions"
    slow = compiler("slow", f"echo $$ >> {pids}; exec sleep 60")
    killed = python(LOAD, CXX=slow, TORCH_EXTENSIONS_DIR=str(extensions))
    end = time.monotonic() + 60
    while not (pids.exists() and pids.read_text().endswith("\n")):
        assert time.monotonic() < end
        time.sleep(0.05)
    try:
        # Who comes while the first compiles waits for it, as long as it lives.
        broken = compiler("broken", "echo no luck; exit 1")
        waiting = python(LOAD, CXX=broken, TORCH_EXTENSIONS_DIR=str(extensions))
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(12)
        (folder,) = extensions.glob("*/built/*")
        assert (folder / "lock").exists()
        (folder / "half").touch()
        killed.kill()
        code, _, error = said(waiting)
        assert (code, "no luck" in error) == (1, True)
        assert not (folder / "half").exists()
    finally:
        killed.kill()
        killed.wait()
        for pid in pids.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
