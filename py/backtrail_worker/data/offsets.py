# Character positions: code points (as Python and tokenizers count) to UTF-16 units (as JavaScript counts)
# and back. Knows no tokenizer and no tensor library.
"""Offsets in UTF-16 units."""

from __future__ import annotations

import codecs

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]


def utf16_length(text: str) -> int:
    """Length of a text in UTF-16 units."""
    return len(text) if text.isascii() else len(text) + sum(char > "\uffff" for char in text)


def utf16_starts(text: str) -> Ints | None:
    """int32 [len + 1]: UTF-16 position of each code point boundary; None when both counts agree."""
    if text.isascii() or max(text) <= "\uffff":
        return None
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return np.concatenate(([0], np.cumsum(1 + (codes > 0xFFFF)))).astype(np.int32)


def from_utf16(text: str, position: int) -> int:
    """
    UTF-16 position -> code point position. Raises ValueError outside the text or inside a surrogate pair.
    """
    starts = utf16_starts(text)
    if starts is None:
        if not 0 <= position <= len(text):
            raise ValueError(f"position {position} lies outside a text of {len(text)} units")
        return position
    index = int(np.searchsorted(starts, position))
    if index >= len(starts) or int(starts[index]) != position:
        raise ValueError(f"position {position} lies outside the text or inside a character")
    return index


def token_ends(text: str, offsets: list[tuple[int, int]]) -> list[int]:
    """
    UTF-16 end of each token. `offsets` are code point ranges in order; where byte-level tokens share one
    character, those that end inside it end at the boundary before it.
    """
    starts = utf16_starts(text)
    ends: list[int] = []
    last = 0
    for index, (_, end) in enumerate(offsets):
        following = offsets[index + 1][0] if index + 1 < len(offsets) else end
        last = max(last, min(end, following))
        ends.append(last if starts is None else int(starts[last]))
    return ends


def byte_pieces_ends(pieces: list[bytes]) -> tuple[str, list[int]]:
    """
    Bytes of successive tokens -> (text, UTF-16 end of each token); an unfinished character counts when it
    is complete.
    """
    joined = b"".join(pieces)
    if joined.isascii():
        return joined.decode("ascii"), np.cumsum([len(piece) for piece in pieces], dtype=np.int64).tolist()
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text, ends, end = "", [], 0
    for index, piece in enumerate(pieces):
        part = decoder.decode(piece, index == len(pieces) - 1)
        text += part
        end += utf16_length(part)
        ends.append(end)
    return text, ends
