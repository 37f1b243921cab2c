# The worker by the rules of CUDA, on a device that is not there (pretend_cuda.py says what that shows and
# what not). First the rules themselves, then decoding, then what test_cuda.py asks of a GPU.
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from backtrail_worker.decode.graphs import Graphs
from backtrail_worker.decode.llama import LlamaEngine
from backtrail_worker.decode.sampler import PLAIN_VOCABULARY, Sampler

import test_cuda as on_gpu
from conftest import GPT2, LLAMA, NEOX, PIECES, Driver, spec, write_tokenizer
from decode_cases import QWEN2, Done, bins, prefixes, run
from pretend_cuda import PretendCuda, pretend_cuda

CUDA = torch.device("cuda:0")


@pytest.fixture
def cuda() -> Iterator[PretendCuda]:
    with pretend_cuda() as device:
        yield device


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A tokenizer above whose vocabulary the sampler sums by blocks."""
    words = [f"<w{number}>" for number in range(PLAIN_VOCABULARY)]
    return write_tokenizer(tmp_path / "large", pieces=[*PIECES, *words])


# ---- the rules

HOST, INDEX = torch.ones(3), torch.tensor([0, 2])
MIXES: dict[str, Callable[[torch.Tensor], Any]] = {
    "add": lambda x: x + HOST,
    "add in place to the host": lambda x: torch.tensor(1.0).add_(x.sum()),
    "stack": lambda x: torch.stack([x, HOST]),
    "gather": lambda x: x.gather(0, INDEX),
    "index_copy": lambda x: x.index_copy_(0, INDEX, x[:2]),
    "embedding": lambda x: torch.nn.functional.embedding(INDEX, x.unsqueeze(1)),
    "matmul": lambda x: HOST @ x,
}


@pytest.mark.parametrize("work", MIXES.values(), ids=list(MIXES))
def test_tensors_of_two_devices_do_not_meet(cuda: PretendCuda, work: Callable[[torch.Tensor], Any]) -> None:
    x = torch.ones(3, device="cuda")
    assert (x * torch.tensor(2.0)).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="not all tensors are on the same device"):
        work(x)


WAITS: dict[str, Callable[[torch.Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool((x > 0).all()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "index on the host": lambda x: x[INDEX],
    "list": lambda x: x[[0, 1]],
    "new from a list": lambda x: torch.tensor([1, 2], device="cuda"),
    "from the host": lambda x: HOST.to("cuda", non_blocking=True),
    "value from the host": lambda x: torch.where(x > 0, x, torch.tensor(0.0)),
    "synchronize": lambda x: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("work", WAITS.values(), ids=list(WAITS))
def test_what_the_host_waits_for_is_counted_and_cannot_be_recorded(
    cuda: PretendCuda, work: Callable[[torch.Tensor], Any]
) -> None:
    x, before = torch.ones(3, device="cuda"), len(cuda.waits)
    work(x)
    assert len(cuda.waits) == before + 1
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError) as caught, torch.cuda.graph(graph):
        work(x)
    assert "not permitted when stream is capturing" in str(caught.value.__context__)
    assert cuda.graphs == []


def test_a_replay_runs_what_was_recorded_on_the_memory_that_was_there(cuda: PretendCuda) -> None:
    x, factor, out = torch.ones(3, device="cuda"), torch.tensor(2.0), torch.zeros(3, device="cuda")
    offset = 1
    with torch.cuda.graph(graph := torch.cuda.CUDAGraph()):
        out.copy_(x * factor + offset)
        x.add_(1)
    assert out.tolist() == [0, 0, 0]
    offset, _ = 100, factor.fill_(50)
    graph.replay()
    assert (out.tolist(), x.tolist()) == ([3, 3, 3], [2, 2, 2])
    x[1] = 10
    graph.replay()
    assert out.tolist() == [5, 21, 5]
    x = torch.zeros(3, device="cuda")
    with pytest.raises(RuntimeError, match="freed"):
        graph.replay()


def test_what_a_recording_made_holds_nothing_before_a_replay(cuda: PretendCuda) -> None:
    x = torch.ones(3, device="cuda")
    with torch.cuda.graph(graph := torch.cuda.CUDAGraph()):
        made = x + 1
    assert made.isnan().all()
    graph.replay()
    assert made.tolist() == [2, 2, 2]
    assert torch.empty(2, device="cuda").isnan().all()


def test_a_copy_without_waiting_has_happened_when_its_event_has(cuda: PretendCuda) -> None:
    x, host = torch.ones(3, device="cuda"), torch.empty(3, pin_memory=True)
    before = len(cuda.waits)
    host.copy_(x, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    x.add_(1)
    assert host.isnan().all()
    event.synchronize()
    assert host.tolist() == [1, 1, 1]
    there = host.to("cuda", non_blocking=True)
    assert len(cuda.waits) == before
    host.add_(1)
    with pytest.raises(RuntimeError, match="pinned memory was written"):
        there.cpu()


def test_a_stream_waits_before_it_uses_what_another_one_wrote(cuda: PretendCuda) -> None:
    x, side = torch.ones(3, device="cuda"), torch.cuda.Stream()
    with torch.cuda.stream(side), pytest.raises(RuntimeError, match="has not waited"):
        x + 1
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        y = x + 1
    with pytest.raises(RuntimeError, match="has not waited"):
        x.add_(1)
    torch.cuda.current_stream().wait_stream(side)
    assert (x.add_(1) + y).tolist() == [4, 4, 4]


# ---- decoding


def tokens(done: dict[int, Done]) -> list[list[int]]:
    return [one["tokens"] for _, one in sorted(done.items())]


def rolled_back(starts: list[list[int]], done: dict[int, Done], each: int) -> list[list[int]]:
    """Prefixes that continue the first tokens of earlier completions: each with another share of them."""
    return [(starts[index // each] + one["tokens"][: index % 7])[:30] for index, one in sorted(done.items())]


@pytest.mark.parametrize(
    ("config", "sampling", "vocabulary"),
    [
        (LLAMA, {"temperature": 0}, "tokenizer"),
        (LLAMA, {"temperature": 0.8, "topK": 9, "topP": 0.9}, "tokenizer"),
        (LLAMA, {"temperature": 0.8, "topP": 0.9}, "large"),
        (QWEN2, {"temperature": 0}, "large"),
        (QWEN2, {"temperature": 1}, "tokenizer"),
        (QWEN2, {"temperature": 1}, "large"),
    ],
)
def test_steps_are_recorded_once_replayed_and_waited_for_by_their_events_alone(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    sampling: dict[str, Any],
    vocabulary: str,
) -> None:
    model = spec(request.getfixturevalue(vocabulary), config)
    changes = {"slots": 16, "stops": ["\n"], **sampling}
    starts, cpu = prefixes(12), Driver("cpu")
    first = bins(starts, [4] * len(starts), 24)
    expected = run(cpu, model, first, **changes)
    back = rolled_back(starts, expected, 4)
    second = bins(back, [1] * len(back), 16)
    expected_back = run(cpu, model, second, **changes)
    launches, draw = [], LlamaEngine.draw

    def counted(self: LlamaEngine, *of: Any) -> Any:
        before = cuda.launches
        drawn = draw(self, *of)
        launches.append(cuda.launches - before)
        return drawn

    monkeypatch.setattr(LlamaEngine, "draw", counted)
    with pretend_cuda() as cuda:
        driver = Driver("cuda:0")
        # What is recorded for few rows or another sampler must serve no others.
        for other in (changes, changes | {"temperature": 0 if sampling["temperature"] else 1}):
            run(driver, model, bins(starts[:2], [1, 1], 24), **other)
        assert tokens(run(driver, model, first, **changes)) == tokens(expected)
        board = driver.side._models["v"].board
        for again in (False, True):
            del cuda.waits[:]
            graphs, steps = len(cuda.graphs), cuda.event_waits
            assert tokens(run(driver, model, second, **changes)) == tokens(expected_back)
            # Not one wait but for the event of each step, and where a graph is new.
            assert cuda.waits == ["torch.cuda.synchronize"] * (len(cuda.graphs) - graphs)
            assert not (again and len(cuda.graphs) > graphs)
            steps = cuda.event_waits - steps
        assert driver.side._models["v"].board is board
        assert len(cuda.graphs) == len(board.graphs._graphs) <= 6
        # The last step of each of the five calls, drawn ahead for rows that had all ended, is read by nobody.
        assert sum(graph.replays for graph in cuda.graphs) == cuda.event_waits + 5
        # Beside the graph: the numbers to the device and into the board, the tokens out of it.
        assert set(launches[-steps:]) == {3}


def test_memory_is_refilled_many_times_in_bf16_too(
    cuda: PretendCuda, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, arrays = spec(tokenizer, QWEN2, dtype="bfloat16"), bins(prefixes(12), [4] * 12, 24)
    driver = Driver("cuda:0")
    recorded = run(driver, model, arrays, slots=8)
    assert len(cuda.graphs) == len({graph for graph in cuda.graphs if graph.replays}) > 0
    monkeypatch.setattr(Graphs, "_record", lambda *_: None)
    assert tokens(run(Driver("cuda:0"), model, arrays, slots=8)) == tokens(recorded)


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_recording_tries_out_leaves_no_trace(cuda: PretendCuda, fails: bool) -> None:
    position_1 = torch.zeros(1, dtype=torch.long, device=CUDA)
    written, here = torch.zeros(10, device=CUDA), torch.cuda.current_stream()

    def work() -> None:
        written.index_copy_(0, position_1, (position_1 + 1).float())
        position_1.add_(1)
        if fails and cuda.stream is not here:
            raise RuntimeError("after all is done")

    graphs = Graphs(CUDA)
    for _ in range(3):
        graphs.run("step", work, [position_1])
    assert position_1.tolist() == [3]
    assert written.tolist() == [1, 2, 3, 0, 0, 0, 0, 0, 0, 0]
    assert [graph.replays for graph in cuda.graphs] == ([] if fails else [3])


@pytest.mark.parametrize("when", ["before", "recording"])
def test_a_step_that_cannot_be_recorded_runs_as_it_is_and_says_why(
    cuda: PretendCuda,
    tokenizer: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    when: str,
) -> None:
    monkeypatch.setattr("backtrail_worker.decode.notice._said", set())
    arrays, draw, here = bins(prefixes(12), [2] * 12, 12), Sampler.draw, torch.cuda.current_stream()
    expected = tokens(run(Driver("cpu"), spec(tokenizer), arrays, slots=8))

    def waiting(self: Sampler, logits_RV: torch.Tensor, uniforms_R: torch.Tensor) -> torch.Tensor:
        if when == "recording":
            float(logits_RV.sum())
        elif cuda.stream is not here:
            raise RuntimeError("this library does not run on a stream of its own")
        return draw(self, logits_RV, uniforms_R)

    monkeypatch.setattr(Sampler, "draw", waiting)
    assert tokens(run(Driver("cuda:0"), spec(tokenizer), arrays, slots=8)) == expected
    assert torch.cuda.current_stream() is here
    assert cuda.graphs == []
    said = capfd.readouterr().err
    assert said.count("CUDA graphs cannot be used") == 1
    reason = "not permitted when stream is capturing" if when == "recording" else "of its own"
    assert said.count(reason) == 1


# ---- what test_cuda.py asks


@pytest.fixture
def device(cuda: PretendCuda, monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.setattr(on_gpu, "DEVICE", "cuda:0")
    monkeypatch.setattr(on_gpu, "ON_GPU", True)
    return Driver("cuda:0")


@pytest.mark.parametrize("config", [NEOX, GPT2], ids=["neox", "gpt2"])
def test_the_generic_engine(device: Driver, tokenizer: Path, config: dict[str, Any]) -> None:
    on_gpu.test_greedy_tokens_in_fp32_are_those_of_the_cpu(device, tokenizer, config)


def test_one_training_step_after_another(device: Driver, tokenizer: Path) -> None:
    on_gpu.test_training_in_fp32_goes_as_on_the_cpu(device, tokenizer)


@pytest.mark.parametrize(
    "asked",
    [
        on_gpu.test_one_seed_is_the_cpus_initialisation_bit_for_bit,
        on_gpu.test_memory_that_runs_out_is_told_as_such_and_a_new_session_trains,
        on_gpu.test_logits_that_are_no_numbers_are_refused_and_the_device_lives_on,
        on_gpu.test_recorded_steps_draw_what_single_kernels_draw,
        on_gpu.test_a_saved_session_goes_on_and_decodes_the_same,
        on_gpu.test_scores_named_tokens_and_hidden_states_are_those_of_the_cpu,
    ],
)
def test_what_is_asked_of_a_gpu(request: pytest.FixtureRequest, device: Driver, asked: Any) -> None:
    names = asked.__code__.co_varnames[: asked.__code__.co_argcount]
    asked(*(request.getfixturevalue(name) for name in names))


def test_a_score_waits_for_its_results_alone(cuda: PretendCuda, tokenizer: Path) -> None:
    sequences = prefixes(9)
    arrays = bins(sequences, [1] * 9)
    params = {"model": spec(tokenizer), "named": [3], "hidden": [0, 1]}
    driver = Driver("cuda:0")
    wanted = {name: arrays[name] for name in ("tokens", "lengths")}
    driver.free("score", params, wanted)
    del cuda.waits[:]
    driver.free("score", params, wanted)
    # Transformers looks for packed sequences; then log-probabilities, those of named tokens, hidden states.
    assert cuda.waits == ["aten._local_scalar_dense.default", *["aten._to_copy.default to the host"] * 3]
