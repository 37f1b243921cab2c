# The engines of generate against each other: greedy tokens agree on every model that each supports, and what
# an engine cannot do is refused with the reason.
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from backtrail_worker.decode import continuous as continuous_module
from backtrail_worker.protocol import FINISH_CONTEXT, FINISH_END, FINISH_LENGTH, FINISH_STOP, RequestError

from conftest import GPT2, LLAMA, NEOX, Driver, spec
from decode_cases import QWEN2, Done, bins, prefixes, run

CONFIGS = {"llama": LLAMA, "qwen2": QWEN2, "gpt2": GPT2, "neox": NEOX}
ENGINES = ["reference", "continuous"]
STOPS = ["\n", "<backtrack>", "7"]


def alike(one: dict[int, Done], other: dict[int, Done]) -> None:
    assert one.keys() == other.keys()
    for index, ours in one.items():
        for name in ("tokens", "text", "finish", "charEnds"):
            assert other[index][name] == ours[name], (index, name)
        np.testing.assert_allclose(other[index]["logprobs"], ours["logprobs"], atol=1e-4)
        np.testing.assert_allclose(other[index]["sampledLogprobs"], ours["sampledLogprobs"], atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_tokens_of_all_engines_agree(driver: Driver, tokenizer: Path, name: str, engine: str) -> None:
    model = spec(tokenizer, CONFIGS[name])
    # The last prefix leaves the context room for 4 tokens, the one before fills it.
    some = [*prefixes(12), [4] * 64, [5, 6] * 30]
    arrays = bins(some, [1, 2, 1, 0, 3, 1, 1, 1, 1, 1, 1, 1, 2, 2], budget=14)
    arrays["budgets"][[4, 5, 6]] = 0
    ours = run(driver, model, arrays, temperature=0, stops=STOPS)
    theirs = run(driver, model, arrays, temperature=0, stops=STOPS, engine=engine)
    alike(ours, theirs)
    assert {one["finish"] for one in ours.values()} >= {FINISH_LENGTH, FINISH_CONTEXT, FINISH_STOP}


@pytest.mark.parametrize("engine", ENGINES)
def test_sampled_log_probabilities_are_those_of_the_model_and_of_the_truncated_one(
    driver: Driver, tokenizer: Path, engine: str
) -> None:
    model, some = spec(tokenizer), prefixes(6)
    done = run(driver, model, bins(some, [3] * 6), temperature=0.7, topK=5, engine=engine)
    loaded = driver.side._models["v"].model.double()
    for index, one in done.items():
        prefix = some[index // 3]
        with torch.no_grad():
            logits_TV = loaded(torch.tensor([prefix + one["tokens"]])).logits[0, len(prefix) - 1 : -1]
        tokens_T1 = torch.tensor(one["tokens"]).unsqueeze(1)
        plain = logits_TV.log_softmax(-1).gather(1, tokens_T1).squeeze(1)
        np.testing.assert_allclose(one["logprobs"], plain.numpy(), atol=1e-5)
        best_TK, _ = (logits_TV / 0.7).topk(5, -1)
        sampled = (logits_TV / 0.7).gather(1, tokens_T1).squeeze(1) - best_TK.logsumexp(-1)
        expected = plain if engine == "reference" else sampled
        np.testing.assert_allclose(one["sampledLogprobs"], expected.numpy(), atol=1e-4)
        assert (tokens_T1 == (logits_TV / 0.7).topk(5, -1).indices).any(-1).all()
    assert len({tuple(one["tokens"]) for one in done.values()}) > 10


@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_is_a_function_of_its_seeds(driver: Driver, tokenizer: Path, engine: str) -> None:
    model, some = spec(tokenizer), prefixes(4)
    state = torch.get_rng_state()

    def tokens(seeds: list[int]) -> list[list[int]]:
        done = run(driver, model, bins(some, [2] * 4, seeds=seeds), engine=engine)
        return [done[index]["tokens"] for index in range(8)]

    one = tokens(list(range(8)))
    assert tokens(list(range(8))) == one
    assert tokens(list(range(50, 58))) != one
    assert torch.equal(torch.get_rng_state(), state)


def test_the_reference_without_beams_is_plain_sampling_of_transformers(
    driver: Driver, tokenizer: Path
) -> None:
    done = run(driver, spec(tokenizer), bins([[5, 6]], [4], budget=8), engine="reference", temperature=0.7)
    torch.manual_seed(100 | (100 * 7919) << 32)
    expected = (
        driver.side._models["v"]
        .model.generate(
            torch.tensor([[5, 6]]),
            attention_mask=torch.ones(1, 2),
            do_sample=True,
            num_return_sequences=4,
            temperature=0.7,
            top_k=0,
            top_p=1.0,
            max_new_tokens=8,
        )[:, 2:]
        .tolist()
    )
    for index, row in enumerate(expected):
        assert done[index]["tokens"] == (row[: row.index(1)] if 1 in row else row)
        assert done[index]["finish"] == (FINISH_END if 1 in row else FINISH_LENGTH)


def test_continuous_batching_leaves_the_model_as_it_was(driver: Driver, tokenizer: Path) -> None:
    model, arrays = spec(tokenizer), bins(prefixes(5), [2] * 5)
    before = run(driver, model, arrays)
    run(driver, model, arrays, engine="continuous")
    assert driver.side._models["v"].model.config._attn_implementation == "sdpa"
    assert run(driver, model, arrays) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "continuous", "beams": "beam-sample"}, '"continuous" has no beams'),
        ({"engine": "reference", "beams": "beam-sample", "temperature": 0}, "temperature above 0"),
        ({"engine": "fastest"}, "engine"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(
    driver: Driver, tokenizer: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        run(driver, spec(tokenizer), bins([[4, 5]], [2]), **changes)


def test_the_reference_refuses_budgets_that_differ_within_a_prefix(driver: Driver, tokenizer: Path) -> None:
    with pytest.raises(RequestError, match="one budget for all completions of a prefix"):
        run(driver, spec(tokenizer), bins([[4, 5]], [2], budget=[3, 4]), engine="reference")


def test_continuous_batching_is_refused_with_the_reason(driver: Driver, tokenizer: Path) -> None:
    run(driver, spec(tokenizer), bins([[4, 5]], [1]))
    loaded = driver.side._models["v"]
    assert continuous_module.refusal(loaded) is None
    loaded.model.set_attn_implementation("eager")
    with pytest.raises(RequestError, match='runs on "eager"'):
        run(driver, spec(tokenizer), bins([[4, 5]], [1]), engine="continuous")


def test_an_error_of_continuous_batching_is_not_swallowed(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backtrail_worker.core.call import WorkerFault

    run(driver, spec(tokenizer), bins([[4, 5]], [1]))
    model = driver.side._models["v"].model

    def broken(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("the forward is broken")

    monkeypatch.setattr(model.model.layers[1], "forward", broken)
    with pytest.raises(WorkerFault, match=r"the forward is broken|requests left"):
        run(driver, spec(tokenizer), bins([[4, 5]], [2]), engine="continuous")
    assert model.config._attn_implementation == "sdpa"
