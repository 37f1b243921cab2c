# The score primitive: log-probabilities, named tokens and hidden states, against transformers run on each
# sequence alone.
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import Answer
from backtrail_worker.decode import score as score_module
from backtrail_worker.protocol import Arrays, RequestError

from conftest import GPT2, LLAMA, NEOX, Driver, spec, token_id
from decode_cases import QWEN2

CONFIGS = {"llama": LLAMA, "qwen2": QWEN2, "gpt2": GPT2, "neox": NEOX}
NAMED = [token_id("<backtrack>"), token_id("<eos>")]
LAYERS = [2, 0, 1]


def sequences() -> list[list[int]]:
    generator = np.random.default_rng(11)
    return [generator.integers(3, 20, size=n).tolist() for n in (9, 1, 17, 4, 9, 2)]


def bins(some: list[list[int]]) -> Arrays:
    return {
        "tokens": np.array([token for one in some for token in one], dtype=np.int32),
        "lengths": np.array([len(one) for one in some], dtype=np.int32),
    }


def scored(
    driver: Driver, tokenizer: Path, name: str, hidden: list[int] | None, named: list[int] = NAMED
) -> Answer:
    params = {"model": spec(tokenizer, CONFIGS[name]), "named": named}
    if hidden is not None:
        params["hidden"] = hidden
    return driver.free("score", params, bins(sequences()))


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_each_sequence_alone_in_float64(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Two sequences a forward, so that batches of unequal lengths are made.
    monkeypatch.setattr(score_module, "TOKENS_AT_ONCE", 18)
    answer = scored(driver, tokenizer, name, LAYERS)
    total = sum(map(len, sequences()))
    assert answer.result == {"sequences": 6, "tokens": total}
    assert answer.arrays["hidden"].shape == (total, len(LAYERS), 32)
    assert {array.dtype.name for array in answer.arrays.values()} == {"float32"}
    model = driver.side._models["v"].model.double()
    at = 0
    for one in sequences():
        with torch.no_grad():
            out = model(torch.tensor([one]), output_hidden_states=True, use_cache=False)
        logprobs_TV = out.logits[0].log_softmax(-1).numpy()
        part = slice(at, at + len(one))
        alone = [logprobs_TV[t, token] for t, token in enumerate(one[1:])]
        np.testing.assert_allclose(answer.arrays["logprobs"][part], [0.0, *alone], atol=1e-5)
        np.testing.assert_allclose(answer.arrays["named"][part], logprobs_TV[:, NAMED], atol=1e-5)
        for k, layer in enumerate(LAYERS):
            np.testing.assert_allclose(
                answer.arrays["hidden"][part, k], out.hidden_states[layer][0].numpy(), atol=1e-5
            )
        at += len(one)


def test_what_is_not_asked_for_is_not_sent(driver: Driver, tokenizer: Path) -> None:
    full = scored(driver, tokenizer, "llama", [1]).arrays
    for hidden, named, names in (
        (None, [], {"logprobs"}),
        ([], NAMED, {"logprobs", "named"}),
        ([1], [], {"logprobs", "hidden"}),
    ):
        arrays = scored(driver, tokenizer, "llama", hidden, named).arrays
        assert arrays.keys() == names
        for key in names:
            np.testing.assert_array_equal(arrays[key], full[key])


def test_hidden_states_count_into_the_memory_bound(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(driver, tokenizer, "llama", [0])
    model = driver.side._models["v"].model
    vocabulary = model.config.vocab_size
    # Room for the logits of 40 tokens: with two layers' states and the embeddings there is less.
    monkeypatch.setattr(score_module, "ELEMENTS_AT_ONCE", 40 * vocabulary)
    shapes: list[tuple[int, int]] = []
    model.register_forward_pre_hook(lambda _module, arguments: shapes.append(tuple(arguments[0].shape)))
    scored(driver, tokenizer, "llama", None)
    # By length 1, 2, 4, 9, then 9, 17: rows times longest within 40.
    assert shapes == [(4, 9), (2, 17)]
    shapes.clear()
    scored(driver, tokenizer, "llama", [0])
    most = 40 * vocabulary // (vocabulary + 3 * 32)
    assert all(rows == 1 or rows * width <= most for rows, width in shapes)
    assert len(shapes) > 3


@pytest.mark.parametrize("hidden", [[3], [0, 7]])
def test_layers_that_do_not_exist_are_refused(driver: Driver, tokenizer: Path, hidden: list[int]) -> None:
    with pytest.raises(RequestError, match=f"hidden layer {hidden[-1]} does not exist: .* 2 the last"):
        scored(driver, tokenizer, "llama", hidden)
