# What one token adds to a text. Most decoders join tokens without looking at neighbours, once the blank that
# sentencepiece drops in front of a text is left to the text before it. Knows token texts; no tensor library.
"""Texts of single tokens."""

from __future__ import annotations

import re
from typing import Any

from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# Tokens on which a rule for pieces is tried against the library before it is trusted.
TOKENS_TRIED = 200


def _byte_alphabet() -> dict[str, int]:
    """The printable characters that byte-level BPE uses for bytes (GPT-2's table): character -> byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in keep}
    rest = [byte for byte in range(256) if byte not in keep]
    return table | {chr(256 + index): byte for index, byte in enumerate(rest)}


class Pieces:
    """Bytes of tokens by a decoder's rule."""

    def __init__(self, inner: Tokenizer, kind: str, replacement: str, byte_fallback: bool) -> None:
        self._inner = inner
        self._alphabet = _byte_alphabet() if kind == "bytes" else {}
        self._replacement = replacement
        self._byte_fallback = byte_fallback
        self._known: dict[int, bytes] = {}
        added = inner.get_added_tokens_decoder()
        self._literal = frozenset(added)

    def of(self, token: int) -> bytes:
        """Bytes that the token adds; none for an id without a token."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._make(token)
        return known

    def _make(self, token: int) -> bytes:
        text = self._inner.id_to_token(token)
        if text is None:
            return b""
        if token in self._literal:
            return text.encode()
        if self._alphabet and all(char in self._alphabet for char in text):
            return bytes(self._alphabet[char] for char in text)
        if self._byte_fallback and (byte := _BYTE.fullmatch(text)):
            return bytes([int(byte[1], 16)])
        return (text.replace(self._replacement, " ") if self._replacement else text).encode()


def anchor_of(inner: Tokenizer) -> list[int]:
    """An ordinary token to decode a continuation behind; none where the vocabulary has no letter or digit."""
    for char in "a0A1x":
        for text in (char, "\u2581" + char, "\u0120" + char):
            found = inner.token_to_id(text)
            if found is not None and char in inner.decode([found]):
                return [found]
    return []


def _rule(decoder: Any) -> tuple[str, str, bool] | None:
    """
    (kind, what stands for a blank, byte fallback) of a decoder; None when a token's text needs neighbours.
    """
    parts = (
        decoder.get("decoders", [])
        if isinstance(decoder, dict) and decoder.get("type") == "Sequence"
        else [decoder]
    )
    kinds = [part.get("type") if isinstance(part, dict) else None for part in parts]
    if kinds == ["ByteLevel"]:
        return "bytes", "", False
    if not kinds or not set(kinds) <= {"Fuse", "Metaspace", "Replace", "ByteFallback", "Strip"}:
        # No decoder at all joins tokens with blanks, which is a matter of neighbours too.
        return None
    replacement = ""
    for part in parts:
        if part["type"] == "Metaspace":
            replacement = part.get("replacement", "\u2581")
        elif part["type"] == "Replace":
            pattern = part.get("pattern", {}).get("String")
            if pattern is None or part.get("content") != " " or replacement:
                return None
            replacement = pattern
        elif part["type"] == "Strip" and (part.get("content"), part.get("stop")) != (" ", 0):
            return None
    return "plain", replacement, "ByteFallback" in kinds


def pieces_of(inner: Tokenizer, decoder: Any) -> Pieces | None:
    """
    The rule for single tokens of a tokenizer.json's decoder, tried against the library behind an anchor;
    None where there is none.
    """
    rule = _rule(decoder)
    if rule is None:
        return None
    pieces = Pieces(inner, *rule)
    anchor = anchor_of(inner)
    if not anchor:
        return pieces
    front = inner.decode(anchor, skip_special_tokens=False)
    size = inner.get_vocab_size(with_added_tokens=True)
    for token in range(0, size, max(1, size // TOKENS_TRIED)):
        wanted = inner.decode([*anchor, token], skip_special_tokens=False)
        found = pieces.of(token).decode(errors="replace")
        if "\ufffd" not in wanted and not (wanted.startswith(front) and wanted[len(front) :] == found):
            return None
    return pieces
