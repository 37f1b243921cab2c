# Start of a worker process: one JSON line on stdin, then the life line. Arms its own death before anything
# else, so that no worker outlives its coordinator. Never imports torch itself.
"""python -m backtrail_worker"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib.metadata
import os
import platform
import signal
import sys
import threading

import msgspec
from msgspec import UNSET

from backtrail_worker.core.call import MODELS_KEPT, Handler
from backtrail_worker.core.device import device_facts, device_name
from backtrail_worker.loop import Loop
from backtrail_worker.outbox import Key
from backtrail_worker.protocol import (
    PRIMITIVES,
    PROTOCOL_VERSION,
    Hello,
    RankStart,
    WorkerStart,
    decode_start,
)
from backtrail_worker.transport import Link

PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The running call and three behind it: enough for a pipelined training loop, few enough not to hoard free
# calls.
CREDIT = 4
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyzmq", "msgspec", "deepspeed")


def _die_with_parent() -> None:
    # Linux only; elsewhere the life line on stdin alone ends the worker.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _leave(code: int) -> None:
    sys.stderr.flush()
    os._exit(code)


def _watch_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    print("stdin closed: the coordinator is gone", file=sys.stderr)
    _leave(1)


def read_start_line() -> bytes:
    """The first line of stdin, read without taking bytes beyond it."""
    line = bytearray()
    while (byte := os.read(0, 1)) and byte != b"\n":
        line += byte
    return bytes(line)


def versions() -> dict[str, str]:
    """Versions of what the worker stands on, read from package metadata (no import)."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def set_thread_environment(threads: int) -> None:
    """
    What OpenMP must know before torch is loaded. Passive waiting: spinning threads cost up to x7 on busy
    machines.
    """
    if threads > 0:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    if threads > 1:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")


def settle_memory() -> None:
    """
    Tells glibc not to hand memory back between steps: by default a worker gives back and faults in again some
    2000 pages per training step, 3% of its time (bench/README.md). Elsewhere that does nothing. And PyTorch,
    before its first tensor, to ask for huge pages: decoding reads a cache of tens of MB each step.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_MMAP_THRESHOLD, 1 << 25)


def _start() -> WorkerStart:
    try:
        start = decode_start(read_start_line())
    except msgspec.DecodeError as error:
        print(f"stdin: the first line must be a workerStart in JSON: {error}", file=sys.stderr)
        _leave(2)
        raise
    if start.mock:
        print(
            f'"mock" is for the mock worker; the torch worker takes none (found {sorted(start.mock)})',
            file=sys.stderr,
        )
        _leave(2)
    if start.coordinator_pid and os.getppid() != start.coordinator_pid:
        # The parent died before the death signal was armed, or a wrapper stands between.
        print(f"the parent is {os.getppid()}, not the coordinator {start.coordinator_pid}", file=sys.stderr)
        _leave(2)
    return start


def main() -> None:
    """Runs a worker until it is told to leave."""
    _die_with_parent()
    os.register_at_fork(after_in_child=_die_with_parent)
    os.dup2(2, 1)
    faulthandler.enable()
    # Ctrl-C is the coordinator's to handle: it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start = _start()
    threading.Thread(target=_watch_stdin, name="stdin", daemon=True).start()
    set_thread_environment(start.threads)
    settle_memory()
    group = start.group if isinstance(start.group, RankStart) else None
    if group is not None and group.rank > 0:
        from backtrail_worker.ranks.lead import follow

        follow(start, versions())

    facts = device_facts(
        start.device, os.environ.get("CUDA_VISIBLE_DEVICES"), order=os.environ.get("CUDA_DEVICE_ORDER")
    )

    def hello(held: list[Key]) -> Hello:
        return Hello(
            v=PROTOCOL_VERSION,
            worker=start.worker,
            token=start.token,
            pid=os.getpid(),
            flavour="torch",
            capabilities=sorted(PRIMITIVES),
            versions=versions(),
            device=device_name(start.device, facts),
            credit=CREDIT,
            held=held,
            device_memory_bytes=UNSET if facts.memory_bytes is None else float(facts.memory_bytes),
            gpus=UNSET if facts.gpus is None else facts.gpus,
            models_kept=MODELS_KEPT,
        )

    def make_handler() -> Handler:
        if group is not None:
            from backtrail_worker.ranks.lead import lead

            return lead(start, versions())
        from backtrail_worker.core.handlers import TensorSide

        return TensorSide(start.device, start.threads, versions())

    link = Link(start.endpoint, hello, _leave)
    link.start()
    Loop(link, make_handler).run()


if __name__ == "__main__":
    main()
