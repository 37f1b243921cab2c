# The tokenizer of a model: `tokenizers` for encoding with offsets, plain JSON for the files that are saved
# with a model. Knows token ids and texts; no weights, no tensor library.
"""Tokenizer with added and reserved tokens."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer

from backtrail_worker.core.call import WorkerFault
from backtrail_worker.data.offsets import byte_pieces_ends, token_ends, utf16_length
from backtrail_worker.model.pieces import anchor_of, pieces_of

# Names that stand for "end of text" where no file says which token it is.
END_NAMES = ("<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "<|eos|>", "[EOS]", "<|im_end|>")
PAD_NAMES = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]")
# Files that describe a tokenizer beside tokenizer.json; carried over to checkpoints as they are.
EXTRA_FILES = ("chat_template.jinja",)
# Of each tokenizer so many texts are decoded again, to see that nothing is lost: reading all of them would
# double the time of tokenising.
TEXTS_CHECKED = 64


def _without_trimming(node: Any) -> Any:
    # Trimmed offsets leave blanks to no token; spans need every character covered.
    if isinstance(node, dict):
        return {
            key: False if key == "trim_offsets" else _without_trimming(item) for key, item in node.items()
        }
    return [_without_trimming(item) for item in node] if isinstance(node, list) else node


def _token_text(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _renamed(settings: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """
    Settings in which every mention of a token that was taken over has its new name. An old name left in a
    list of special tokens would make AutoTokenizer add it again, as a token without an embedding row.
    """

    def rename(value: Any) -> Any:
        if isinstance(value, list):
            return [rename(item) for item in value]
        return names.get(_token_text(value) or "", value)

    return {key: rename(value) for key, value in settings.items()}


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WorkerFault("tokenizer", f"{path} is not JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _rename_reserved(document: dict[str, Any], reserved: str, name: str, path: Path) -> None:
    """Gives the row of token `reserved` the text `name`, in place."""
    entries = [entry for entry in document.get("added_tokens", []) if entry.get("content") == reserved]
    vocabulary = document.get("model", {}).get("vocab")
    in_vocabulary = isinstance(vocabulary, dict) and reserved in vocabulary
    if not entries and not in_vocabulary:
        raise WorkerFault(
            "tokenizer", f'reservedTokens: {path} has no token "{reserved}" that could become "{name}"'
        )
    if in_vocabulary and isinstance(vocabulary, dict):
        row = vocabulary.pop(reserved)
        vocabulary[name] = row
        if not entries:
            entries = [{"id": row, "content": reserved}]
            document.setdefault("added_tokens", []).append(entries[0])
    for entry in entries:
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        entry.update({"content": name, **flags})


class TextSide:
    """Encodes, decodes and saves; ids of the end, padding and added tokens."""

    def __init__(self, directory: Path, add_tokens: list[str], reserved: dict[str, str]) -> None:
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise WorkerFault(
                "tokenizer", f"{directory} has no tokenizer.json (a tokenizer of the `tokenizers` library)"
            )
        document = _read_json(path)
        existing = {entry.get("content") for entry in document.get("added_tokens", [])}
        vocabulary = document.get("model", {}).get("vocab", {})
        for name, row in reserved.items():
            if name not in existing and name not in vocabulary:
                _rename_reserved(document, row, name, path)
        taken = {row: name for name, row in reserved.items()}
        self.settings = _renamed(_read_json(directory / "tokenizer_config.json"), taken)
        self._special_map = _read_json(directory / "special_tokens_map.json")
        self._extra = {
            name: (directory / name).read_bytes() for name in EXTRA_FILES if (directory / name).is_file()
        }
        try:
            saved = Tokenizer.from_str(json.dumps(document))
            saved.add_special_tokens(
                [AddedToken(token, special=True, normalized=False) for token in add_tokens]
            )
            self._saved: str = saved.to_str()
            self.inner = Tokenizer.from_str(json.dumps(_without_trimming(json.loads(self._saved))))
        except Exception as error:  # the library raises bare Exception
            raise WorkerFault("tokenizer", f"{path}: {error}") from error
        self.inner.no_padding()
        self.inner.no_truncation()
        wanted = dict.fromkeys([*add_tokens, *reserved])
        self.added: dict[str, int] = {token: self._id(token) for token in wanted}
        ids = self.inner.get_vocab(with_added_tokens=True).values()
        self.size = max(ids, default=-1) + 1
        self._front = self._template_front()
        self._pieces = pieces_of(self.inner, json.loads(self._saved).get("decoder"))
        self._anchor = [] if self._pieces is not None else anchor_of(self.inner)
        self._to_check = TEXTS_CHECKED

    def _id(self, token: str) -> int:
        found = self.inner.token_to_id(token)
        if found is None:
            raise WorkerFault("tokenizer", f'token "{token}" could not be added')
        return int(found)

    def _named(self, role: str, names: tuple[str, ...]) -> int | None:
        for source in (self.settings, self._special_map):
            text = _token_text(source.get(role))
            if text is not None and (found := self.inner.token_to_id(text)) is not None:
                return int(found)
        for name in names:
            if (found := self.inner.token_to_id(name)) is not None:
                return int(found)
        return None

    def end_token(self, config_id: Any) -> int:
        """
        Id of the end token: the tokenizer's own, else the model config's. Raises WorkerFault "tokenizer".
        """
        found = self._named("eos_token", ())
        if found is None and isinstance(config_id, list) and config_id:
            config_id = config_id[0]
        if found is None and isinstance(config_id, int) and 0 <= config_id < self.size:
            found = config_id
        found = self._named("eos_token", END_NAMES) if found is None else found
        if found is None:
            raise WorkerFault("tokenizer", "no end token: set eos_token in tokenizer_config.json")
        return found

    def pad_token(self, end: int) -> int:
        """
        Id for padding; the end token where the tokenizer has none (padding is masked by length, never by
        id).
        """
        found = self._named("pad_token", PAD_NAMES)
        return end if found is None else found

    def begin_token(self) -> int | None:
        """Id of the token that opens a text, if the tokenizer names one."""
        return self._named("bos_token", ())

    def _template_front(self) -> list[int]:
        bare = self.inner.encode("a", add_special_tokens=False).ids
        full = self.inner.encode("a", add_special_tokens=True).ids
        for start in range(len(full) - len(bare) + 1):
            if bare and full[start : start + len(bare)] == bare:
                return list(full[:start])
        mask = self.inner.encode("a", add_special_tokens=True).special_tokens_mask
        return [token for token, special in zip(full, mask, strict=True) if special][:1] if not bare else []

    @property
    def front(self) -> list[int]:
        """Tokens that the tokenizer's template puts before a text."""
        return self._front

    def encode_batch(self, texts: list[str]) -> list[Encoding]:
        """
        Encodings without template tokens; offsets in code points, none trimmed. Raises WorkerFault
        "tokenizer" where one of the first texts is not restored by its tokens.
        """
        encodings: list[Encoding] = self.inner.encode_batch(texts, add_special_tokens=False)
        if self._to_check > 0:
            some = min(self._to_check, len(texts))
            self._check_restored(texts[:some], encodings[:some])
            self._to_check -= some
        return encodings

    def encode(self, texts: list[str]) -> list[tuple[list[int], list[int]]]:
        """(ids, UTF-16 ends) of each text, template front included (it ends at 0)."""
        zeros = [0] * len(self._front)
        return [
            ([*self._front, *encoding.ids], [*zeros, *token_ends(text, encoding.offsets)])
            for text, encoding in zip(texts, self.encode_batch(texts), strict=True)
        ]

    def piece(self, token: int) -> bytes | None:
        """Bytes that a token adds to a text wherever it stands; None when that depends on its neighbours."""
        return self._pieces.of(token) if self._pieces is not None else None

    def decode(self, ids: list[int]) -> str:
        """Text of tokens, special ones kept."""
        text: str = self.inner.decode(ids, skip_special_tokens=False)
        return text

    def decode_with_ends(self, ids: list[int]) -> tuple[str, list[int]]:
        """
        (text, UTF-16 end of each token) of a continuation: what the tokens add to a text that stands before
        them. A decoder that drops the blank in front of a text does not drop it here.
        """
        if self._pieces is not None:
            return byte_pieces_ends([self._pieces.of(token) for token in ids])
        front = utf16_length(self.decode(self._anchor))
        ends: list[int] = []
        for count in range(1, len(ids)):
            part = self.decode([*self._anchor, *ids[:count]]).rstrip("\ufffd")
            ends.append(max(utf16_length(part) - front, ends[-1] if ends else 0))
        text = self.decode([*self._anchor, *ids])[len(self.decode(self._anchor)) :]
        return text, [*ends, utf16_length(text)] if ids else []

    def _check_restored(self, texts: list[str], encodings: list[Encoding]) -> None:
        """Raises WorkerFault "tokenizer" where a text does not come back from its tokens."""
        for text, encoding in zip(texts, encodings, strict=True):
            behind = self.decode_with_ends(encoding.ids)[0]
            # Sentencepiece puts a blank in front of a text, which is no part of it.
            if text not in (behind, behind.removeprefix(" ")) and self.decode(encoding.ids) != text:
                shown = behind.removeprefix(" ")
                at = next(
                    (i for i, (a, b) in enumerate(zip(text, shown, strict=False)) if a != b), len(shown)
                )
                near = slice(max(0, at - 20), at + 20)
                raise WorkerFault(
                    "tokenizer",
                    "this tokenizer does not restore texts, so spans and step boundaries would be wrong: "
                    f"{text[near]!r} comes back as {shown[near]!r}. "
                    "Characters without a token and normalisers that rewrite a text do this; "
                    "take a model with a byte-level or sentencepiece tokenizer",
                )

    def save(self, directory: Path, end: int, pad: int) -> None:
        """Writes tokenizer.json and tokenizer_config.json so that AutoTokenizer reads them without us."""
        (directory / "tokenizer.json").write_text(self._saved, encoding="utf-8")
        settings = copy.deepcopy(self.settings)
        for key in ("added_tokens_decoder", "tokenizer_file", "auto_map", "name_or_path"):
            settings.pop(key, None)
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        settings["eos_token"] = self.inner.id_to_token(end)
        settings["pad_token"] = self.inner.id_to_token(pad)
        settings.setdefault("clean_up_tokenization_spaces", False)
        (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        for name, content in self._extra.items():
            (directory / name).write_bytes(content)
