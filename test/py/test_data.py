# Masks against ids worked out by hand, offsets with characters outside the BMP, lint counts, limits.
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backtrail_worker.core.call import Answer, WorkerFault
from backtrail_worker.data.offsets import from_utf16, token_ends
from backtrail_worker.model.tokenizer import TextSide
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from conftest import Driver, example, spec, token_id, write_shard, write_tokenizer

BAD = "4-3=1\n9+1=2\n<backtrack>"


def ids(*pieces: str) -> list[int]:
    return [token_id(piece) for piece in pieces]


def load(driver: Driver, tokenizer: Path, examples: list[dict[str, Any]], **changes: Any) -> Answer:
    driver.call("load_model", {"model": spec(tokenizer)})
    shard = write_shard(tokenizer / "shard.jsonl", examples)
    params = {
        "dataset": "d",
        "shards": [shard],
        "maxTokens": 64,
        "overlong": "refuse",
    } | changes
    return driver.call("load_dataset", params)


def stored(driver: Driver) -> tuple[list[int], list[int]]:
    dataset = driver.side._sessions.state("s").datasets["d"]
    return dataset.tokens.tolist(), dataset.mask.tolist()


def test_a_backtracking_example_leaves_out_the_prompt_and_the_wrong_line(
    driver: Driver, tokenizer: Path
) -> None:
    answer = load(driver, tokenizer, [example("Q:4,3->1R:\n", BAD, [[0, 6], [12, 23]])])
    tokens, mask = stored(driver)
    prompt = ids("Q:", "4", ",", "3", "->", "1", "R:\n")
    right, wrong = (
        ids("4", "-", "3", "=", "1", "\n"),
        ids("9", "+", "1", "=", "2", "\n"),
    )
    assert tokens == [*prompt, *right, *wrong, *ids("<backtrack>", "<eos>")]
    assert mask == [0] * 7 + [1] * 6 + [0] * 6 + [1, 1]
    assert answer.arrays["lengths"].tolist() == [21]
    assert answer.arrays["trained"].tolist() == [8]
    assert answer.result["trainedTokens"] == 8
    assert answer.result["lint"] == {
        "rowsWithAddedToken": 1,
        "rowsTrainingAddedToken": 1,
        "rowsTrainingEnd": 1,
        "rowsWithoutTrainedToken": 0,
    }


def test_the_lint_counts_what_is_never_trained(driver: Driver, tokenizer: Path) -> None:
    examples = [
        example("Q:", BAD, [[0, 6]], end=False),
        example("Q:", "1+2=3", [], end=False),
        example("Q:", "1+2=3", [[0, 5]]),
    ]
    lint = load(driver, tokenizer, examples).result["lint"]
    assert lint == {
        "rowsWithAddedToken": 1,
        "rowsTrainingAddedToken": 0,
        "rowsTrainingEnd": 1,
        "rowsWithoutTrainedToken": 1,
    }


def test_a_token_across_the_edge_of_a_span_is_trained_when_it_ends_inside(
    driver: Driver, tokenizer: Path
) -> None:
    # "->" is one token, at characters 1 to 3 of the response.
    load(
        driver,
        tokenizer,
        [example("Q:", "1->2", [[0, 2]]), example("Q:", "1->2", [[2, 4]])],
    )
    assert stored(driver)[1] == [0, 1, 0, 0, 1, 0, 0, 1, 1, 1]


def test_a_token_across_prompt_and_response_is_not_trained(driver: Driver, tokenizer: Path) -> None:
    load(driver, tokenizer, [example("Q:1-", ">2", [[0, 2]])])
    tokens, mask = stored(driver)
    assert tokens == ids("Q:", "1", "->", "2", "<eos>")
    assert mask == [0, 0, 0, 1, 1]


def test_spans_count_utf16_units(driver: Driver, tokenizer: Path) -> None:
    smile = "\U0001f600"
    load(driver, tokenizer, [example(smile, f"{smile}1{smile}2", [[2, 3], [5, 6]])])
    tokens, mask = stored(driver)
    assert tokens == ids(smile, smile, "1", smile, "2", "<eos>")
    assert mask == [0, 0, 1, 0, 1, 1]


@pytest.mark.parametrize("span", [[0, 9], [3, 2], [-1, 2], [1, 3]])
def test_a_span_outside_the_response_is_refused(driver: Driver, tokenizer: Path, span: list[int]) -> None:
    response = "\U0001f60012" if span == [1, 3] else "1+2"
    with pytest.raises(WorkerFault, match=r"shard\.jsonl:1") as caught:
        load(driver, tokenizer, [example("Q:", response, [span])])
    assert caught.value.code == "bad-request"


def test_a_changed_shard_is_refused(driver: Driver, tokenizer: Path) -> None:
    driver.call("load_model", {"model": spec(tokenizer)})
    shard = write_shard(tokenizer / "shard.jsonl", [example("Q:", "1", [[0, 1]])])
    Path(shard["path"]).write_text(Path(shard["path"]).read_text().replace("1", "2"))
    with pytest.raises(WorkerFault, match="was changed") as caught:
        driver.call(
            "load_dataset",
            {"dataset": "d", "shards": [shard], "maxTokens": 9, "overlong": "drop"},
        )
    assert caught.value.code == "digest"


