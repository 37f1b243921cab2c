# Directories in the layout of the published checkpoints, made by transformers itself: a Llama whose tokenizer
# has <backtrack> already, and a GPT-NeoX over the vertices of graphs.
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from conftest import Driver, path_spec

MARK = "<backtrack>"
PROMPT = "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n"


def countdown_checkpoint(place: Path) -> Path:
    """Byte-level BPE, <backtrack> added, rows padded to a multiple of 8, bfloat16 in shards."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|begin_of_text|>", "<|end_of_text|>"],
        show_progress=False,
    )
    inner.train_from_iterator([PROMPT + "45-39=6\n10*6=60\nGoal Reached!"] * 5, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [MARK]})
    config = LlamaConfig(
        vocab_size=len(tokenizer) - 1,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    torch.manual_seed(3)
    model = LlamaForCausalLM(config)
    model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=8)
    model.to(torch.bfloat16).save_pretrained(place, max_shard_size="20KB")
    tokenizer.save_pretrained(place)
    return place


def graph_tokenizer(comma: bool) -> PreTrainedTokenizerFast:
    """50 vertices and the grammar's symbols; "#" begins and ends. Without `comma` commas have no token."""
    symbols = ["#", "[UNK]", *map(str, range(50)), "|", "/", "<", ">", "=", "-", "(", ")", *([","] * comma)]
    inner = Tokenizer(models.WordLevel({name: i for i, name in enumerate(symbols)}, unk_token="[UNK]"))
    split = pre_tokenizers.Split(Regex(r"\d+|[^\d]"), "isolated")
    drop = pre_tokenizers.Split(",", "removed")
    inner.pre_tokenizer = split if comma else pre_tokenizers.Sequence([drop, split])
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="#", eos_token="#", pad_token="#", unk_token="[UNK]"
    )


def graph_checkpoint(place: Path, comma: bool = True) -> Path:
    tokenizer = graph_tokenizer(comma)
    graph_model(len(tokenizer), end=0).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def graph_model(vocabulary: int, end: int) -> GPTNeoXForCausalLM:
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=end,
        eos_token_id=end,
    )
    torch.manual_seed(4)
    return GPTNeoXForCausalLM(config)


def greedy(driver: Driver, model: dict[str, Any], ids: list[int], stops: list[str]) -> tuple[list[int], str]:
    arrays = {
        "tokens": np.array(ids, dtype=np.int32),
        "lengths": np.array([len(ids)], dtype=np.int32),
        "counts": np.array([1], dtype=np.int32),
        "seeds": np.zeros((1, 2), dtype=np.uint32),
        "budgets": np.array([20], dtype=np.int32),
    }
    params = {"model": model, "temperature": 0, "topK": 0, "topP": 1, "stops": stops, "slots": 0}
    driver.free("generate", params | {"beams": "independent"}, arrays)
    ((texts, chunk),) = driver.context.chunks
    return chunk["tokens"].tolist(), texts[0]


def tokens_of(driver: Driver, model: dict[str, Any], text: str) -> tuple[list[int], dict[str, Any]]:
    answer = driver.free("tokenize", {"model": model, "texts": [text]})
    return answer.arrays["tokens"].tolist(), answer.result


def plain_greedy(place: Path, ids: list[int]) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False, pad_token_id=0)
    found: list[int] = out[0, len(ids) :].tolist()
    return found


