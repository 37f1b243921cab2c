# Examples in JSONL shards -> tokens and masks. The mask comes from character spans by the offsets of ONE
# tokenisation of prompt + response; nothing here knows a puzzle, a model or a tensor library.
"""Token stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.data.offsets import from_utf16, utf16_starts
from backtrail_worker.model.tokenizer import TextSide
from backtrail_worker.protocol import LoadDataset

Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
ROWS_AT_ONCE = 4096


class ExampleLine(msgspec.Struct, rename="camel"):
    """What of an example (src/data/example.ts) concerns tokens; other fields are passed over."""

    prompt: str
    response: str
    spans: list[tuple[int, int]]
    train_end: bool


@dataclass(frozen=True)
class Located:
    """An example and where it stands."""

    line: ExampleLine
    place: str


@dataclass(frozen=True)
class Dataset:
    """Rows end to end: row r is tokens[starts[r]:starts[r + 1]]; mask 1 = trained."""

    tokens: Ints
    mask: Bytes
    starts: npt.NDArray[np.int64]
    overlong: int

    @property
    def rows(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts).astype(np.int32)

    @property
    def trained(self) -> Ints:
        """Trained tokens of each row."""
        return _per_row(self.mask, self.starts)


def _per_row(flags: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> Ints:
    total = np.concatenate(([0], np.cumsum(flags, dtype=np.int64)))
    return (total[starts[1:]] - total[starts[:-1]]).astype(np.int32)


def read_shards(params: LoadDataset) -> Iterator[Located]:
    """
    Lines of all shards in order, each shard checked by digest first. Raises WorkerFault "digest",
    "bad-request".
    """
    decoder = msgspec.json.Decoder(ExampleLine, strict=True)
    for shard in params.shards:
        try:
            content = Path(shard.path).read_bytes()
        except OSError as error:
            raise WorkerFault("digest", f"shard {shard.path} cannot be read: {error}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != shard.sha256:
            raise WorkerFault(
                "digest",
                f"shard {shard.path} was changed: sha256 {found}, the manifest says {shard.sha256}; "
                "make the data again",
            )
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                place = f"{shard.path}:{number}"
                try:
                    yield Located(decoder.decode(line), place)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise WorkerFault("bad-request", f"{place}: {error}") from error


def _char_spans(example: Located) -> list[tuple[int, int]]:
    """Spans in code points of the response. Raises WorkerFault "bad-request"."""
    line = example.line
    plain = utf16_starts(line.response) is None
    spans: list[tuple[int, int]] = []
    for start, end in line.spans:
        if not 0 <= start <= end or (plain and end > len(line.response)):
            raise WorkerFault(
                "bad-request", f"{example.place}: span [{start}, {end}) does not lie in the response"
            )
        if not plain:
            try:
                start, end = from_utf16(line.response, start), from_utf16(line.response, end)
            except ValueError as error:
                raise WorkerFault(
                    "bad-request", f"{example.place}: span [{start}, {end}): {error}"
                ) from error
        spans.append((start, end))
    return spans


@dataclass(frozen=True)
class _Part:
    tokens: Ints
    mask: Bytes
    lengths: Ints


def _tokenise(examples: list[Located], text: TextSide, end: int) -> _Part:
    """
    Tokens and masks of some examples. A token is trained when it begins in the response and its last
    character lies in a span; so a token that straddles trained and untrained text is trained only when it
    ends inside the span.
    """
    texts = [example.line.prompt + example.line.response for example in examples]
    encodings = text.encode_batch(texts)
    front = text.front
    counts = np.array([len(encoding) for encoding in encodings], dtype=np.int64)
    ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), dtype=np.int32)
    flat = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
    offsets = np.fromiter(flat, dtype=np.int64).reshape(-1, 2)
    bases = np.concatenate(([0], np.cumsum([len(item) for item in texts]))).astype(np.int64)
    in_span = np.zeros(int(bases[-1]) + 1, dtype=np.bool_)
    prompts = np.array([len(example.line.prompt) for example in examples], dtype=np.int64)
    for row, example in enumerate(examples):
        begin = int(bases[row] + prompts[row])
        for start, stop in _char_spans(example):
            in_span[begin + start : begin + stop] = True
    row_of = np.repeat(np.arange(len(examples)), counts)
    starts, ends = offsets[:, 0], offsets[:, 1]
    last = np.maximum(bases[row_of] + ends - 1, 0)
    trained = in_span[last] & (ends > starts) & (starts >= prompts[row_of])

    lengths = counts + len(front) + 1
    firsts = np.concatenate(([0], np.cumsum(lengths)))
    tokens = np.empty(int(firsts[-1]), dtype=np.int32)
    mask = np.zeros(int(firsts[-1]), dtype=np.uint8)
    for index, token in enumerate(front):
        tokens[firsts[:-1] + index] = token
    within = np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)
    where = firsts[:-1][row_of] + len(front) + within
    tokens[where], mask[where] = ids, trained
    tokens[firsts[1:] - 1] = end
    mask[firsts[1:] - 1] = [example.line.train_end for example in examples]
    # Nothing stands before the first token of a row that could predict it.
    mask[firsts[:-1]] = 0
    return _Part(tokens, mask, lengths.astype(np.int32))


def _fit(part: _Part, examples: list[Located], params: LoadDataset) -> tuple[_Part, int]:
    """Applies the length limit. Raises WorkerFault "too-long"."""
    long = part.lengths > params.max_tokens
    if not long.any():
        return part, 0
    if params.overlong == "refuse":
        row = int(np.argmax(long))
        raise WorkerFault(
            "too-long",
            f"{examples[row].place}: the example has {part.lengths[row]} tokens with its end token, "
            f'maxTokens is {params.max_tokens}; raise the limit or set overlong to "drop" or "truncate"',
        )
    within = np.arange(len(part.tokens)) - np.repeat(np.cumsum(part.lengths) - part.lengths, part.lengths)
    keep = within < params.max_tokens if params.overlong == "truncate" else np.repeat(~long, part.lengths)
    lengths = (
        np.minimum(part.lengths, params.max_tokens) if params.overlong == "truncate" else part.lengths[~long]
    )
    return _Part(part.tokens[keep], part.mask[keep], lengths), int(long.sum())


def build(params: LoadDataset, text: TextSide, end: int, step: Callable[[int], None]) -> Dataset:
    """Reads, tokenises and masks; `step(rows so far)` is called between parts."""
    examples = list(read_shards(params))
    parts: list[_Part] = []
    overlong = 0
    for start in range(0, len(examples), ROWS_AT_ONCE):
        some = examples[start : start + ROWS_AT_ONCE]
        part, long = _fit(_tokenise(some, text, end), some, params)
        parts.append(part)
        overlong += long
        step(start + len(some))
    empty = np.zeros(0, dtype=np.int32)
    lengths = np.concatenate([part.lengths for part in parts] or [empty])
    return Dataset(
        tokens=np.concatenate([part.tokens for part in parts] or [empty]),
        mask=np.concatenate([part.mask for part in parts] or [empty.astype(np.uint8)]),
        starts=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        overlong=overlong,
    )


def lint(dataset: Dataset, added: list[int], end: int) -> dict[str, int]:
    """Counts of `maskLint` in primitives.ts."""
    is_added = np.isin(dataset.tokens, np.array(added, dtype=np.int32))
    trained = dataset.mask.astype(np.bool_)
    ends_row = np.zeros(len(dataset.tokens), dtype=np.bool_)
    ends_row[dataset.starts[1:] - 1] = True
    ends_row &= (dataset.tokens == end) & trained

    def rows(flags: npt.NDArray[np.bool_]) -> int:
        return int((_per_row(flags, dataset.starts) > 0).sum())

    return {
        "rowsWithAddedToken": rows(is_added),
        "rowsTrainingAddedToken": rows(is_added & trained),
        "rowsTrainingEnd": rows(ends_row),
        "rowsWithoutTrainedToken": dataset.rows - rows(trained),
    }
