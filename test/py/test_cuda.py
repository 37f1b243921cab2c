# What must hold on a GPU and cannot be seen without one. BACKTRAIL_TEST_DEVICE=cpu runs the same tests on the
# CPU, so that the tests themselves are known to work. Never run on a GPU so far.
from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.core.device import device_facts
from backtrail_worker.decode import graphs
from backtrail_worker.model.load import pick_device
from backtrail_worker.train.session import Trainer
from transformers import AutoModelForCausalLM

from conftest import GPT2, LLAMA, NEOX, Driver, path_spec, rows, spec, sums, token_id, write_shard
from decode_cases import QWEN2, Done, bins, prefixes, run

DEVICE = os.environ.get("BACKTRAIL_TEST_DEVICE") or ("cuda:0" if torch.cuda.is_available() else "")
ON_GPU = DEVICE.startswith("cuda")
pytestmark = pytest.mark.skipif(
    not DEVICE, reason="torch sees no GPU here; BACKTRAIL_TEST_DEVICE=cpu runs these tests on the CPU"
)
needs_gpu = pytest.mark.skipif(not ON_GPU, reason="says something about a GPU alone")
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SHAPES = {"llama": LLAMA, "qwen2": QWEN2, "neox": NEOX, "gpt2": GPT2 | NO_DROPOUT}
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.0, "clipNorm": 0.0}


@pytest.fixture
def device() -> Iterator[Driver]:
    """A worker's tensor side on the device under test."""
    yield Driver(DEVICE)
    if ON_GPU:
        torch.cuda.synchronize()


