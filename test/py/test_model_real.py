# The real Llama-3 tokenizer and a real published checkpoint: masks, step boundaries, added and reserved
# tokens, and the whole way load -> train -> save -> plain transformers.
from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.data.dataset import Dataset, build, lint
from backtrail_worker.model.tokenizer import TextSide
from backtrail_worker.protocol import LoadDataset, Shard
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import LLAMA, Driver, example, path_spec, rows, spec, write_shard
from model_real import llama3_tokenizer, smollm_checkpoint

MARK = "<backtrack>"
PROMPT = "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n"
GOOD = "45-39=6\n10*6=60\n2+60=62\nGoal Reached!"
BAD = f"45-39=6\n39+6=45\n{MARK}"
# Of the bad example the first step and the mark are learned, the wrong line is not (experiments.md 1.4).
BAD_SPANS = [[0, 8], [len("45-39=6\n39+6=45\n"), len(BAD)]]


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> TextSide:
    return TextSide(llama3_tokenizer(tmp_path_factory.mktemp("llama3")), [MARK], {})


def dataset(text: TextSide, place: Path, examples: list[dict[str, Any]]) -> Dataset:
    shard = write_shard(place, examples)
    params = LoadDataset("d", [Shard(shard["path"], shard["sha256"])], 128, "refuse")
    return build(params, text, text.end_token(None), lambda _: None)


def pieces(text: TextSide, value: str) -> list[str]:
    return [text.decode([token]) for token in text.encode([value])[0][0][len(text.front) :]]


def test_numbers_of_up_to_three_digits_are_one_token(llama3: TextSide) -> None:
    assert pieces(llama3, "45-39=6\n") == ["45", "-", "39", "=", "6", "\n"]
    assert [pieces(llama3, str(n)) for n in (7, 62, 555)] == [["7"], ["62"], ["555"]]
    assert [pieces(llama3, str(n)) for n in (1234, 123400)] == [["123", "4"], ["123", "400"]]
    # BOS, and "number comma blank number": 24 tokens for four numbers.
    assert len(llama3.encode([PROMPT])[0][0]) == 24
    assert [llama3.decode([token]) for token in llama3.front] == ["<|begin_of_text|>"]


def test_the_mark_is_a_row_of_its_own_or_a_reserved_one(llama3: TextSide, tmp_path: Path) -> None:
    assert (llama3.added, llama3.size) == ({MARK: 128256}, 128257)
    reserved = TextSide(llama3_tokenizer(tmp_path / "plain"), [MARK], {MARK: "<|reserved_special_token_0|>"})
    # No row is added, so a model need not be resized; the end token is the base model's.
    assert (reserved.added, reserved.size) == ({MARK: 128002}, 128256)
    assert reserved.end_token(None) == llama3.end_token(None) == 128001
    assert pieces(reserved, BAD)[-2:] == ["\n", MARK]
    saved = tmp_path / "saved"
    saved.mkdir()
    reserved.save(saved, 128001, 128004)
    plain = AutoTokenizer.from_pretrained(saved)
    assert plain(MARK, add_special_tokens=False)["input_ids"] == [128002]
    assert len(plain) == 128256


def test_masks_leave_out_the_prompt_and_the_wrong_line(llama3: TextSide, tmp_path: Path) -> None:
    data = dataset(
        llama3,
        tmp_path / "shard.jsonl",
        [example(PROMPT, GOOD, [[0, len(GOOD)]]), example(PROMPT, BAD, BAD_SPANS)],
    )
    trained = []
    for row in range(2):
        part = slice(data.starts[row], data.starts[row + 1])
        trained.append([llama3.decode([t]) for t in data.tokens[part][data.mask[part].astype(bool)].tolist()])
    assert "".join(trained[0]) == GOOD + "<|end_of_text|>"
    assert trained[1] == ["45", "-", "39", "=", "6", "\n", MARK, "<|end_of_text|>"]
    assert lint(data, [128256], 128001) == {
        "rowsWithAddedToken": 1,
        "rowsTrainingAddedToken": 1,
        "rowsTrainingEnd": 2,
        "rowsWithoutTrainedToken": 0,
    }


def _trace(draw: random.Random) -> str:
    """Steps of the published format with results of one to four digits, some negative, and a mark."""
    steps = []
    for _ in range(draw.randint(1, 4)):
        a, b, sign = draw.randint(1, 99), draw.randint(1, 99), draw.choice("+-*/")
        value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
        steps.append(f"{a}{sign}{b}={value}\n")
    return "".join(steps) + MARK


