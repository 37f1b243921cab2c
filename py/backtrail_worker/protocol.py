# The wire as Python sees it: twin of src/protocol/messages.ts and primitives.ts, held together by
# test/contract. Knows nothing of sockets or tensors; never imports torch.
"""Messages, parameters of the primitives, and raw bins."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Meta, Struct, UnsetType

PROTOCOL_VERSION: Final = 2

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
BinType = Literal["uint8", "int32", "uint32", "float32"]
Bin = tuple[str, BinType, list[Count]]
Array = npt.NDArray[Any]
Arrays = dict[str, Array]
DTYPES: dict[str, str] = {"uint8": "<u1", "int32": "<i4", "uint32": "<u4", "float32": "<f4"}
V = Literal[2]


class RequestError(ValueError):
    """A message that breaks the contract; answered with error code "bad-request"."""


# ---- worker -> coordinator


class Hello(Struct, tag_field="kind", tag="hello", rename="camel", forbid_unknown_fields=True):
    v: int
    worker: str
    token: str
    pid: int
    flavour: str
    capabilities: list[str]
    versions: dict[str, str]
    device: str
    credit: Positive
    held: list[tuple[str, int]]
    device_memory_bytes: float | UnsetType = UNSET
    gpus: Count | UnsetType = UNSET
    models_kept: Positive | UnsetType = UNSET


class Accept(Struct, tag_field="kind", tag="accept", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive


class Progress(Struct, tag_field="kind", tag="progress", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    done: float
    total: float


class Chunk(Struct, tag_field="kind", tag="chunk", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    seq: Count
    texts: list[str]
    bins: list[Bin]


class Result(Struct, tag_field="kind", tag="result", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    chunks: Count
    result: dict[str, Any]
    seconds: float
    bins: list[Bin]


class Error(Struct, tag_field="kind", tag="error", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    code: str
    message: str
    traceback: str
    retryable: bool


class Heartbeat(Struct, tag_field="kind", tag="heartbeat", rename="camel", forbid_unknown_fields=True):
    v: V
    worker: str
    job: str
    done: float
    memory_bytes: float
    malformed: Count | UnsetType = UNSET


class Log(Struct, tag_field="kind", tag="log", rename="camel", forbid_unknown_fields=True):
    v: V
    worker: str
    level: Literal["debug", "info", "warning", "error"]
    text: str


class Bye(Struct, tag_field="kind", tag="bye", rename="camel", forbid_unknown_fields=True):
    v: V
    worker: str
    reason: str


FromWorker = Hello | Accept | Progress | Chunk | Result | Error | Heartbeat | Log | Bye


# ---- coordinator -> worker


class SessionRef(Struct, rename="camel", forbid_unknown_fields=True):
    id: str
    seq: Positive


class Welcome(Struct, tag_field="kind", tag="welcome", rename="camel", forbid_unknown_fields=True):
    v: V
    heartbeat_ms: Positive
    chunk_window: Positive
    # JavaScript sends integers beyond 32 bits as float64.
    max_message_bytes: Annotated[float, Meta(gt=0)]


class Reject(Struct, tag_field="kind", tag="reject", rename="camel", forbid_unknown_fields=True):
    v: V
    reason: str


class Rehello(Struct, tag_field="kind", tag="rehello", rename="camel", forbid_unknown_fields=True):
    v: V


class Job(Struct, tag_field="kind", tag="job", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    primitive: str
    params: dict[str, Any]
    bins: list[Bin]
    session: SessionRef | UnsetType = UNSET


class Ack(Struct, tag_field="kind", tag="ack", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive
    seq: Count | UnsetType = UNSET


class Cancel(Struct, tag_field="kind", tag="cancel", rename="camel", forbid_unknown_fields=True):
    v: V
    id: str
    attempt: Positive


class Drain(Struct, tag_field="kind", tag="drain", rename="camel", forbid_unknown_fields=True):
    v: V


class Shutdown(Struct, tag_field="kind", tag="shutdown", rename="camel", forbid_unknown_fields=True):
    v: V


ToWorker = Welcome | Reject | Rehello | Job | Ack | Cancel | Drain | Shutdown


class RankStart(Struct, rename="camel", forbid_unknown_fields=True):
    """A process's place in a group of ranks; `rendezvous` is a file that the launcher has chosen for them."""

    rank: Count
    ranks: Positive
    rendezvous: str
    deepspeed: dict[str, Any] | UnsetType = UNSET