def test_the_length_limit(driver: Driver, tokenizer: Path) -> None:
    examples = [
        example("Q:", "1", [[0, 1]]),
        example("Q:", "1+2=3", [[0, 5]]),
        example("Q:", "12", [[0, 2]]),
    ]
    with pytest.raises(WorkerFault, match=r"shard.jsonl:2.*has 7 tokens") as caught:
        load(driver, tokenizer, examples, maxTokens=4)
    assert caught.value.code == "too-long"
    other = Driver()
    dropped = load(other, tokenizer, examples, maxTokens=4, overlong="drop")
    assert dropped.arrays["lengths"].tolist() == [3, 4]
    assert dropped.result["overlong"] == 1
    other = Driver()
    cut = load(other, tokenizer, examples, maxTokens=4, overlong="truncate")
    assert cut.arrays["lengths"].tolist() == [3, 4, 4]
    assert cut.arrays["trained"].tolist() == [2, 3, 3]


def test_rows_stand_in_the_order_of_the_shards_over_part_boundaries(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtrail_worker.data.dataset.ROWS_AT_ONCE", 3)
    examples = [example("Q:", "1" * n, [[0, n]]) for n in range(1, 9)]
    answer = load(driver, tokenizer, examples)
    assert answer.arrays["lengths"].tolist() == [n + 2 for n in range(1, 9)]
    assert answer.arrays["trained"].tolist() == [n + 1 for n in range(1, 9)]


def byte_level(directory: Path, template: bool = False) -> Path:
    """
    A byte-level BPE as Llama-3 and GPT-2 have it, with trimmed offsets, and a template that puts a token in
    front.
    """
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    inner.train_from_iterator(["a word and a word"] * 9, trainer)
    if template:
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    directory.mkdir(parents=True, exist_ok=True)
    inner.save(str(directory / "tokenizer.json"))
    return directory


def test_byte_level_ends_count_whole_characters(tmp_path: Path) -> None:
    text = TextSide(byte_level(tmp_path), [], {})
    sample = "a \U0001f600\u00e9b word"
    ((tokens, ends),) = text.encode([sample])
    # Four bytes of the emoji, of which the first three end at the boundary before it; two bytes of the
    # accent.
    assert ends[:9] == [1, 2, 2, 2, 2, 4, 4, 5, 6]
    assert ends[-1] == len(sample) + 1
    assert text.decode_with_ends(tokens) == (sample, ends)
    # A completion that breaks off inside a character shows the replacement character, at its last token.
    assert text.decode_with_ends(tokens[:4]) == ("a \ufffd", [1, 2, 2, 3])
    assert text.decode_with_ends([]) == ("", [])


def test_a_template_puts_tokens_in_front_of_prompts_and_rows_alike(tmp_path: Path, driver: Driver) -> None:
    directory = byte_level(tmp_path / "t", template=True)
    answer = driver.free("tokenize", {"model": spec(directory), "texts": ["a word", ""]})
    tokens = answer.arrays["tokens"].tolist()
    assert answer.arrays["lengths"].tolist()[1] == 1
    assert tokens[0] == 0
    assert tokens[-1] == 0
    assert answer.arrays["charEnds"].tolist()[0] == 0
    assert answer.arrays["charEnds"].tolist()[-2:] == [6, 0]
    load(driver, directory, [example("a word", " word", [[0, 5]])])
    row, mask = stored(driver)
    assert row[: len(tokens) - 1] == tokens[:-1]
    assert sum(mask) == len(row) - (len(tokens) - 1)


def test_blanks_belong_to_tokens_though_the_tokenizer_trims_offsets(tmp_path: Path, driver: Driver) -> None:
    load(driver, byte_level(tmp_path / "t"), [example("a", " word a", [[0, 5]])])
    tokens, mask = stored(driver)
    text = driver.side._sessions.state("s").loaded.described.text
    assert text.decode([t for t, m in zip(tokens, mask, strict=True) if m]) == " word</s>"


def test_a_blank_in_front_of_a_continuation_is_kept(tmp_path: Path) -> None:
    inner = Tokenizer(
        models.WordLevel({"<unk>": 0, "\u2581a": 1, "\u2581b": 2, "</s>": 3}, unk_token="<unk>")
    )
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    inner.save(str(tmp_path / "tokenizer.json"))
    text = TextSide(tmp_path, [], {})
    assert text.piece(1) == b" a"
    assert text.decode_with_ends([1, 2, 1]) == (" a b a", [2, 4, 6])


def test_utf16_positions() -> None:
    text = "x\U0001f600y"
    assert [from_utf16(text, at) for at in (0, 1, 3, 4)] == [0, 1, 2, 3]
    for wrong in (2, 5, -1):
        with pytest.raises(ValueError, match="outside"):
            from_utf16(text, wrong)
    assert token_ends(text, [(0, 1), (1, 2), (1, 2), (2, 3)]) == [1, 1, 3, 4]


def test_thousands_of_rows_make_one_flat_store(driver: Driver, tmp_path: Path) -> None:
    directory = write_tokenizer(tmp_path / "t")
    many = [example(f"Q:{n}R:\n", f"{n}=", [[0, len(str(n)) + 1]]) for n in range(6000)]
    answer = load(driver, directory, many)
    dataset = driver.side._sessions.state("s").datasets["d"]
    assert dataset.tokens.dtype == np.int32
    assert answer.arrays["trained"].tolist() == [len(str(n)) + 2 for n in range(6000)]