def test_a_cut_at_a_step_is_a_cut_between_tokens(llama3: TextSide) -> None:
    """Text cut at any step boundary tokenises to exactly the tokens before the cut."""
    draw = random.Random(5)
    texts = [_trace(draw) for _ in range(300)]
    for text, (ids, ends) in zip(texts, llama3.encode([PROMPT + text for text in texts]), strict=True):
        assert llama3.decode_with_ends(ids[len(llama3.front) :]) == (PROMPT + text, ends[len(llama3.front) :])
        for at in [index + 1 for index, char in enumerate(text) if char == "\n"]:
            kept = ends.index(len(PROMPT) + at) + 1
            assert llama3.encode([PROMPT + text[:at]])[0][0] == ids[:kept]
        assert ids[-1] == 128256


def test_a_scratch_model_takes_the_real_tokenizer(driver: Driver, tmp_path: Path) -> None:
    model = spec(llama3_tokenizer(tmp_path / "t"), LLAMA | {"hidden_size": 8, "intermediate_size": 8})
    info = driver.call("load_model", {"model": model}).result["info"]
    assert (info["vocabulary"], info["endToken"]) == (128257, 128001)
    assert info["addedTokens"] == {MARK: 128256}


# ---- a published checkpoint


def _inline(text: str, tokenizer: Any, lengths: int = 1) -> dict[str, Any]:
    ids = np.array(tokenizer(text)["input_ids"] * lengths, dtype=np.int32)
    return {"tokens": ids, "lengths": np.array([len(ids)], dtype=np.int32)}


def _greedy(driver: Driver, model: dict[str, Any], ids: np.ndarray[Any, Any], budget: int) -> list[int]:
    arrays = {
        "tokens": ids.astype(np.int32),
        "lengths": np.array([len(ids)], dtype=np.int32),
        "counts": np.array([1], dtype=np.int32),
        "seeds": np.zeros((1, 2), dtype=np.uint32),
        "budgets": np.array([budget], dtype=np.int32),
    }
    params = {"model": model, "temperature": 0, "topK": 0, "topP": 1, "stops": [], "beams": "independent"}
    driver.free("generate", params | {"slots": 0}, arrays)
    return [int(t) for _, chunk in driver.context.chunks for t in chunk["tokens"]]


def test_a_published_checkpoint_is_trained_saved_and_read_by_plain_transformers(
    driver: Driver, tmp_path: Path
) -> None:
    place = smollm_checkpoint()
    plain_tokenizer = AutoTokenizer.from_pretrained(place)
    plain = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    rows_before = plain.get_input_embeddings().weight.detach().clone()
    model = path_spec(place, version="published")

    # It is the model that it says it is, and ours computes what plain transformers computes.
    question = _inline("The capital of France is", plain_tokenizer)
    ids = torch.tensor(question["tokens"][None].astype(np.int64))
    with torch.no_grad():
        told = plain.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :].tolist()
        logprobs = plain(ids).logits.double().log_softmax(-1)
    assert plain_tokenizer.decode(told).startswith(" Paris")
    assert _greedy(driver, model, question["tokens"], 8) == told
    scored = driver.free("score", {"model": model, "named": []}, question).arrays["logprobs"]
    expected = logprobs[0, :-1].gather(1, ids[0, 1:, None])[:, 0].numpy()
    np.testing.assert_allclose(scored[1:], expected, atol=2e-4)
    del plain, logprobs

    # Some steps on the paper's two kinds of example; the digits of this tokenizer are single tokens.
    info = driver.call("load_model", {"model": model}).result["info"]
    assert (info["vocabulary"], info["addedTokens"]) == (49153, {MARK: 49152})
    assert info["parameters"] == 134_515_008 + 576
    shard = write_shard(
        tmp_path / "shard.jsonl",
        [example(PROMPT, GOOD, [[0, len(GOOD)]]), example(PROMPT, BAD, BAD_SPANS)],
    )
    loading = {"dataset": "d", "shards": [shard], "maxTokens": 128, "overlong": "refuse"}
    counted = driver.call("load_dataset", loading)
    assert counted.result["lint"]["rowsTrainingAddedToken"] == 1
    weight = 1 / counted.result["trainedTokens"]
    losses = [
        driver.train_step(step, [rows([0, 1], weight)], learningRate=1e-4)[0]["loss"] for step in range(1, 6)
    ]
    assert losses[-1] < 0.5 * losses[0]

    saved = tmp_path / "checkpoint"
    driver.call("save", {"path": str(saved), "resume": False})
    again = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    matrix = again.get_input_embeddings().weight.detach()
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    # The row began as the mean of all rows and moved by about the learning rate per step.
    moved = (matrix[49152] - rows_before.mean(0)).abs()
    assert 2e-4 < float(moved.median()) < 6e-4
    assert tokenizer(MARK, add_special_tokens=False)["input_ids"] == [49152]
    asked = _inline(PROMPT, tokenizer)
    ids = torch.tensor(asked["tokens"][None].astype(np.int64))
    with torch.no_grad():
        told = again.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :].tolist()
    ours = _greedy(driver, path_spec(saved), asked["tokens"], 12)
    end = json.loads((saved / "config.json").read_text())["eos_token_id"]
    assert ours == (told[: told.index(end)] if end in told else told)