class WorkerStart(Struct, rename="camel", forbid_unknown_fields=True):
    """The JSON line on stdin."""

    endpoint: str
    worker: str
    token: str
    coordinator_pid: int
    threads: Count
    device: str
    mock: dict[str, Any]
    group: RankStart | UnsetType = UNSET


# ---- primitives: parameters


class PathSource(Struct, tag_field="kind", tag="path", forbid_unknown_fields=True):
    path: str


class HubSource(Struct, tag_field="kind", tag="hub", forbid_unknown_fields=True):
    id: str
    revision: str | UnsetType = UNSET


class ArchitectureSource(Struct, tag_field="kind", tag="architecture", forbid_unknown_fields=True):
    config: dict[str, Any]
    tokenizer: str
    seed: Count


ModelSource = PathSource | HubSource | ArchitectureSource
Dtype = Literal["float32", "bfloat16"]


class ModelSpec(Struct, rename="camel", forbid_unknown_fields=True):
    version: str
    source: ModelSource
    dtype: Dtype
    add_tokens: list[Annotated[str, Meta(min_length=1)]]
    reserved_tokens: dict[str, str]


class OptimizerSpec(Struct, rename="camel", forbid_unknown_fields=True):
    kind: Literal["adamw"]


class LoraSpec(Struct, rename="camel", forbid_unknown_fields=True):
    rank: Positive
    alpha: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    targets: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    seed: Count = 0


class LoadModel(Struct, rename="camel", forbid_unknown_fields=True):
    model: ModelSpec
    optimizer: OptimizerSpec | UnsetType = UNSET
    gradient_checkpointing: bool | UnsetType = UNSET
    compile: bool | UnsetType = UNSET
    lora: LoraSpec | UnsetType = UNSET


class Shard(Struct, rename="camel", forbid_unknown_fields=True):
    path: str
    sha256: str


class LoadDataset(Struct, rename="camel", forbid_unknown_fields=True):
    dataset: str
    shards: list[Shard]
    max_tokens: Positive
    overlong: Literal["refuse", "truncate", "drop"]


class PolicyLoss(Struct, rename="camel", forbid_unknown_fields=True):
    clip_low: Annotated[float, Meta(ge=0, le=1)]
    clip_high: Annotated[float, Meta(ge=0)]
    kl: Annotated[float, Meta(ge=0)]


class ForwardBackward(Struct, rename="camel", forbid_unknown_fields=True):
    loss: Literal["cross_entropy", "policy_gradient"]
    dataset: str | UnsetType = UNSET
    packed: bool | UnsetType = UNSET
    policy: PolicyLoss | UnsetType = UNSET


class OptimStep(Struct, rename="camel", forbid_unknown_fields=True):
    step: Positive
    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    clip_norm: float


class Save(Struct, rename="camel", forbid_unknown_fields=True):
    path: str
    resume: bool


class Restore(Struct, rename="camel", forbid_unknown_fields=True):
    path: str


class Generate(Struct, rename="camel", forbid_unknown_fields=True):
    model: ModelSpec
    temperature: Annotated[float, Meta(ge=0)]
    top_k: Count
    top_p: Annotated[float, Meta(gt=0, le=1)]
    stops: list[str]
    beams: Literal["independent", "beam-sample"]
    slots: Count
    engine: Literal["auto", "reference", "continuous"] | UnsetType = UNSET


class Score(Struct, rename="camel", forbid_unknown_fields=True):
    model: ModelSpec
    named: list[Count]
    hidden: list[Count] | UnsetType = UNSET


class Tokenize(Struct, rename="camel", forbid_unknown_fields=True):
    model: ModelSpec
    texts: list[str]


class Info(Struct, forbid_unknown_fields=True):
    pass


