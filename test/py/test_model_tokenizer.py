# Tokenizers in the styles of Llama-2 and Mistral, whose decoders drop a blank in front of a text, and
# tokenizers that lose text.
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model.tokenizer import TextSide
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from conftest import Driver, example, rows, spec, write_shard

SPECIAL = ["<unk>", "<s>", "</s>"]
PIECES = ["\u2581", *"0123456789+-=*[],>GoalRechd!", "\u25814", "\u258145", "45", "\u2581G", "\u00e9"]
MERGES = [("\u2581", "4"), ("4", "5"), ("\u2581", "45"), ("\u2581", "G")]
MARK = "<backtrack>"
PROMPT = "[45, 39]->6\n"
BAD = f"45-39=6\n 45+9=5\n{MARK}"


def sentencepiece(directory: Path, style: str) -> Path:
    """BPE with byte fallback. `style`: "llama2" (normaliser and a sequence of decoders) or "metaspace"."""
    names = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    vocab = {name: index for index, name in enumerate(names)}
    inner = Tokenizer(models.BPE(vocab, MERGES, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if style == "llama2":
        inner.normalizer = normalizers.Sequence(
            [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        )
        inner.decoder = decoders.Sequence(
            [
                decoders.Replace("\u2581", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        inner.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first", split=False)]
        )
    inner.add_special_tokens(SPECIAL)
    directory.mkdir(parents=True, exist_ok=True)
    inner.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    return directory


@pytest.fixture(params=["llama2", "metaspace"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return sentencepiece(tmp_path / "t", request.param)


def test_text_and_tokens_agree_at_every_boundary(directory: Path) -> None:
    text = TextSide(directory, [MARK], {})
    whole = PROMPT + BAD
    ((ids, ends),) = text.encode([whole])
    assert text.decode(ids) == whole
    # The library's own decoding of a continuation loses the blank that a step begins with.
    cut = ends.index(len(PROMPT) + len("45-39=6\n")) + 1
    assert text.decode(ids[cut:]) == whole[ends[cut - 1] + 1 :]
    for kept in range(1, len(ids)):
        said, own_ends = text.decode_with_ends(ids[kept:])
        assert whole[: ends[kept - 1]] + said == whole
        assert [ends[kept - 1] + end for end in own_ends] == ends[kept:]
        assert text.decode(ids[:kept]) == whole[: ends[kept - 1]]
    for at in (index + 1 for index, char in enumerate(whole) if char == "\n"):
        assert text.encode([whole[:at]])[0][0] == ids[: ends.index(at) + 1]


def test_bytes_without_a_piece_of_their_own_are_joined_to_characters(directory: Path) -> None:
    text = TextSide(directory, [], {})
    sample = "4\U0001f6005\u00e9"
    ((ids, ends),) = text.encode([sample])
    assert len(ids) == 7
    assert text.decode_with_ends(ids)[0] == " " + sample
    # Three bytes end where the emoji begins, the fourth ends it (two UTF-16 units).
    assert ends == [1, 1, 1, 1, 3, 4, 5]


def test_masks_and_completions_of_a_sentencepiece_model(driver: Driver, directory: Path) -> None:
    model = spec(directory)
    driver.call("load_model", {"model": model})
    shard = write_shard(
        directory / "shard.jsonl", [example(PROMPT, BAD, [[0, 8], [len(BAD) - len(MARK), len(BAD)]])]
    )
    loading = {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"}
    driver.call("load_dataset", loading)
    trainer = driver.side._sessions.state("s")
    data, text = trainer.datasets["d"], trainer.loaded.described.text
    trained = data.tokens[data.mask.astype(bool)].tolist()
    assert text.decode_with_ends(trained)[0] == f"45-39=6\n{MARK}</s>"
    assert driver.train_step(1, [rows([0])])[0]["trainedTokens"] == len(trained)

    ids = text.encode([PROMPT])[0][0]
    arrays = {
        "tokens": np.array(ids, dtype=np.int32),
        "lengths": np.array([len(ids)], dtype=np.int32),
        "counts": np.array([16], dtype=np.int32),
        "seeds": np.stack([np.arange(16), np.zeros(16)], 1).astype(np.uint32),
        "budgets": np.full(16, 12, dtype=np.int32),
    }
    params = {"model": model, "temperature": 1, "topK": 0, "topP": 1, "stops": ["\n"], "slots": 0}
    driver.free("generate", params | {"beams": "independent"}, arrays)
    seen = 0
    for texts, chunk in driver.context.chunks:
        bounds = np.concatenate(([0], np.cumsum(chunk["lengths"])))
        for index, said in enumerate(texts):
            part = slice(bounds[index], bounds[index + 1])
            tokens, ends = chunk["tokens"][part].tolist(), chunk["charEnds"][part].tolist()
            # A random model writes bytes that are no character: those are replaced as Python replaces them.
            names = [text.inner.id_to_token(token) for token in tokens]
            content = b"".join(
                bytes([int(name[3:5], 16)])
                if name.startswith("<0x")
                else name.replace("\u2581", " ").encode()
                for name in names
            )
            assert said == content.decode(errors="replace")
            assert ends == sorted(ends)
            assert ends[-1] == len(said.encode("utf-16-le")) // 2
            seen += 1
    assert seen == 16


def test_a_decoder_without_a_rule_is_asked_behind_another_token(tmp_path: Path) -> None:
    """Without a decoder tokens are joined by blanks: a continuation begins with one."""
    inner = Tokenizer(models.WordLevel({"a": 0, "bc": 1, "</s>": 2}, unk_token="a"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.save(str(tmp_path / "tokenizer.json"))
    text = TextSide(tmp_path, [], {})
    assert text.piece(1) is None
    assert text.decode_with_ends([1, 0, 1]) == (" bc a bc", [3, 5, 8])
    assert text.decode_with_ends([]) == ("", [])
    assert text.encode(["bc a"]) == [([1, 0], [2, 4])]


def _lossy(kind: str) -> Tokenizer:
    letters = {char: index for index, char in enumerate(["[UNK]", *"ab12", " ", "\n"])}
    if kind == "wordpiece":
        inner = Tokenizer(models.WordPiece({"[UNK]": 0, "1": 1, "##2": 2, "2": 3}, unk_token="[UNK]"))
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        inner.decoder = decoders.WordPiece()
        return inner
    inner = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    if kind == "lowercase":
        inner.normalizer = normalizers.Lowercase()
    return inner


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("wordpiece", "12\n12", r"'12\\n12' comes back as '12 12'"),
        ("lowercase", "1A", "'1A' comes back as '1a'"),
        ("unknown", "1\n7", r"'1\\n7' comes back as '1\\n\[UNK\]'"),
    ],
)
def test_a_tokenizer_that_loses_text_is_refused(
    tmp_path: Path, driver: Driver, kind: str, text: str, said: str
) -> None:
    _lossy(kind).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "[UNK]"}))
    params: dict[str, Any] = {"model": spec(tmp_path), "texts": [text]}
    with pytest.raises(WorkerFault, match=f"does not restore texts.*{said}") as caught:
        driver.free("tokenize", params)
    assert caught.value.code == "tokenizer"