def test_a_backtrack_token_that_is_there_is_found_and_kept(driver: Driver, tmp_path: Path) -> None:
    place = countdown_checkpoint(tmp_path / "published")
    assert len(list(place.glob("model-*.safetensors"))) > 1
    model = path_spec(place)
    entries = json.loads((place / "tokenizer.json").read_text())["added_tokens"]
    (mark,) = [entry["id"] for entry in entries if entry["content"] == MARK]
    ids, about = tokens_of(driver, model, PROMPT + f"45-39=6\n39+6=45\n{MARK}")
    assert about["addedTokens"] == {MARK: mark}
    assert ids[-1] == mark
    before = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).state_dict()
    info = driver.call("load_model", {"model": model}).result["info"]
    # Rows beyond the tokenizer's are padding of the publisher's: none is added, none is changed.
    assert info["vocabulary"] == before["model.embed_tokens.weight"].shape[0] == -(-(mark + 1) // 8) * 8
    state = driver.side._sessions.state("s").loaded.model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())
    assert info["endToken"] == 1

    start, _ = tokens_of(driver, model, PROMPT)
    told = plain_greedy(place, start)
    # A stop text that is really written ends it there; the token that completes it is kept.
    tokens, _ = greedy(driver, model, start, [])
    assert tokens == (told[: told.index(1)] if 1 in told else told)
    pieces = [AutoTokenizer.from_pretrained(place).decode([token]) for token in tokens]
    at, piece = next((i, text) for i, text in enumerate(pieces) if text and "\ufffd" not in text)
    stopped, said = greedy(driver, model, start, [piece])
    assert stopped == tokens[: at + 1]
    assert said.endswith(piece)


def test_a_graph_model_over_fifty_vertices_is_decoded(driver: Driver, tmp_path: Path) -> None:
    place = graph_checkpoint(tmp_path / "graph")
    model = path_spec(place, addTokens=[])
    prompt = "12,3|2,41|3,49|0,12/12,49="
    ids, about = tokens_of(driver, model, prompt)
    assert len(ids) == 2 * 4 + 4 + 3 + 2 + 1 + 1 + 1
    assert (about["endToken"], about["context"]) == (0, 128)
    told = plain_greedy(place, ids)
    tokens, text = greedy(driver, model, ids, [])
    assert tokens == (told[: told.index(0)] if 0 in told else told)
    assert text == "".join(graph_tokenizer(True).convert_ids_to_tokens(tokens))


def test_a_graph_tokenizer_that_drops_commas_is_refused_with_the_reason(
    driver: Driver, tmp_path: Path
) -> None:
    model = path_spec(graph_checkpoint(tmp_path / "graph", comma=False), addTokens=[])
    with pytest.raises(
        WorkerFault, match=r"does not restore texts.*'12,3\|3,4/12,4=' comes back as '123\|34/124='"
    ):
        tokens_of(driver, model, "12,3|3,4/12,4=")


def test_the_tokenizer_beside_the_config_has_no_commas_and_puts_them_back(
    driver: Driver, tmp_path: Path
) -> None:
    shipped = Path(__file__).parents[2] / "configs" / "published" / "graph-neox.tokenizer.json"
    inner = Tokenizer.from_file(str(shipped))
    prompt, answer = "12,3|2,41|3,49|0,12/12,49=", "<12,(3),3,(49)-49,3,12>=12,3,49"
    for text in [answer, "<0,(10,1),10,(2,3),1,()", "<0,(10,1", "<0,(1)-1", "<7", ""]:
        assert inner.decode(inner.encode(prompt + text).ids) == prompt + text
    ids = inner.encode(prompt + answer).ids
    # 50 vertices, then the symbols in the order of the published training code; the end token behind them.
    assert ids[:3] == [12, 3, 50]
    assert [inner.id_to_token(token) for token in range(50, 56)] == ["|", "=", "/", "$", "?", "&"]
    assert not any("," in token for token in inner.get_vocab())
    assert inner.token_to_id("<|endoftext|>") == 70

    # A model of the published layout that has learned this one text by heart.
    network = graph_model(72, end=70)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    row = torch.tensor([[*ids, 70]])
    for _ in range(60):
        network(input_ids=row, labels=row).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(tmp_path)
    shutil.copy(shipped, tmp_path / "tokenizer.json")
    model = path_spec(tmp_path, addTokens=[])
    start, about = tokens_of(driver, model, prompt)
    assert about["endToken"] == 70
    assert start == ids[: len(start)]
    assert greedy(driver, model, start, []) == (ids[len(start) :], answer)
