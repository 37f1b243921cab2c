# The other side of bench/bridge.ts: the worker's own primitives driven by a plain loop in this process. No
# socket, no message, no second thread. Commands come on stdin, answers go to stdout, as JSON lines.
"""python bridge_direct.py <device> <threads>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from backtrail_worker.__main__ import set_thread_environment, settle_memory, versions
from backtrail_worker.core.call import Answer, Handler, Request
from backtrail_worker.protocol import (
    Arrays,
    ForwardBackward,
    OptimStep,
    SessionRef,
    Unload,
    read_params,
)
from msgspec import Struct


class Collected:
    """The `Context` of a call without a coordinator: keeps the chunks, never cancels."""

    def __init__(self) -> None:
        self.chunks: list[Arrays] = []

    def check(self) -> None:
        pass

    def progress(self, done: float, total: float) -> None:
        pass

    def chunk(self, texts: list[str], arrays: Arrays) -> None:
        self.chunks.append(arrays)


class Direct:
    """Answers the commands of bench/bridge.ts."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._sessions = 0

    def train(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """
        The steps of `wanted`, one after the other. `rows` [steps][batch]; `weights` and `rates` [steps].
        Timed from the end of step `warm` to the end of the last.
        """
        self._sessions += 1
        sequence = 0

        def call(primitive: str, params: Struct, arrays: Arrays) -> Answer:
            nonlocal sequence
            sequence += 1
            session = SessionRef(id=f"direct{self._sessions}", seq=sequence)
            return self._handler.answer(Request(primitive, params, arrays, session), Collected())

        call("load_model", read_params("load_model", {"model": wanted["model"]}), {})
        call("load_dataset", read_params("load_dataset", wanted["dataset"]), {})
        adam, rates = wanted["adam"], wanted["rates"]
        loss = ForwardBackward(loss="cross_entropy", dataset="train")
        losses: list[float] = []
        began = time.perf_counter()
        for index, rows in enumerate(wanted["rows"]):
            rows_N = np.array(rows, dtype=np.int32)
            weights_N = np.full(len(rows), wanted["weights"][index], dtype=np.float32)
            answer = call("forward_backward", loss, {"rows": rows_N, "weights": weights_N})
            losses.append(answer.result["loss"])
            call("optim_step", OptimStep(step=index + 1, learning_rate=rates[index], **adam), {})
            if index + 1 == wanted["warm"]:
                began = time.perf_counter()
        seconds = time.perf_counter() - began
        call("unload", Unload(), {})
        return {"seconds": seconds, "losses": losses}

    def generate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The calls of `wanted`, one after the other; the tokens of all completions, in order."""
        tokens: list[list[int]] = []
        calls = [
            {name: np.array(values, dtype=kind) for name, (kind, values) in bins.items()}
            for bins in wanted["calls"]
        ]
        params = read_params("generate", wanted["params"])
        began = time.perf_counter()
        answers: list[list[Arrays]] = []
        for arrays in calls:
            context = Collected()
            self._handler.answer(Request("generate", params, arrays, None), context)
            answers.append(context.chunks)
        seconds = time.perf_counter() - began
        for chunks in answers:
            tokens += _by_completion(chunks)
        return {"seconds": seconds, "tokens": tokens}


def _by_completion(chunks: list[Arrays]) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for arrays in chunks:
        ends = np.cumsum(arrays["lengths"])
        for index, end, length in zip(arrays["completion"], ends, arrays["lengths"], strict=True):
            found[int(index)] = arrays["tokens"][end - length : end].tolist()
    return [found[index] for index in sorted(found)]


def main() -> None:
    """Answers commands until stdin ends."""
    device, threads = sys.argv[1], int(sys.argv[2])
    set_thread_environment(threads)
    settle_memory()
    from backtrail_worker.core.handlers import TensorSide

    direct = Direct(TensorSide(device, threads, versions()))
    answers = {"train": direct.train, "generate": direct.generate}
    print(json.dumps({"versions": versions()}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(answers[command["do"]](command)), flush=True)


if __name__ == "__main__":
    main()
