# The golden messages that both languages read: what TypeScript writes we read alike, what we write
# TypeScript reads.
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backtrail_worker.protocol import (
    PRIMITIVES,
    FromWorker,
    Job,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode,
    read_params,
)
from backtrail_worker.seal import seal

from conftest import ROOT

FILES = sorted((ROOT / "test" / "contract" / "messages").glob("*.json"))


def test_there_are_golden_messages_of_both_directions() -> None:
    directions = {json.loads(file.read_text())["direction"] for file in FILES}
    assert directions == {"toWorker", "fromWorker"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_golden_message(file: Path) -> None:
    golden: dict[str, Any] = json.loads(file.read_text())
    packed = bytes.fromhex(golden["msgpackHex"])
    frames = [packed, *map(bytes.fromhex, golden["framesHex"])]
    assert seal(frames) == [*frames, bytes.fromhex(golden["checksumHex"])]
    wire = msgspec.msgpack.decode(packed)
    assert wire == golden["message"]
    if golden["direction"] == "toWorker":
        message = decode_to_worker(packed)
        assert message == msgspec.convert(golden["message"], ToWorker, strict=True)
        if isinstance(message, Job):
            assert read_params(message.primitive, message.params)
        again = msgspec.msgpack.decode(encode(message))
    else:
        again = msgspec.msgpack.decode(encode(msgspec.convert(golden["message"], FromWorker, strict=True)))
        assert decode_from_worker(packed) == msgspec.convert(golden["message"], FromWorker, strict=True)
    assert again == wire


def test_every_kind_and_no_other_is_known() -> None:
    kinds = {json.loads(file.read_text())["message"]["kind"] for file in FILES}
    ours = {kind.__struct_config__.tag for union in (FromWorker, ToWorker) for kind in union.__args__}
    assert kinds == ours


def test_primitives_are_those_of_primitives_ts() -> None:
    text = (ROOT / "src" / "protocol" / "primitives.ts").read_text()
    body = text[
        text.index("export const primitives = {") : text.index("} as const;\n\nexport type PrimitiveName")
    ]
    names = {
        line.split(":")[0].strip()
        for line in body.splitlines()
        if line.startswith("  ") and line[2].isalpha()
    }
    assert names == set(PRIMITIVES)
