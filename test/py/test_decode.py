# Decoding on tiny models: the same completions whatever the batch, greedy as transformers has it, ends and
# stops, chunks.
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.decode import generate as generate_module
from backtrail_worker.decode.completion import Completion, Stops
from backtrail_worker.decode.sampler import Sampler, picked, uniforms
from backtrail_worker.protocol import (
    FINISH_CONTEXT,
    FINISH_END,
    FINISH_LENGTH,
    FINISH_STOP,
    Arrays,
    RequestError,
)
from transformers import AutoModelForCausalLM

from conftest import GPT2, LLAMA, NEOX, Driver, spec, token_id
from decode_cases import QWEN2, Done, bins, params, prefixes, run

# "llama" runs on the engine for Llama, "llama-biased" (which that engine does not know) on the generic one.
CONFIGS = {
    "llama": LLAMA,
    "llama-biased": LLAMA | {"attention_bias": True},
    "qwen2": QWEN2,
    "gpt2": GPT2,
    "neox": NEOX,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_completions_do_not_depend_on_the_batch(driver: Driver, tokenizer: Path, name: str) -> None:
    model = spec(tokenizer, CONFIGS[name])
    some, counts = prefixes(14), [1, 3, 2, 5, 1, 1, 4, 2, 1, 6, 1, 1, 2, 3]
    arrays = bins(some, counts)
    whole = run(driver, model, arrays)
    assert {one["finish"] for one in whole.values()} >= {FINISH_LENGTH, FINISH_END}
    variants = [run(driver, model, arrays, slots=slots) for slots in (1, 5, 16)]
    # Each completion alone, in another order.
    alone: dict[int, Done] = {}
    index = 0
    for prefix, count in zip(some, counts, strict=True):
        for _ in range(count):
            alone[index] = run(driver, model, bins([prefix], [1], seeds=[100 + index]))[0]
            index += 1
    for other in [*variants, alone]:
        for index, one in whole.items():
            assert other[index]["tokens"] == one["tokens"]
            assert (other[index]["text"], other[index]["finish"]) == (
                one["text"],
                one["finish"],
            )
            np.testing.assert_allclose(other[index]["logprobs"], one["logprobs"], atol=1e-4)
            np.testing.assert_allclose(other[index]["sampledLogprobs"], one["sampledLogprobs"], atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_is_what_transformers_generates(
    driver: Driver, tokenizer: Path, tmp_path: Path, name: str
) -> None:
    driver.call("load_model", {"model": spec(tokenizer, CONFIGS[name])})
    driver.call("save", {"path": str(tmp_path / "c"), "resume": False})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "c").eval()
    some = prefixes(8)
    ours = run(driver, spec(tokenizer, CONFIGS[name]), bins(some, [1] * 8), temperature=0)
    for index, prefix in enumerate(some):
        out = theirs.generate(
            torch.tensor([prefix]),
            attention_mask=torch.ones(1, len(prefix)),
            do_sample=False,
            max_new_tokens=12,
        )
        expected = out[0, len(prefix) :].tolist()
        assert ours[index]["tokens"] == [token for token in expected if token != theirs.config.eos_token_id]
        assert set(ours[index]["sampledLogprobs"]) <= {0.0}


@pytest.mark.parametrize("name", CONFIGS)
def test_logprobs_are_those_of_score(driver: Driver, tokenizer: Path, name: str) -> None:
    model = spec(tokenizer, CONFIGS[name])
    some = prefixes(6)
    done = run(driver, model, bins(some, [2] * 6), temperature=0.5)
    sequences = [some[index // 2] + done[index]["tokens"] for index in range(12)]
    named = [token_id("<eos>"), token_id("<backtrack>")]
    arrays = {
        "tokens": np.array([t for s in sequences for t in s], dtype=np.int32),
        "lengths": np.array([len(s) for s in sequences], dtype=np.int32),
    }
    answer = driver.free("score", {"model": model, "named": named}, arrays)
    assert answer.result == {"sequences": 12, "tokens": len(arrays["tokens"])}
    loaded = driver.side._models["v"].model
    at = 0
    for index, sequence in enumerate(sequences):
        scored = answer.arrays["logprobs"][at : at + len(sequence)]
        assert scored[0] == 0
        np.testing.assert_allclose(scored[len(some[index // 2]) :], done[index]["logprobs"], atol=1e-4)
        with torch.no_grad():
            expected = torch.log_softmax(loaded(torch.tensor([sequence])).logits[0], -1)
        np.testing.assert_allclose(
            answer.arrays["named"][at : at + len(sequence)],
            expected[:, named].numpy(),
            atol=1e-4,
        )
        at += len(sequence)


LLAMAS = {
    "tied": LLAMA,
    "untied-wide-heads": LLAMA | {"tie_word_embeddings": False, "head_dim": 16},
    "qwen2": QWEN2,
    "no-groups": LLAMA | {"num_key_value_heads": 4},
    "llama3-rope": LLAMA
    | {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
}


@pytest.mark.parametrize("name", LLAMAS)
def test_the_llama_engine_computes_what_the_generic_engine_computes(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model, arrays = (
        spec(tokenizer, LLAMAS[name]),
        bins(prefixes(20), [3] * 20, budget=30),
    )
    used: list[str] = []
    made = generate_module.make_engine

    def spy(*arguments: Any) -> Any:
        engine, slots = made(*arguments)
        used.append(type(engine).__name__)
        return engine, slots

    monkeypatch.setattr(generate_module, "make_engine", spy)
    fast = run(driver, model, arrays, slots=13)
    monkeypatch.setattr(generate_module, "misfit", lambda loaded: "the test says so")
    plain = run(driver, model, arrays, slots=13)
    assert used == ["LlamaEngine", "HfEngine"]
    for index, one in plain.items():
        assert fast[index]["tokens"] == one["tokens"]
        np.testing.assert_allclose(fast[index]["logprobs"], one["logprobs"], atol=1e-4)


def test_stop_texts_end_a_completion_and_stay_in_it(driver: Driver, tokenizer: Path) -> None:
    model = spec(tokenizer)
    arrays = bins(prefixes(10), [8] * 10, budget=40)
    free = run(driver, model, arrays)
    stops = ["\n", "<backtrack>", "1+", "7"]
    stopped = run(driver, model, arrays, stops=stops)
    ends = 0
    for index, one in stopped.items():
        assert free[index]["tokens"][: len(one["tokens"])] == one["tokens"]
        first = min(
            (free[index]["text"].index(stop) + len(stop) for stop in stops if stop in free[index]["text"]),
            default=None,
        )
        if first is None:
            assert one == free[index]
        else:
            assert one["finish"] == FINISH_STOP
            assert one["text"] == free[index]["text"][:first]
            ends += 1
        assert one["charEnds"][-1:] == ([len(one["text"].encode("utf-16-le")) // 2] if one["tokens"] else [])
    assert ends > 40


class Neighbours:
    """A tokenizer whose decoder looks at neighbours: blanks between tokens."""

    def piece(self, token: int) -> bytes | None:
        return None

    def decode(self, ids: list[int]) -> str:
        return " ".join("ab"[one] for one in ids)


def test_stops_of_decoders_that_look_at_neighbours() -> None:
    stops = Stops(["a b", ""], Neighbours())  # type: ignore[arg-type]
    one = Completion(0, 0, 9, 9)
    ended = [one.add(token, 0.0, 0.0, stops, frozenset()) for token in (1, 0, 0, 1)]
    assert ended == [False, False, False, True]
    assert one.finish == FINISH_STOP


def test_budgets_the_context_and_the_end_token(driver: Driver, tokenizer: Path) -> None:
    model = spec(tokenizer)
    long = [4] * 62
    done = run(
        driver,
        model,
        bins([long, [4] * 64, [5], [6]], [3, 1, 2, 0], budget=[9, 1, 0, 5, 0, 3]),
        temperature=0,
    )
    assert [len(done[i]["tokens"]) for i in range(6)][2:5] == [0, 0, 0]
    assert (done[2]["finish"], done[3]["finish"], done[4]["finish"]) == (
        FINISH_LENGTH,
        FINISH_CONTEXT,
        FINISH_LENGTH,
    )
    assert (len(done[0]["tokens"]), done[0]["finish"]) == (2, FINISH_CONTEXT)
    assert (len(done[1]["tokens"]), done[1]["finish"]) == (1, FINISH_LENGTH)
    ended = [
        one
        for one in run(driver, model, bins([[5]], [200], budget=60)).values()
        if one["finish"] == FINISH_END
    ]
    assert ended
    assert not any(token_id("<eos>") in one["tokens"] for one in ended)


def test_chunks_leave_as_completions_finish(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate_module, "CHUNK_COMPLETIONS", 10)
    run(driver, spec(tokenizer), bins(prefixes(7), [5] * 7), slots=8)
    assert [len(texts) for texts, _ in driver.context.chunks] == [10, 10, 10, 5]


def test_truncation(driver: Driver, tokenizer: Path) -> None:
    model, arrays = spec(tokenizer), bins(prefixes(3), [4] * 3)
    greedy = run(driver, model, arrays, temperature=0)
    for narrow in ({"topK": 1}, {"topP": 1e-6}):
        one = run(driver, model, arrays, **narrow)
        assert [one[i]["tokens"] for i in range(12)] == [greedy[i]["tokens"] for i in range(12)]
        assert all(value == 0 for i in range(12) for value in one[i]["sampledLogprobs"])


def test_the_sampler_follows_the_inverse_cdf() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.4, 0.0, 0.3, 0.2]]))

    def pick(sampler: Sampler, u: float) -> tuple[int, float, float]:
        one = picked(sampler.draw(logits, torch.tensor([u], dtype=torch.float64)))
        return one.tokens[0], one.logprobs[0], one.sampled[0]

    plain = Sampler(1, 0, 1)
    assert [pick(plain, u)[0] for u in (0, 0.09, 0.11, 0.49, 0.51, 0.79, 0.81, 1 - 2**-53)] == [
        0,
        0,
        1,
        1,
        3,
        3,
        4,
        4,
    ]
    assert pick(plain, 0.6)[1:] == pytest.approx((np.log(0.3), np.log(0.3)), abs=1e-6)
    # Two best of five: 0.4 and 0.3, renormalised; likewise the nucleus that first reaches 0.6.
    for sampler in (Sampler(1, 2, 1), Sampler(1, 0, 0.6)):
        assert [pick(sampler, u)[0] for u in (0, 0.56, 0.58, 0.99)] == [1, 1, 3, 3]
        assert pick(sampler, 0.9)[1:] == pytest.approx((np.log(0.3), np.log(3 / 7)), abs=1e-6)
    # Temperature 0.5 squares: 1, 16, 0, 9, 4 of 30.
    assert pick(Sampler(0.5, 0, 1), 0.9)[2] == pytest.approx(np.log(4 / 30), abs=1e-6)
    tie = torch.tensor([[1.0, 3.0, 3.0, 3.0]])
    assert picked(Sampler(0, 0, 1).draw(tie, torch.tensor([0.5]))).tokens == [1]
    assert picked(Sampler(1, 2, 1).draw(tie, torch.tensor([0.99]))).tokens == [2]


def test_uniforms_are_splitmix64() -> None:
    # Reference outputs of splitmix64 seeded with 1234567 (Vigna's C code).
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    got = uniforms(np.full(3, 1234567, dtype=np.uint64), np.arange(3))
    np.testing.assert_array_equal(got, [(value >> 11) * 2.0**-53 for value in expected])
    many = uniforms(np.arange(200_000, dtype=np.uint64), np.zeros(200_000, dtype=np.int64))
    assert abs(many.mean() - 0.5) < 4 * (1 / 12 / 200_000) ** 0.5
    assert many.min() >= 0
    assert many.max() < 1


def test_samples_follow_the_model(driver: Driver, tokenizer: Path) -> None:
    model = spec(tokenizer)
    done = run(
        driver,
        model,
        bins([[5, 6, 7]], [4000], budget=1, seeds=list(range(4000))),
        slots=500,
    )
    arrays = {
        "tokens": np.array([5, 6, 7], dtype=np.int32),
        "lengths": np.array([3], dtype=np.int32),
    }
    vocabulary = int(driver.side._models["v"].model.config.vocab_size)
    scored = driver.free("score", {"model": model, "named": list(range(vocabulary))}, arrays)
    expected = np.exp(scored.arrays["named"][2])
    counts = np.bincount(
        [one["tokens"][0] if one["tokens"] else 1 for one in done.values()],
        minlength=vocabulary,
    )
    big = expected * 4000 > 5
    chi2 = float((((counts - 4000 * expected) ** 2) / (4000 * expected))[big].sum())
    assert chi2 < big.sum() + 5 * (2 * big.sum()) ** 0.5


def test_beam_sampling_is_that_of_transformers(driver: Driver, tokenizer: Path) -> None:
    model = spec(tokenizer)
    arrays = bins([[5, 6], [7]], [4, 4], budget=8)
    done = run(driver, model, arrays, beams="beam-sample", temperature=0.7)
    assert run(driver, model, arrays, beams="beam-sample", temperature=0.7) == done
    loaded = driver.side._models["v"].model
    torch.manual_seed(100 | (100 * 7919) << 32)
    expected = loaded.generate(
        torch.tensor([[5, 6]]),
        attention_mask=torch.ones(1, 2),
        do_sample=True,
        num_beams=4,
        num_return_sequences=4,
        temperature=0.7,
        max_new_tokens=8,
        top_k=0,
        top_p=1.0,
        pad_token_id=0,
        eos_token_id=[1],
    )[:, 2:].tolist()
    for index, row in enumerate(expected):
        kept = row[: row.index(1)] if 1 in row else row
        assert done[index]["tokens"] == kept
        assert done[index]["finish"] == (FINISH_END if 1 in row else FINISH_LENGTH)
    sequence = [5, 6, *done[0]["tokens"]]
    scored = driver.free(
        "score",
        {"model": model, "named": []},
        {
            "tokens": np.array(sequence, dtype=np.int32),
            "lengths": np.array([len(sequence)], dtype=np.int32),
        },
    )
    np.testing.assert_allclose(scored.arrays["logprobs"][2:], done[0]["logprobs"], atol=1e-4)


def test_models_are_kept_by_version_the_last_two(driver: Driver, tokenizer: Path) -> None:
    arrays = {
        "tokens": np.array([5], dtype=np.int32),
        "lengths": np.array([1], dtype=np.int32),
    }
    for version in ("a", "b", "a", "c"):
        driver.free("score", {"model": spec(tokenizer, version=version), "named": []}, arrays)
    info = driver.free("info", {}).result
    assert info["models"] == ["a", "c"]
    assert info["memoryBytes"] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": np.array([3], dtype=np.int32)}, "add up"),
        ({"lengths": np.array([0, 2], dtype=np.int32)}, "at least 1|counts"),
        ({"counts": np.array([2], dtype=np.int32)}, "seeds"),
        ({"seeds": np.zeros((1, 3), dtype=np.uint32)}, "seeds"),
        ({"budgets": np.array([-1], dtype=np.int32)}, "budgets"),
        ({"tokens": np.array([1, 999], dtype=np.int32)}, "vocabulary"),
        ({"extra": np.array([1], dtype=np.int32)}, "bins must be"),
    ],
)
def test_bins_out_of_contract_are_refused(
    driver: Driver, tokenizer: Path, change: Arrays, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        driver.free("generate", params(spec(tokenizer)), bins([[4, 5]], [1]) | change)


def test_no_prefixes_make_no_completions(driver: Driver, tokenizer: Path) -> None:
    assert run(driver, spec(tokenizer), bins([], [])) == {}


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1e-40])
def test_logits_that_are_no_numbers_are_refused(temperature: float) -> None:
    logits_RV = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    if temperature != 1e-40:
        logits_RV[1, 1] = torch.nan
    with pytest.raises(WorkerFault) as caught:
        picked(Sampler(temperature, 0, 1).draw(logits_RV, torch.tensor([0.5, 0.5])))
    assert caught.value.code == "non-finite"
