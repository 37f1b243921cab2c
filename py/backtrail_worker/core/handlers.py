# The tensor side: answers primitives with models, sessions and tokenizers held in memory. It is the table
# of contents of the worker; the work itself is in model/, data/, train/ and decode/. Knows nothing of
# sockets or message order.
"""Primitives."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from backtrail_worker.core.call import MODELS_KEPT, Answer, Context, Request, WorkerFault
from backtrail_worker.core.memory import resident_bytes
from backtrail_worker.core.sessions import Sessions
from backtrail_worker.data.dataset import build, lint
from backtrail_worker.decode.beams import beam_sample
from backtrail_worker.decode.generate import generate, read_groups
from backtrail_worker.decode.score import score
from backtrail_worker.model.load import DTYPES, Loaded, info, load, pick_device
from backtrail_worker.model.lora import attach
from backtrail_worker.model.source import Described, describe
from backtrail_worker.protocol import (
    Arrays,
    ForwardBackward,
    Generate,
    LoadDataset,
    LoadModel,
    LoraSpec,
    ModelSpec,
    OptimStep,
    Restore,
    Save,
    Score,
    Tokenize,
)
from backtrail_worker.train.batch import need
from backtrail_worker.train.session import Trainer
from backtrail_worker.train.updates import Updates

# What libraries say when memory runs out and they have no exception of their own for it.
OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
TEXTS_KEPT = 8
# Calls after whose failure the model or its gradients may be half changed.
MUTATING = frozenset({"load_model", "forward_backward", "optim_step", "restore"})
# fp32 weight, gradient and two moments; the parameters' own bytes for inference.
TRAINING_BYTES = 16


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the GPU or the CPU."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or any(part in str(error) for part in OUT_OF_MEMORY)


class TensorSide:
    """The `Handler` of the torch worker."""

    def __init__(
        self,
        device: str,
        threads: int,
        versions: dict[str, str],
        make_updates: Callable[[Loaded], Updates] = Updates,
        mine: Callable[[list[int]], list[int]] = lambda sizes: list(range(len(sizes))),
    ) -> None:
        """`mine`: which prefixes of a generate call this process decodes, by their tokens."""
        if threads > 0:
            torch.set_num_threads(threads)
        self._device_name = device
        self._versions = versions
        self._make_updates = make_updates
        self._mine = mine
        self._sessions: Sessions[Trainer] = Sessions()
        self._models: OrderedDict[str, Loaded] = OrderedDict()
        self._described: OrderedDict[str, Described] = OrderedDict()

    # ---- Handler

    def answer(self, request: Request, context: Context) -> Answer:
        """Answers one checked call."""
        if request.session is None:
            free: dict[str, Callable[[], Answer]] = {
                "generate": lambda: self._generate(_as(request.params, Generate), request.arrays, context),
                "score": lambda: self._score(_as(request.params, Score), request.arrays, context),
                "tokenize": lambda: self._tokenize(_as(request.params, Tokenize), request.arrays),
                "info": self._info,
            }
            return free[request.primitive]()
        name = request.session.id
        self._sessions.enter(
            request.session, request.primitive == "load_model", request.primitive == "unload"
        )
        try:
            return self._session_call(name, request, context)
        except Exception as error:
            if request.primitive in MUTATING:
                self._sessions.break_off(
                    name, f"call {request.session.seq} ({request.primitive}) failed: {error}"
                )
            raise

    def fault_of(self, error: BaseException) -> WorkerFault | None:
        """Out of memory, on the GPU or the CPU."""
        if out_of_memory(error):
            self._drop_boards()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return WorkerFault("out-of-memory", f"not enough memory: {error}", retryable=True)
        return None

    def device_lost(self) -> bool:
        """See Handler."""
        if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return False
        try:
            torch.cuda.synchronize()
        except RuntimeError:
            return True
        return False

    def break_off(self, session: str, reason: str) -> None:
        """A call failed beside this process: the session cannot go on."""
        self._sessions.break_off(session, reason)

    def skip(self, session: Any) -> None:
        """A queued session call will not run."""
        self._sessions.skip(session)

    def device_bytes(self) -> int:
        """What torch has reserved on its GPUs: others cannot have it, used or not."""
        if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return 0
        return sum(torch.cuda.memory_reserved(index) for index in range(torch.cuda.device_count()))

    # ---- session primitives

    def _session_call(self, name: str, request: Request, context: Context) -> Answer:
        params = request.params
        match request.primitive:
            case "load_model":
                return self._load_model(name, _as(params, LoadModel))
            case "load_dataset":
                return self._load_dataset(name, _as(params, LoadDataset), context)
            case "forward_backward":
                return self._forward_backward(name, _as(params, ForwardBackward), request.arrays)
            case "optim_step":
                return Answer(self._sessions.state(name).optim_step(_as(params, OptimStep)))
            case "save":
                wanted = _as(params, Save)
                size = self._sessions.state(name).save(wanted.path, wanted.resume)
                return Answer({"path": wanted.path, "bytes": size})
            case "restore":
                return Answer({"step": self._sessions.state(name).restore(_as(params, Restore).path)})
            case _:
                self._close(name)
                return Answer({})

    def _close(self, name: str) -> None:
        """Forgets a session; its memory is free at once, on a GPU for other processes too."""
        if closed := self._sessions.close(name):
            closed.updates.close()
        del closed
        # Adapted models hold themselves.
        gc.collect()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()

    def _drop_boards(self) -> None:
        """Gives back what engines keep for later calls, for somebody needs memory now."""
        for loaded in self._models.values():
            loaded.board = None

    def _load_model(self, name: str, params: LoadModel) -> Answer:
        self._drop_boards()
        loaded = load(params.model, torch.float32, pick_device(self._device_name))
        if isinstance(params.lora, LoraSpec):
            attach(loaded, params.lora)
        # Before several ranks may cut the parameters in pieces.
        about = info(loaded, TRAINING_BYTES)
        checkpointing, compiled = params.gradient_checkpointing is True, params.compile is True
        trainer = Trainer(loaded, checkpointing, self._make_updates, compiled)
        self._sessions.open(name, trainer)
        return Answer({"info": about | trainer.updates.about()})

    def _load_dataset(self, name: str, params: LoadDataset, context: Context) -> Answer:
        trainer = self._sessions.state(name)
        described = trainer.loaded.described

        def step(rows: int) -> None:
            context.check()
            context.progress(rows, 0)

        dataset = build(params, described.text, described.end, step)
        counts = lint(dataset, list(described.text.added.values()), described.end)
        trainer.datasets[params.dataset] = dataset
        result = {
            "rows": dataset.rows,
            "tokens": len(dataset.tokens),
            "trainedTokens": int(dataset.mask.sum()),
            "overlong": dataset.overlong,
            "lint": counts,
        }
        return Answer(result, {"lengths": dataset.lengths, "trained": dataset.trained})

    def _forward_backward(self, name: str, params: ForwardBackward, arrays: Arrays) -> Answer:
        return Answer(self._sessions.state(name).run(params, arrays))

    # ---- free primitives

    def _describe(self, spec: ModelSpec) -> Described:
        """Tokenizer and config, kept by version."""
        found = self._described.pop(spec.version, None) or describe(spec)
        self._described[spec.version] = found
        while len(self._described) > TEXTS_KEPT:
            self._described.popitem(last=False)
        return found

    def _model(self, spec: ModelSpec) -> Loaded:
        """A model for inference, kept by version; the least recently used one goes first."""
        found = self._models.pop(spec.version, None)
        if found is None:
            described = self._describe(spec)
            while len(self._models) >= MODELS_KEPT:
                self._models.popitem(last=False)
            self._drop_boards()
            found = load(spec, DTYPES[spec.dtype], pick_device(self._device_name), described)
        self._models[spec.version] = found
        return found

    def _generate(self, params: Generate, arrays: Arrays, context: Context) -> Answer:
        loaded = self._model(params.model)
        groups = read_groups(arrays, loaded)
        groups = [groups[index] for index in self._mine([group.tokens for group in groups])]
        if params.beams == "beam-sample":
            return beam_sample(loaded, groups, params, context)
        return generate(loaded, groups, params, context)

    def _score(self, params: Score, arrays: Arrays, context: Context) -> Answer:
        return score(self._model(params.model), params, arrays, context)

    def _tokenize(self, params: Tokenize, arrays: Arrays) -> Answer:
        need(arrays, {})
        described = self._describe(params.model)
        encoded = described.text.encode(params.texts)
        result = {
            "sequences": len(encoded),
            "endToken": described.end,
            "context": described.context,
            "addedTokens": described.text.added,
        }
        bins = {
            "tokens": np.array([token for ids, _ in encoded for token in ids], dtype=np.int32),
            "lengths": np.array([len(ids) for ids, _ in encoded], dtype=np.int32),
            "charEnds": np.array([end for _, ends in encoded for end in ends], dtype=np.int32),
        }
        return Answer(result, bins)

    def _info(self) -> Answer:
        return Answer(
            {
                "models": list(self._models),
                "sessions": self._sessions.ids(),
                "memoryBytes": resident_bytes(),
                "versions": self._versions,
            }
        )


def _as(value: Any, shape: type[Any]) -> Any:
    assert isinstance(value, shape)
    return value
