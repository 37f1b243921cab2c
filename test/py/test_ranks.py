# Two ranks on the CPU, driven over a real socket as the coordinator does it: losses, norms, weights and
# checkpoints are those of one process; a failure on one rank is everybody's.
from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.protocol import Arrays, pack_bins, unpack_bins
from backtrail_worker.ranks import group as group_module
from backtrail_worker.ranks.group import LOST_MEMORY, LOST_PEER, LOST_STEP, Group
from backtrail_worker.ranks.reduced import Reduced, deal
from safetensors.numpy import load_file

from conftest import ROOT, Driver, rows, spec, sums, write_shard, write_tokenizer
from test_process import Coordinator, generate_params

NO_DEEPSPEED = "DeepSpeed or a C++ compiler is not installed (README: DeepSpeed): ZeRO is not tested here"
HAS_DEEPSPEED = importlib.util.find_spec("deepspeed") and shutil.which(os.environ.get("CXX", "c++"))
needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="peft is not installed: pip install 'peft>=0.17'"
)
# DeepSpeed compiles an operation when it is first used on a CPU: one to three minutes, once on a machine.
FIRST_START_S = 300.0
SIDES = ["plain", *(f"zero-{stage}" for stage in (1, 2, 3))]


def deepspeed_settings(side: str) -> dict[str, Any]:
    """The file of configs/deepspeed that users are told of."""
    file = ROOT / "configs" / "deepspeed" / f"{side.replace('-', '')}.json"
    settings: dict[str, Any] = json.loads(file.read_text())
    if side == "zero-3":
        # Tensors below it stay whole on every rank, and ours are all small.
        settings["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    return settings


class Ranks(Coordinator):
    """The coordinator of a worker of two ranks, and one session's calls."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.others: list[subprocess.Popen[bytes]] = []
        self.session, self.seq, self.jobs = "s", 0, 0
        super().__init__()
        self.greet()

    def start_line(self, **changes: Any) -> dict[str, Any]:
        group: dict[str, Any] = {"rank": 0, "ranks": 2, "rendezvous": f"{self.folder}/rendezvous"}
        if self.side.startswith("zero"):
            group["deepspeed"] = deepspeed_settings(self.side)
        return super().start_line() | {"group": group | changes}

    def spawn(self, **changes: Any) -> subprocess.Popen[bytes]:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        self.others.append(super().spawn(rank=1))
        return super().spawn()

    def receive(self, *kinds: str, deadline: float = FIRST_START_S) -> tuple[dict[str, Any], list[bytes]]:
        return super().receive(*kinds, deadline=deadline)

    def call(self, primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> dict[str, Any]:
        """One session call and its result."""
        name = self.send_call(primitive, params, arrays)
        return self.answer(name)[0]

    def send_call(self, primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> str:
        self.seq += 1
        self.jobs += 1
        name = f"j{self.jobs}"
        bins, frames = pack_bins(arrays or {})
        self.send(
            "job",
            frames,
            id=name,
            attempt=1,
            primitive=primitive,
            params=params,
            bins=bins,
            session={"id": self.session, "seq": self.seq},
        )
        return name

    def generated(self, name: str) -> tuple[dict[int, tuple[str, list[int], int]], dict[str, Any]]:
        """The completions of a generate call, and its result."""
        chunks: list[tuple[list[str], Arrays]] = []
        while True:
            message, frames = self.receive("chunk", "result", "error")
            if message["kind"] != "chunk":
                assert message["kind"] == "result", message
                self.send("ack", id=name, attempt=1)
                return completions(chunks), message["result"]
            bins = [tuple(item) for item in message["bins"]]
            chunks.append((message["texts"], unpack_bins(bins, frames)))
            self.send("ack", id=name, attempt=1, seq=message["seq"])

    def open(self, session: str, tokenizer: Path, shard: dict[str, str], **more: Any) -> dict[str, Any]:
        self.session, self.seq = session, 0
        return prepare(self.call, tokenizer, shard, **more)

    def close(self) -> None:
        for other in self.others:
            other.kill()
            other.wait()
        super().close()


def prepare(
    call: Any, tokenizer: Path, shard: dict[str, str], dtype: str = "float32", **more: Any
) -> dict[str, Any]:
    """A model and a dataset; the model's info."""
    loaded: dict[str, Any] = call("load_model", {"model": spec(tokenizer, dtype=dtype)} | more)
    call("load_dataset", {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"})
    return loaded["info"]


def inline(seed: int, lengths: list[int]) -> Arrays:
    """Random sequences of which the second half is trained, with weights of both signs."""
    random = np.random.default_rng(seed)
    weights = [
        np.where(np.arange(length) >= length // 2, random.normal(size=length), 0) for length in lengths
    ]
    return {
        "tokens": random.integers(0, 20, sum(lengths)).astype(np.int32),
        "lengths": np.array(lengths, dtype=np.int32),
        "tokenWeights": np.concatenate(weights).astype(np.float32) / sum(lengths),
    }


def decoding(counts: list[int]) -> Arrays:
    """Prefixes of different lengths with so many completions each."""
    total = sum(counts)
    return {
        "tokens": np.arange(sum(range(2, 2 + len(counts))), dtype=np.int32) % 17 + 3,
        "lengths": np.arange(2, 2 + len(counts), dtype=np.int32),
        "counts": np.array(counts, dtype=np.int32),
        "seeds": np.arange(2 * total, dtype=np.uint32).reshape(total, 2),
        "budgets": np.full(total, 12, dtype=np.int32),
    }


def completions(chunks: list[tuple[list[str], Arrays]]) -> dict[int, tuple[str, list[int], int]]:
    """Text, tokens and finish of each completion; none comes twice."""
    found: dict[int, tuple[str, list[int], int]] = {}
    for texts, arrays in chunks:
        parts = np.split(arrays["tokens"], np.cumsum(arrays["lengths"])[:-1])
        for at, index in enumerate(arrays["completion"].tolist()):
            assert index not in found
            found[index] = (texts[at], parts[at].tolist(), int(arrays["finish"][at]))
    return found


# Micro-batches of the steps: more rows than ranks, an odd number, fewer rows than ranks, packed ones, and one
# whose message is larger than a frame (wire.py).
STEPS: list[list[tuple[dict[str, Any], Arrays]]] = [
    [({"dataset": "d"}, rows([0, 1, 2, 3, 4], 0.02)), ({"dataset": "d"}, rows([5], 0.02))],
    [({}, inline(1, [5, 33, 12])), ({"packed": True}, inline(2, [9, 8, 30, 4, 7]))],
    [({"dataset": "d", "packed": True}, rows([6, 1], 0.05))],
    [({}, inline(3, [40 + i % 20 for i in range(60)]))],
]


def train(call: Any, begin: int, end: int) -> list[list[float]]:
    """Steps begin..end-1; loss, nll, tokens, trained tokens of each micro-batch, and the gradient norms."""
    figures = []
    for step in range(begin, end):
        for params, arrays in STEPS[step]:
            found = call("forward_backward", {"loss": "cross_entropy"} | params, arrays)
            figures.append([found[key] for key in ("loss", "nll", "tokens", "trainedTokens")])
        changes = {"weightDecay": 0.1, "clipNorm": 0.05 if step % 2 else 0.0}
        # A small epsilon would blow up the rounding of gradients near zero.
        update = {"step": step + 1, "learningRate": 0.002, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-4}
        figures.append([call("optim_step", update | changes)["gradientNorm"]])
    return figures


def weights(directory: Path) -> dict[str, Any]:
    return dict(load_file(directory / "model.safetensors"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("ranks")
    return write_tokenizer(folder / "tokenizer"), write_shard(folder / "a.jsonl", sums(8))


@pytest.fixture(scope="module")
def alone(
    data: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[list[float]], Path]:
    """The figures of one process and its checkpoint after the last step."""
    driver = Driver()

    def call(primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> dict[str, Any]:
        return driver.call(primitive, params, arrays).result

    prepare(call, *data)
    figures = train(call, 0, len(STEPS))
    place = tmp_path_factory.mktemp("alone") / "checkpoint"
    call("save", {"path": str(place), "resume": True})
    return figures, place


@pytest.fixture(scope="module", params=SIDES)
def ranks(request: pytest.FixtureRequest) -> Iterator[Ranks]:
    if request.param != "plain" and not HAS_DEEPSPEED:
        pytest.skip(NO_DEEPSPEED)
    one = Ranks(request.param)
    yield one
    one.close()


def close(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(one) for one in found] == [len(one) for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_training_on_two_ranks_is_training_on_one(
    ranks: Ranks, data: tuple[Path, dict[str, str]], alone: tuple[list[list[float]], Path], tmp_path: Path
) -> None:
    figures, reference = alone
    info = ranks.open("whole", *data)
    assert (info["ranks"], info["sharding"]) == (2, "none" if ranks.side == "plain" else ranks.side)
    assert info["parameters"] == sum(value.size for value in weights(reference).values())
    halfway, final = tmp_path / "halfway", tmp_path / "final"
    first = train(ranks.call, 0, 2)
    assert ranks.call("save", {"path": str(halfway), "resume": True})["bytes"] > 0
    found = first + train(ranks.call, 2, len(STEPS))
    ranks.call("save", {"path": str(final), "resume": True})
    close(found, figures)
    assert {path.name for path in final.iterdir()} == {path.name for path in reference.iterdir()}
    assert json.loads((final / "trainer.json").read_text())["step"] == len(STEPS)
    for name, value in weights(reference).items():
        np.testing.assert_allclose(weights(final)[name], value, atol=1e-5, err_msg=name)
    for name, value in load_file(reference / "optimizer.safetensors").items():
        np.testing.assert_allclose(
            load_file(final / "optimizer.safetensors")[name], value, rtol=1e-3, atol=1e-6, err_msg=name
        )

    # N steps = k steps, then N - k from the checkpoint: to the bit on ranks, and one process can go on too.
    ranks.open("resumed", *data)
    assert ranks.call("restore", {"path": str(halfway)})["step"] == 2
    assert train(ranks.call, 2, len(STEPS)) == found[len(first) :]
    again = tmp_path / "again"
    ranks.call("save", {"path": str(again), "resume": False})
    assert all((weights(again)[name] == value).all() for name, value in weights(final).items())
    ranks.call("unload", {})
    driver = Driver()
    prepare(lambda *call: driver.call(*call).result, *data)
    driver.call("restore", {"path": str(halfway)})
    close(train(lambda *call: driver.call(*call).result, 2, len(STEPS)), found[len(first) :])


@needs_peft
def test_lora_on_two_ranks_is_lora_on_one(
    ranks: Ranks, data: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    lora = {"rank": 2, "alpha": 4.0}
    driver = Driver()

    def call(primitive: str, params: dict[str, Any], arrays: Arrays | None = None) -> dict[str, Any]:
        return driver.call(primitive, params, arrays).result

    def saved(by: Any, name: str) -> Path:
        by("save", {"path": str(tmp_path / name), "resume": True})
        return tmp_path / name

    prepare(call, *data, lora=lora)
    begin = saved(call, "begin")
    expected = train(call, 0, len(STEPS))
    reference = saved(call, "alone")

    ranks.open("adapted", *data, lora=lora)
    found = train(ranks.call, 0, 2)
    half = len(found)
    halfway = saved(ranks.call, "halfway")
    found += train(ranks.call, 2, len(STEPS))
    final = saved(ranks.call, "final")
    close(found, expected)
    for file in ("model.safetensors", "adapter.safetensors"):
        ours, theirs = load_file(final / file), load_file(reference / file)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, atol=1e-5, err_msg=name)
    moved = {name for name, value in weights(begin).items() if (weights(final)[name] != value).any()}
    assert {name.split(".")[-2] for name in moved} >= {"embed_tokens", "q_proj", "down_proj"}

    ranks.open("resumed", *data, lora=lora)
    assert ranks.call("restore", {"path": str(halfway)})["step"] == 2
    assert train(ranks.call, 2, len(STEPS)) == found[half:]


def test_bfloat16_on_two_ranks_is_bfloat16_on_one(ranks: Ranks, data: tuple[Path, dict[str, str]]) -> None:
    driver = Driver()
    prepare(lambda *call: driver.call(*call).result, *data, "bfloat16")
    expected = train(lambda *call: driver.call(*call).result, 0, len(STEPS))
    assert ranks.open("low", *data, dtype="bfloat16")["dtype"] == "bfloat16"
    # Other rows beside one another round otherwise, by 2^-8 an element.
    for one, other in zip(train(ranks.call, 0, len(STEPS)), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-3)


def test_a_generate_call_is_shared_out_and_its_tokens_are_those_of_one_process(
    ranks: Ranks, data: tuple[Path, dict[str, str]]
) -> None:
    model, arrays = spec(data[0]), decoding([3, 1, 2, 5, 4])
    driver = Driver()
    alone = driver.free("generate", generate_params(model, stops=["Goal!"]), arrays)
    expected = completions(driver.context.chunks)
    # One prefix too: a rank then has none.
    for some in (decoding([3]), arrays):
        ranks.job("g", "generate", generate_params(model, stops=["Goal!"]), some)
        found, result = ranks.generated("g")
        assert found == {index: expected[index] for index in range(int(some["counts"].sum()))}
    assert result == alone.result

    # What cannot be read is refused by all, and the group lives on.
    ranks.job("bad", "generate", generate_params(model), arrays | {"counts": arrays["counts"][:1]})
    assert ranks.error("bad")["code"] == "bad-request"
    ranks.job("g", "generate", generate_params(model, stops=["Goal!"]), arrays)
    assert ranks.generated("g")[0] == expected


def test_a_failure_on_one_rank_breaks_the_session_on_all_and_spares_the_group(
    ranks: Ranks, data: tuple[Path, dict[str, str]], alone: tuple[list[list[float]], Path]
) -> None:
    ranks.open("bad", *data)
    infinite = inline(1, [9, 4])
    infinite["tokenWeights"][-1] = np.inf  # of the shorter one, which is rank 1's
    name = ranks.send_call("forward_backward", {"loss": "cross_entropy"}, infinite)
    error = ranks.error(name)
    assert error["code"] == "non-finite"
    assert error["message"].startswith("rank 1 of 2: the loss of step 1 is")
    error = ranks.error(ranks.send_call("forward_backward", {"loss": "cross_entropy"}, inline(1, [9, 4])))
    assert (error["code"], "cannot go on" in error["message"]) == ("session", True)

    # A call out of contract never runs, on no rank.
    ranks.open("worse", *data)
    assert ranks.error(ranks.send_call("forward_backward", {"loss": "none"}))["code"] == "bad-request"
    error = ranks.error(ranks.send_call("save", {"path": "/nowhere", "resume": False}))
    assert "never ran" in error["message"]

    ranks.open("good", *data)
    close(train(ranks.call, 0, 1), alone[0][:3])


def test_a_sequence_that_one_rank_refuses_is_refused_by_all(
    ranks: Ranks, data: tuple[Path, dict[str, str]]
) -> None:
    ranks.open("long", *data)
    name = ranks.send_call("forward_backward", {"loss": "cross_entropy"}, inline(1, [70, 5]))
    if ranks.side != "zero-3":
        error = ranks.error(name)
        assert (error["code"], "70 tokens, the model's context is 64" in error["message"]) == (
            "bad-request",
            True,
        )
        assert ranks.open("after", *data)["ranks"] == 2
        return
    # Under ZeRO-3 the other rank is waiting for this one's parameters and cannot be told: the group ends.
    assert ranks.process.wait(30) == LOST_STEP
    assert "rank 0 of 2: the group cannot go on: a sequence has 70 tokens" in ranks.stderr()


def test_nothing_is_pickled_between_ranks_nor_on_disk() -> None:
    pickling = {"save", "load", "broadcast_object_list", "all_gather_object", "gather_object"}
    pickling |= {"scatter_object_list", "send_object_list", "recv_object_list", "save_checkpoint"}
    for file in (ROOT / "py" / "backtrail_worker").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {(a, b) for a in ("torch", "dist") for b in pickling}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), LOST_MEMORY),
        (RuntimeError("CUDA error: out of memory"), LOST_MEMORY),
        (RuntimeError("Connection closed by peer"), LOST_PEER),
        (AssertionError("ranks are out of step"), LOST_STEP),
    ],
)
def test_what_ends_a_rank_is_told_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    group = Group.__new__(Group)
    group.rank, group.ranks = 1, 2
    waited: list[float] = []
    monkeypatch.setattr(group_module.time, "sleep", waited.append)
    monkeypatch.setattr(group_module.os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        group.broken(error)
    assert ended.value.code == code
    # Who lost a peer leaves the first word to it.
    assert bool(waited) == (code == LOST_PEER)
    launcher = (ROOT / "src" / "worker" / "launcher.ts").read_text()
    assert f"outOfMemoryCode = {LOST_MEMORY};" in launcher


@pytest.mark.parametrize("rank", [0, 1])
def test_rank_0_alone_writes_checkpoints(
    data: tuple[Path, dict[str, str]], tmp_path: Path, rank: int
) -> None:
    """Two processes that rename one directory would tear it at some time, which no run shows for sure."""
    group = Group.__new__(Group)
    group.rank, group.ranks = rank, 2
    driver = Driver()
    driver.side._make_updates = partial(Reduced, group)
    driver.call("load_model", {"model": spec(data[0])})
    size = driver.call("save", {"path": str(tmp_path / "c"), "resume": True}).result["bytes"]
    assert ((tmp_path / "c").exists(), size > 0) == (rank == 0, rank == 0)


def test_rows_are_dealt_evenly_each_to_one_rank() -> None:
    lengths = [3, 9, 4, 9, 1, 7, 2]
    dealt = [deal(lengths, rank, 3) for rank in range(3)]
    assert sorted(index for part in dealt for index in part) == list(range(7))
    assert [sorted((lengths[i] for i in part), reverse=True) for part in dealt] == [[9, 4, 1], [9, 3], [7, 2]]
    assert [deal([5], rank, 3) for rank in range(3)] == [[0], [], []]


def test_without_deepspeed_the_log_says_so_once_and_gradients_are_summed(
    data: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deepspeed.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one = Ranks("zero-2")
    try:
        assert one.open("s", *data)["sharding"] == "none"
        assert one.stderr().count("DeepSpeed cannot be imported") == 1
    finally:
        one.close()


def test_a_group_of_more_ranks_than_gpus_is_refused_with_the_numbers(tmp_path: Path) -> None:
    line = {
        "endpoint": "ipc:///nowhere",
        "worker": "w1",
        "token": "t",
        "coordinatorPid": os.getpid(),
        "threads": 1,
        "device": "cuda",
        "mock": {},
        "group": {"rank": 1, "ranks": 99, "rendezvous": str(tmp_path / "r")},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "backtrail_worker"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT / "py")},
        text=True,
    )
    assert process.stdin
    assert process.stderr
    # stdin stays open: its end would end the rank first.
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()
    assert process.wait(timeout=60) == 2
    assert "99 ranks need as many GPUs, PyTorch sees" in process.stderr.read()
    process.stdin.close()
    process.stderr.close()
