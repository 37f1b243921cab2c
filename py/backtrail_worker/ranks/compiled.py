# On a CPU DeepSpeed compiles an operation on its first start, with torch's builder. That tells others to wait
# by a mere file, which outlives a killed process: everybody after it would wait forever. Here the kernel
# tells who builds, in a folder that nobody else uses.
"""DeepSpeed's compiled operation."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

EXTENSIONS = "TORCH_EXTENSIONS_DIR"


def place() -> Path:
    """The folder of this environment, in the one that torch is told to use or its own."""
    deepspeed: Any = importlib.import_module("deepspeed")
    # It needs setuptools, which those who compile nothing may lack.
    from torch.utils.cpp_extension import get_default_build_root

    # In a folder for all, environments with their headers elsewhere would undo each other's work in turns.
    made_of = (sys.prefix, sys.version, torch.__version__, deepspeed.__version__)
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
    return Path(os.environ.get(EXTENSIONS) or get_default_build_root()) / f"backtrail-{digest}"


@cache
def load() -> None:
    """
    Loads the operation once for this process, which DeepSpeed then finds loaded; compiles it if nobody has.
    Waits while another process does. Raises RuntimeError or OSError when it cannot be compiled.
    """
    comm: Any = importlib.import_module("deepspeed.comm.torch")
    own = place()
    built, whole = own / "built", own / "whole"
    own.mkdir(parents=True, exist_ok=True)
    with (own / "held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not whole.exists():
            # Who began it was killed. Its compilers may still run; they now write into a folder that is gone.
            shutil.rmtree(built, ignore_errors=True)
        for lock in built.glob("*/lock"):
            lock.unlink()
        before = os.environ.get(EXTENSIONS)
        os.environ[EXTENSIONS] = str(built)
        try:
            comm.build_shm_op()
        finally:
            del os.environ[EXTENSIONS]
            if before is not None:
                os.environ[EXTENSIONS] = before
        whole.touch()
