# Our side of bench/train.ts and bench/gpu.py: the worker's own primitives driven by a plain loop in this
# process. Commands come on stdin, answers go to stdout, as JSON lines: first `open`, then `steps` as often as
# wanted.
"""python train_direct.py <device> <threads>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np
from backtrail_worker.__main__ import set_thread_environment, settle_memory, versions
from backtrail_worker.core.call import Answer, Handler, Request
from backtrail_worker.protocol import Arrays, SessionRef, read_params

from bridge_direct import Collected


def wait_for_device(device: str) -> None:
    """Returns when the device has done what it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


class Clock:
    """Seconds since it was made, on the wall and of this process's CPU, and the most memory held so far."""

    def __init__(self, device: str) -> None:
        self._device = device
        wait_for_device(device)
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Fields of an answer of `steps`."""
        wait_for_device(self._device)
        return {
            "seconds": time.perf_counter() - self._began,
            "cpuSeconds": time.process_time() - self._cpu,
            "peakBytes": peak_bytes(self._device),
        }


def peak_bytes(device: str) -> int:
    """Most memory held so far: allocated on a GPU, resident on a CPU."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def matrix_rate(device: str, dtype: str) -> float:
    """FLOP/s of a square matrix product, the best of five; on a CPU by its own time, as everything here."""
    import torch

    size = 8192 if device.startswith("cuda") else 1536
    left = torch.randn(size, size, device=device).to(getattr(torch, dtype))
    times = []
    for _ in range(6):
        clock = Clock(device)
        left @ left
        times.append(clock.read()["cpuSeconds" if device == "cpu" else "seconds"])
    return 2 * size**3 / min(times[1:])


class Direct:
    """Answers the commands of bench/train.ts with the primitives of one session."""

    def __init__(self, handler: Handler, device: str) -> None:
        self._handler = handler
        self._device = device
        self._sequence = 0
        self._step = 0

    def _call(self, primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> Answer:
        self._sequence += 1
        session = SessionRef(id="direct", seq=self._sequence)
        request = Request(primitive, read_params(primitive, params), arrays or {}, session)
        return self._handler.answer(request, Collected())

    def open(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Loads model and data; tokens and trained tokens of each row."""
        import torch

        # Weights are drawn on the device: the worker draws on the CPU, where 3B take a minute.
        with torch.device(self._device):
            info = self._call("load_model", wanted["load"]).result["info"]
        loaded = self._call("load_dataset", wanted["dataset"])
        return {
            "info": info,
            "lengths": loaded.arrays["lengths"].tolist(),
            "trained": loaded.arrays["trained"].tolist(),
            "matrixRate": matrix_rate(self._device, wanted["load"]["model"]["dtype"]),
            "versions": versions(),
        }

    def steps(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """`steps`: each with `parts` (rows of each forward pass) and `weight` of a trained token."""
        losses: list[float] = []
        clock = Clock(self._device)
        for step in wanted["steps"]:
            loss = 0.0
            for part in step["parts"]:
                rows_N = np.array(part, dtype=np.int32)
                arrays = {"rows": rows_N, "weights": np.full(len(part), step["weight"], dtype=np.float32)}
                loss += self._call("forward_backward", wanted["forward"], arrays).result["loss"]
            self._step += 1
            self._call("optim_step", {"step": self._step, **wanted["adam"]})
            losses.append(loss)
        return {"losses": losses} | clock.read()

    def close(self) -> None:
        """Lets go of model and data; `open` may follow."""
        self._call("unload", {})
        self._sequence = self._step = 0


def main() -> None:
    """Answers commands until stdin ends."""
    device, threads = sys.argv[1], int(sys.argv[2])
    set_thread_environment(threads)
    settle_memory()
    from backtrail_worker.core.handlers import TensorSide

    direct = Direct(TensorSide(device, threads, versions()), device)
    answers = {"open": direct.open, "steps": direct.steps}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(answers[command["do"]](command)), flush=True)


if __name__ == "__main__":
    main()
