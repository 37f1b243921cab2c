# Everything that is to be measured on one GPU, in order of worth, in one command and without Node. Each part
# is a process with a time limit of its own, and each row is on disk before the next is measured, so that
# whoever ends this run loses nothing. Standard library only; the parts load torch.
"""
python bench/gpu.py [--rehearse] [--minutes N] [--only part,...] [--out FOLDER] [--commit ID]
python bench/gpu.py --table FOLDER     # the table again, from what a run left

`npm run bench:gpu` is the same with the project's Python. --rehearse: the same plan at toy size on the CPU.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from gpu_data import LLAMA_WORDS, prepare
from gpu_plan import Part, real, rehearsal
from gpu_table import table

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("py", "bench", "test/py")
EXAMPLES, TOY_EXAMPLES, TOY_WORDS = 8192, 64, 1200
# Seconds for the table and the last file when --minutes runs out.
RESERVE_S = 10
# A part that could not even load its model in this time is not begun.
LEAST_S = 30


def machine(device: str, commit: str | None) -> dict[str, Any]:
    """Where and with what the figures were measured; what this machine does not tell is left out."""
    asked = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
    code = "import json; from backtrail_worker.__main__ import versions; print(json.dumps(versions()))"
    seen = _said([sys.executable, "-c", code])
    smi = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
    return {
        "host": platform.platform(),
        "cores": os.cpu_count(),
        "device": device,
        "gpus": [] if device == "cpu" else _said(smi).splitlines(),
        "versions": json.loads(seen) if seen else {},
        "commit": commit or _commit(),
        "sources": digest(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _said(command: list[str]) -> str:
    """What a command prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _commit() -> str:
    head = _said(["git", "rev-parse", "--short", "HEAD"])
    if not head:
        return "no git here; see sources"
    return head + (" with local changes" if _said(["git", "status", "--porcelain", "--", *SOURCES]) else "")


def digest() -> str:
    """SHA-256 over the Python sources: ties a record to a commit also where there is no git."""
    sums = hashlib.sha256()
    for path in sorted(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")):
        sums.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return sums.hexdigest()[:16]


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "py"), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


class Run:
    """One run: its folder, its parts so far, the process of the part that is measured now."""

    def __init__(self, out: Path, device: str, about: dict[str, Any]) -> None:
        self._out, self._device, self._about = out, device, about
        self._threads = 1 if device == "cpu" else 0
        self.records: list[dict[str, Any]] = []
        self._child: subprocess.Popen[str] | None = None

    def measure(self, part: Part, data: Path, limit_s: float) -> None:
        """Runs a part to its end or its limit; every row is in the part's file as soon as it is known."""
        record = {"part": part.name, "status": "running", "about": self._about, "rows": []}
        self.records.append(record)
        self._keep(record)
        print(f"-- {part.name}: at most {limit_s:.0f} s", file=sys.stderr, flush=True)
        began = time.monotonic()
        command = [sys.executable, str(Path(__file__).parent / part.script), self._device]
        self._child = child = subprocess.Popen(
            [*command, str(self._threads), str(data), json.dumps(part.cells)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=_environment(),
            # A group, so that all of it can be ended; not a session, so that who ends us ends it too.
            process_group=0,
        )
        late = threading.Timer(limit_s, self.stop)
        late.start()
        assert child.stdout is not None
        for line in child.stdout:
            record["rows"].append(json.loads(line))
            self._keep(record)
        code = child.wait()
        spent = time.monotonic() - began
        late.cancel()
        if code == 0:
            record["status"] = "done"
        elif spent >= limit_s:
            record["status"] = f"ended at its limit of {limit_s:.0f} s"
        else:
            record["status"] = f"failed with exit code {code}"
        record["seconds"] = round(spent, 1)
        self._keep(record)
        print(f"-- {part.name}: {record['status']}, {spent:.0f} s", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Ends the part that runs now, with all it has started."""
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)

    def _keep(self, record: dict[str, Any]) -> None:
        """A file is the last whole record or the one before, never half of one."""
        target = self._out / f"{record['part']}.json"
        draft = target.with_suffix(".part")
        draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, target)


def estimates(asked: list[dict[str, Any]]) -> list[float | None]:
    """Bytes that `plan` would show for each; none where Node or the program's sources are not at hand."""
    command = ["node", "--import", "tsx", str(Path(__file__).with_name("gpuEstimate.ts"))]
    try:
        done = subprocess.run(
            command, cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60
        )
        found: list[float | None] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return [None] * len(asked)
    return found


def read_flags() -> argparse.Namespace:
    """The command line."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    flags.add_argument("--rehearse", action="store_true", help="toy sizes on the CPU")
    flags.add_argument("--minutes", type=float, default=float("inf"), help="end in time, whatever is left")
    flags.add_argument("--only", help="parts, by name, separated by commas")
    flags.add_argument("--device", default="cuda:0")
    flags.add_argument("--out", type=Path, help="a new folder; default: a temporary one")
    flags.add_argument("--commit", help="of the sources, where there is no git")
    flags.add_argument("--table", type=Path, metavar="FOLDER", help="only print the table of an earlier run")
    return flags.parse_args()


def chosen(parts: list[Part], only: str | None) -> list[Part]:
    """Those named by --only, in the plan's order."""
    if only is None:
        return parts
    names = only.split(",")
    if unknown := [name for name in names if name not in {part.name for part in parts}]:
        known = ", ".join(part.name for part in parts)
        raise SystemExit(f"--only {only}: there is no part {', '.join(unknown)}; there are {known}")
    return [part for part in parts if part.name in names]


def main() -> None:
    """Measures and prints the table; exit code 1 when a part or a cell failed."""
    flags = read_flags()
    if flags.table is not None:
        files = sorted(flags.table.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        print(table([json.loads(path.read_text(encoding="utf-8")) for path in files], estimates))
        return
    until = time.monotonic() + 60 * flags.minutes
    parts = chosen(rehearsal() if flags.rehearse else real(), flags.only)
    out = flags.out or Path(tempfile.mkdtemp(prefix="backtrail-gpu-"))
    out.mkdir(parents=True, exist_ok=True)
    if taken := [part.name for part in parts if (out / f"{part.name}.json").exists()]:
        raise SystemExit(f"--out {out} holds results of {', '.join(taken)} already; name another folder")
    device = "cpu" if flags.rehearse else flags.device
    run = Run(out, device, machine(device, flags.commit))

    def leave(number: int, _: Any) -> None:
        run.stop()
        print(table(run.records, estimates), flush=True)
        raise SystemExit(f"ended by signal {number}; what was measured is in {out}")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    skipped = []
    with tempfile.TemporaryDirectory(prefix="backtrail-bench-") as data:
        prepare(Path(data), *((TOY_WORDS, TOY_EXAMPLES) if flags.rehearse else (LLAMA_WORDS, EXAMPLES)))
        for part in parts:
            left = until - time.monotonic() - RESERVE_S
            if left < LEAST_S:
                skipped.append(part.name)
                continue
            run.measure(part, Path(data), min(part.limit_s, left))
    print(table(run.records, estimates))
    if skipped:
        print(f"\nNot begun for want of time: {', '.join(skipped)}.")
    print(f"\nFiles: {out}")
    failed = [one["part"] for one in run.records if one["status"] != "done" or _failed(one["rows"])]
    raise SystemExit(f"failed or cut short: {', '.join(failed)}" if failed else 0)


def _failed(rows: list[dict[str, Any]]) -> bool:
    return any("failed" in row or row.get("outcome") == "failed" for row in rows)


if __name__ == "__main__":
    main()