def open_session(driver: Driver, tokenizer: Path, session: str = "s", **more: Any) -> Any:
    info = driver.call("load_model", {"model": spec(tokenizer)} | more, session=session).result["info"]
    shard = write_shard(tokenizer / "sums.jsonl", sums(12))
    loading = {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"}
    driver.call("load_dataset", loading, session=session)
    return info


def trainer(driver: Driver, session: str = "s") -> Trainer:
    return driver.side._sessions.state(session)


def forward(driver: Driver, picked: list[int], session: str = "s", packed: bool = False) -> float:
    params = {"loss": "cross_entropy", "dataset": "d", "packed": packed}
    return float(driver.call("forward_backward", params, rows(picked), session).result["loss"])


def gradient(driver: Driver, session: str = "s") -> torch.Tensor:
    """All gradients of a session as one vector of float64."""
    found = [p.grad.double().flatten() for p in trainer(driver, session).updates.named.values()]
    return torch.cat(found).cpu()


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def on_both(device: Driver, model: dict[str, Any], **changes: Any) -> tuple[dict[int, Done], dict[int, Done]]:
    """The same call on the device and on the CPU."""
    starts = prefixes(20)
    arrays = bins(starts, [4] * len(starts), 24)
    return run(device, model, arrays, slots=16, **changes), run(
        Driver("cpu"), model, arrays, slots=16, **changes
    )


@pytest.mark.parametrize("config", list(SHAPES.values()), ids=list(SHAPES))
def test_greedy_tokens_in_fp32_are_those_of_the_cpu(
    device: Driver, tokenizer: Path, config: dict[str, Any]
) -> None:
    found, expected = on_both(device, spec(tokenizer, config), temperature=0)
    for index, one in expected.items():
        assert found[index]["tokens"] == one["tokens"]
        assert found[index]["finish"] == one["finish"]
        np.testing.assert_allclose(found[index]["logprobs"], one["logprobs"], atol=1e-3)


def test_sampled_tokens_in_fp32_are_nearly_all_those_of_the_cpu(device: Driver, tokenizer: Path) -> None:
    """
    The drawn number falls on another token only where rounding moves a boundary past it: of 1,700 tokens
    hardly one.
    """
    found, expected = on_both(device, spec(tokenizer), temperature=1, topP=0.9)
    same = [index for index, one in expected.items() if found[index]["tokens"] == one["tokens"]]
    assert len(same) >= 0.95 * len(expected)
    for index in same:
        for name in ("logprobs", "sampledLogprobs"):
            np.testing.assert_allclose(found[index][name], expected[index][name], atol=1e-3)


def test_the_same_call_twice_gives_the_same_tokens_in_bf16(device: Driver, tokenizer: Path) -> None:
    starts = prefixes(20)
    arrays = bins(starts, [4] * len(starts), 24)
    model = spec(tokenizer, dtype="bfloat16")
    first, second = (run(device, model, arrays, slots=16) for _ in range(2))
    assert {index: one["tokens"] for index, one in first.items()} == {
        index: one["tokens"] for index, one in second.items()
    }


def test_recorded_steps_draw_what_single_kernels_draw(
    device: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recorded = []
    record = graphs.Graphs._record

    def counted(*of: Any) -> Any:
        recorded.append(record(*of))
        return recorded[-1]

    monkeypatch.setattr(graphs.Graphs, "_record", counted)
    starts = prefixes(20)
    arrays = bins(starts, [4] * len(starts), 24)
    fast = run(device, spec(tokenizer), arrays, slots=16)
    assert bool(recorded) == ON_GPU
    assert None not in recorded
    assert "CUDA graphs" not in capfd.readouterr().err
    monkeypatch.setattr(graphs.Graphs, "_record", lambda *_: None)
    eager = run(Driver(DEVICE), spec(tokenizer), arrays, slots=16)
    for index, one in eager.items():
        assert fast[index]["tokens"] == one["tokens"]
        np.testing.assert_allclose(fast[index]["logprobs"], one["logprobs"], atol=1e-5)


def test_one_seed_is_the_cpus_initialisation_bit_for_bit(device: Driver, tokenizer: Path) -> None:
    cpu = Driver("cpu")
    open_session(device, tokenizer)
    open_session(cpu, tokenizer)
    theirs = dict(trainer(cpu).loaded.model.named_parameters())
    for name, mine in trainer(device).loaded.model.named_parameters():
        assert mine.device.type == torch.device(DEVICE).type
        assert torch.equal(mine.cpu(), theirs[name])


def test_training_in_fp32_goes_as_on_the_cpu(device: Driver, tokenizer: Path) -> None:
    cpu = Driver("cpu")
    losses: list[list[float]] = []
    for driver in (device, cpu):
        open_session(driver, tokenizer)
        steps = [driver.train_step(step, [rows([step, step + 3])]) for step in range(1, 7)]
        losses.append([one["loss"] for one, _ in steps])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_weights_move_at_a_small_rate_in_bf16(device: Driver, tokenizer: Path) -> None:
    """At 1e-5 bf16 weights near 0.2, whose spacing is 2^-10, would stay where they are."""
    steps, rate = 10, 1e-5
    open_session(device, tokenizer, model=spec(tokenizer, dtype="bfloat16"))
    named = trainer(device).updates.named
    before = {name: one.detach().clone() for name, one in named.items()}
    for step in range(1, steps + 1):
        device.train_step(
            step, [rows([(step + i) % 12 for i in range(6)], 1 / 60)], learningRate=rate, **ADAM
        )
    for name, one in named.items():
        assert one.dtype == torch.float32
        assert 0.3 * steps * rate < float((one.detach() - before[name]).abs().max()) < 1.5 * steps * rate


@pytest.mark.parametrize("config", list(SHAPES.values()), ids=list(SHAPES))
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_packed_examples_are_those_alone(
    device: Driver, tokenizer: Path, dtype: str, config: dict[str, Any]
) -> None:
    picked = [0, 3, 7, 11, 5, 9]
    for session in ("alone", "packed"):
        open_session(device, tokenizer, session, model=spec(tokenizer, config, dtype=dtype))
    alone = sum(forward(device, [row], "alone") for row in picked)
    packed = forward(device, picked, "packed", packed=True)
    exact = dtype == "float32"
    assert packed == pytest.approx(alone, rel=1e-5 if exact else 1e-2)
    one, other = gradient(device, "alone"), gradient(device, "packed")
    assert cosine(one, other) > (0.999999 if exact else 0.995)
    assert float(other.norm()) == pytest.approx(float(one.norm()), rel=1e-4 if exact else 3e-2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradient_checkpointing_changes_no_loss(device: Driver, tokenizer: Path, dtype: str) -> None:
    for session, on in (("plain", False), ("lean", True)):
        model = spec(tokenizer, dtype=dtype)
        open_session(device, tokenizer, session, model=model, gradientCheckpointing=on)
    losses = [forward(device, [0, 5, 8], session, packed=True) for session in ("plain", "lean")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert cosine(gradient(device, "plain"), gradient(device, "lean")) > 0.9999


@needs_gpu
def test_a_compiled_model_has_the_same_gradients(device: Driver, tokenizer: Path) -> None:
    for session, on in (("plain", False), ("fast", True)):
        open_session(device, tokenizer, session, model=spec(tokenizer, dtype="bfloat16"), compile=on)
    for picked in ([0, 5, 8], [1, 2, 3, 4, 9]):
        losses = [forward(device, picked, session, packed=True) for session in ("plain", "fast")]
        assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert cosine(gradient(device, "plain"), gradient(device, "fast")) > 0.995
    torch.compiler.reset()


def test_memory_that_runs_out_is_told_as_such_and_a_new_session_trains(
    device: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Trainer.forward_backward

    def greedy(self: Trainer, *of: Any) -> dict[str, Any]:
        real(self, *of)
        # More than any device has: a real refusal of its allocator, with gradients half made.
        torch.empty(1 << 50, dtype=torch.uint8, device=self.loaded.device)
        raise AssertionError("the device has a petabyte of memory")

    open_session(device, tokenizer)
    monkeypatch.setattr(Trainer, "forward_backward", greedy)
    with pytest.raises(RuntimeError) as caught:
        forward(device, [0, 1])
    fault = device.side.fault_of(caught.value)
    assert fault is not None
    assert (fault.code, fault.retryable) == ("out-of-memory", True)
    assert not device.side.device_lost()
    monkeypatch.undo()
    with pytest.raises(WorkerFault, match="cannot go on"):
        forward(device, [0])
    device.call("unload", {})
    open_session(device, tokenizer, "again")
    assert np.isfinite(device.train_step(1, [rows([0, 1])], "again")[0]["loss"])


def test_logits_that_are_no_numbers_are_refused_and_the_device_lives_on(
    device: Driver, tokenizer: Path
) -> None:
    starts = prefixes(8)
    arrays = bins(starts, [2] * len(starts), 6)
    good, bad = spec(tokenizer), spec(tokenizer, version="bad")
    expected = run(device, good, arrays)
    run(device, bad, arrays)
    with torch.no_grad():
        for parameter in device.side._models["bad"].model.parameters():
            parameter.fill_(torch.nan)
    for temperature in (0, 1):
        with pytest.raises(WorkerFault) as caught:
            run(device, bad, arrays, temperature=temperature)
        assert caught.value.code == "non-finite"
    assert not device.side.device_lost()
    found = run(device, good, arrays)
    assert [found[i]["tokens"] for i in sorted(found)] == [expected[i]["tokens"] for i in sorted(expected)]


def test_memory_on_the_device_is_what_torch_holds(device: Driver, tokenizer: Path) -> None:
    info = open_session(device, tokenizer, model=spec(tokenizer, LLAMA | {"hidden_size": 256}))
    device.train_step(1, [rows([0, 1])])
    held = device.side.device_bytes()
    if not ON_GPU:
        assert held == 0
        return
    # Weight, gradient (gone after the step) and two moments in fp32.
    assert held >= 0.75 * info["memoryBytes"]
    assert held <= torch.cuda.get_device_properties(DEVICE).total_memory


def test_the_device_is_found_counted_and_refused_where_it_is_not(device: Driver, tokenizer: Path) -> None:
    assert open_session(device, tokenizer)["device"] == str(pick_device(DEVICE))
    facts = device_facts(DEVICE, os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert facts.memory_bytes is not None
    if ON_GPU:
        assert pick_device("auto") == torch.device("cuda:0")
        assert facts.gpus == torch.cuda.device_count()
        total = sum(torch.cuda.get_device_properties(i).total_memory for i in range(facts.gpus))
        assert facts.memory_bytes == pytest.approx(total, rel=0.05)
    with pytest.raises(WorkerFault) as caught:
        pick_device("cuda:99")
    assert caught.value.code == "device"


@pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="peft is not installed: pip install 'peft>=0.17'"
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_and_the_new_row_are_trained_and_saved(
    device: Driver, tokenizer: Path, tmp_path: Path, dtype: str
) -> None:
    base, saved = tmp_path / "base", tmp_path / "saved"
    device.call("load_model", {"model": spec(tokenizer, addTokens=[])}, session="base")
    device.call("save", {"path": str(base), "resume": False}, session="base")
    before = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight.detach()
    lora = {"rank": 2, "alpha": 4.0}
    info = device.call("load_model", {"model": path_spec(base, dtype=dtype), "lora": lora}).result["info"]
    examples = [item | {"response": item["response"] + "<backtrack>"} for item in sums(8)]
    for item in examples:
        item["spans"] = [[0, len(item["response"])]]
    shard = write_shard(tokenizer / "marked.jsonl", examples)
    device.call("load_dataset", {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"})
    for step in range(1, 9):
        device.train_step(step, [rows([step % 8, (step + 3) % 8], 0.02)])
    device.call("save", {"path": str(saved), "resume": False})
    after = AutoModelForCausalLM.from_pretrained(saved)
    mark = info["addedTokens"]["<backtrack>"]
    new = after.get_input_embeddings().weight.detach()
    assert float((new[mark] - before.mean(0)).abs().max()) > 0.01
    assert torch.equal(new[:mark], before)
    ids = torch.tensor([[3, token_id("5"), mark, token_id("7")]])
    live = trainer(device).loaded.model.eval()
    with torch.no_grad():
        found = live(ids.to(DEVICE)).logits.cpu()
        torch.testing.assert_close(found, after(ids).logits, atol=1e-3, rtol=0)


def test_a_saved_session_goes_on_and_decodes_the_same(
    device: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    open_session(device, tokenizer)
    for step in (1, 2):
        device.train_step(step, [rows([step, step + 4])])
    device.call("save", {"path": str(tmp_path / "c"), "resume": True})
    expected = [device.train_step(step, [rows([step, step + 4])])[0]["loss"] for step in (3, 4)]
    other = Driver(DEVICE)
    open_session(other, tokenizer)
    assert other.call("restore", {"path": str(tmp_path / "c")}).result["step"] == 2
    found = [other.train_step(step, [rows([step, step + 4])])[0]["loss"] for step in (3, 4)]
    assert found == pytest.approx(expected, rel=1e-5)
    starts = prefixes(6)
    arrays = bins(starts, [1] * len(starts), 12)
    saved = path_spec(tmp_path / "c")
    mine, cpus = (run(driver, saved, arrays, temperature=0) for driver in (device, Driver("cpu")))
    assert [mine[i]["tokens"] for i in sorted(mine)] == [cpus[i]["tokens"] for i in sorted(cpus)]


def test_scores_named_tokens_and_hidden_states_are_those_of_the_cpu(device: Driver, tokenizer: Path) -> None:
    sequences = prefixes(9)
    arrays = {
        "tokens": np.array([token for one in sequences for token in one], dtype=np.int32),
        "lengths": np.array([len(one) for one in sequences], dtype=np.int32),
    }
    params = {"model": spec(tokenizer), "named": [3, 5], "hidden": [0, 2]}
    mine, theirs = (one.free("score", params, arrays).arrays for one in (device, Driver("cpu")))
    assert mine.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(mine[name], values, atol=1e-4)


@needs_gpu
def test_low_precision_matrix_products_are_off_in_fp32() -> None:
    """TF32 would lose what the comparison with the CPU rests on; nothing imported here turns it on."""
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