class Unload(Struct, forbid_unknown_fields=True):
    pass


Params = (
    LoadModel
    | LoadDataset
    | ForwardBackward
    | OptimStep
    | Save
    | Restore
    | Generate
    | Score
    | Tokenize
    | Info
    | Unload
)

SESSION_PRIMITIVES: dict[str, type[Struct]] = {
    "load_model": LoadModel,
    "load_dataset": LoadDataset,
    "forward_backward": ForwardBackward,
    "optim_step": OptimStep,
    "save": Save,
    "restore": Restore,
    "unload": Unload,
}
FREE_PRIMITIVES: dict[str, type[Struct]] = {
    "generate": Generate,
    "score": Score,
    "tokenize": Tokenize,
    "info": Info,
}
PRIMITIVES = SESSION_PRIMITIVES | FREE_PRIMITIVES

FINISH_STOP, FINISH_END, FINISH_LENGTH, FINISH_CONTEXT = 0, 1, 2, 3

# ---- codec

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker, strict=True)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker, strict=True)
_start: msgspec.json.Decoder[WorkerStart] = msgspec.json.Decoder(WorkerStart, strict=True)


def encode(message: FromWorker | ToWorker) -> bytes:
    """Message -> msgpack header."""
    return _encoder.encode(message)


def decode_to_worker(header: bytes) -> ToWorker:
    """
    Header -> message of the coordinator. Raises msgspec.DecodeError (ValidationError included) or
    UnicodeDecodeError.
    """
    return _to_worker.decode(header)


def decode_from_worker(header: bytes) -> FromWorker:
    """Header -> message of a worker; for tests that play the coordinator."""
    return _from_worker.decode(header)


def decode_start(line: bytes) -> WorkerStart:
    """The JSON line on stdin. Raises msgspec.DecodeError."""
    return _start.decode(line)


def _whole(value: Any) -> Any:
    # JavaScript's msgpack writes integers beyond 32 bits as float64; strict integer fields want them back.
    if isinstance(value, float) and abs(value) >= 2**31 and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def read_params(primitive: str, params: dict[str, Any]) -> Struct:
    """
    Checks the parameters of a primitive. Raises RequestError for an unknown primitive or a field out of
    contract.
    """
    shape = PRIMITIVES.get(primitive)
    if shape is None:
        raise RequestError(f'unknown primitive "{primitive}"; known: {", ".join(sorted(PRIMITIVES))}')
    try:
        read: Struct = msgspec.convert(_whole(params), shape, strict=True)
    except msgspec.ValidationError as error:
        raise RequestError(f"{primitive}: {error}") from error
    return read


def unpack_bins(bins: list[Bin], frames: list[bytes]) -> Arrays:
    """Raw frames -> arrays by name, after checking number, byte lengths and names. Raises RequestError."""
    if len(bins) != len(frames):
        raise RequestError(f"{len(bins)} bins are described but {len(frames)} frames came")
    arrays: Arrays = {}
    for (name, kind, shape), frame in zip(bins, frames, strict=True):
        dtype = np.dtype(DTYPES[kind])
        wanted = math.prod(shape) * dtype.itemsize
        if len(frame) != wanted:
            raise RequestError(f'bin "{name}" {kind}{shape} takes {wanted} bytes, its frame has {len(frame)}')
        if name in arrays:
            raise RequestError(f'bin "{name}" comes twice')
        arrays[name] = np.frombuffer(frame, dtype=dtype).reshape(shape)
    return arrays


def pack_bins(arrays: Arrays) -> tuple[list[Bin], list[bytes]]:
    """
    Arrays -> descriptions and raw little-endian frames. Raises TypeError for an element type the wire has
    not.
    """
    bins: list[Bin] = []
    frames: list[bytes] = []
    for name, array in arrays.items():
        kind = array.dtype.name
        if kind not in DTYPES:
            raise TypeError(f'bin "{name}" has element type {kind}')
        bins.append((name, kind, list(array.shape)))  # type: ignore[arg-type]
        frames.append(array.astype(DTYPES[kind], copy=False).tobytes())
    return bins, frames
