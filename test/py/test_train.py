# Sessions on tiny models: gradients, optimizer, save and restore, dtypes, order of calls.
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.protocol import Arrays, RequestError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import (
    GPT2,
    LLAMA,
    NEOX,
    PIECES,
    SPECIAL,
    Driver,
    path_spec,
    rows,
    spec,
    sums,
    write_shard,
    write_tokenizer,
)


def open_session(
    driver: Driver,
    tokenizer: Path,
    model: dict[str, Any] | None = None,
    session: str = "s",
    **more: Any,
) -> None:
    driver.call("load_model", {"model": model or spec(tokenizer)} | more, session=session)
    shard = write_shard(tokenizer / "sums.jsonl", sums(12))
    driver.call(
        "load_dataset",
        {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"},
        session=session,
    )


def trainer(driver: Driver, session: str = "s") -> Any:
    return driver.side._sessions.state(session)


def gradients(driver: Driver, session: str = "s") -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in trainer(driver, session).loaded.model.named_parameters()}


def forward(driver: Driver, arrays: Arrays, session: str = "s", dataset: str | None = "d") -> dict[str, Any]:
    params = {"loss": "cross_entropy"} | ({"dataset": dataset} if dataset else {})
    return driver.call("forward_backward", params, arrays, session).result


def inline(driver: Driver, row_weights: list[tuple[int, float]]) -> Arrays:
    """The bins that say inline what `rows` says by row."""
    data = trainer(driver).datasets["d"]
    parts = [
        (
            data.tokens[data.starts[r] : data.starts[r + 1]],
            data.mask[data.starts[r] : data.starts[r + 1]] * w,
        )
        for r, w in row_weights
    ]
    return {
        "tokens": np.concatenate([tokens for tokens, _ in parts]).astype(np.int32),
        "lengths": np.array([len(tokens) for tokens, _ in parts], dtype=np.int32),
        "tokenWeights": np.concatenate([weights for _, weights in parts]).astype(np.float32),
    }


@pytest.mark.parametrize("config", [LLAMA, GPT2, NEOX], ids=["llama", "gpt2", "neox"])
def test_loss_and_gradients_are_those_of_the_plain_model(
    driver: Driver, tokenizer: Path, config: dict[str, Any]
) -> None:
    open_session(
        driver,
        tokenizer,
        spec(
            tokenizer,
            config | ({"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0} if config is GPT2 else {}),
        ),
    )
    data, model = trainer(driver).datasets["d"], trainer(driver).loaded.model
    picked, weights = [3, 11, 5], [0.5, 0.25, 2.0]
    result = forward(
        driver,
        {
            "rows": np.array(picked, dtype=np.int32),
            "weights": np.array(weights, dtype=np.float32),
        },
    )
    ours = gradients(driver)
    model.zero_grad()
    total, nll, count = torch.zeros(()), 0.0, 0
    for row, weight in zip(picked, weights, strict=True):
        tokens = torch.from_numpy(data.tokens[data.starts[row] : data.starts[row + 1]].astype(np.int64))
        mask = torch.from_numpy(data.mask[data.starts[row] : data.starts[row + 1]].astype(bool))
        logprobs = torch.log_softmax(model(tokens.unsqueeze(0)).logits[0].float(), -1)
        each = -logprobs[:-1].gather(1, tokens[1:].unsqueeze(1)).squeeze(1)[mask[1:]]
        total = total + weight * each.sum()
        nll += float(each.detach().sum())
        count += len(each)
    total.backward()
    assert result["loss"] == pytest.approx(float(total.detach()), rel=1e-5)
    assert result["nll"] == pytest.approx(nll, rel=1e-5)
    assert result["trainedTokens"] == count
    assert result["tokens"] == int(data.lengths[picked].sum())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_gradients_do_not_depend_on_micro_batches_nor_on_the_way_rows_are_named(
    driver: Driver, tokenizer: Path
) -> None:
    open_session(driver, tokenizer)
    forward(driver, rows([0, 3, 7, 11]))
    whole = gradients(driver)
    trainer(driver).loaded.model.zero_grad()
    for part in ([11, 0], [3], [7]):
        forward(driver, rows(part))
    apart = gradients(driver)
    trainer(driver).loaded.model.zero_grad()
    result = forward(
        driver,
        inline(driver, [(0, 0.125), (3, 0.125), (7, 0.125), (11, 0.125)]),
        dataset=None,
    )
    assert result["trainedTokens"] == int(trainer(driver).datasets["d"].trained[[0, 3, 7, 11]].sum())
    for name, gradient in gradients(driver).items():
        torch.testing.assert_close(whole[name], apart[name], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(whole[name], gradient, rtol=1e-4, atol=1e-6)


def test_an_optimizer_step_is_torch_adamw_after_clipping(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    model = trainer(driver).loaded.model
    forward(driver, rows([1, 2]))
    reference = [p.detach().clone().requires_grad_() for p in model.parameters()]
    for ours, theirs in zip(model.parameters(), reference, strict=True):
        theirs.grad = ours.grad.clone()
    norm = torch.nn.utils.clip_grad_norm_(reference, 0.5)
    torch.optim.AdamW(reference, lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1).step()
    params = {
        "step": 1,
        "learningRate": 0.01,
        "beta1": 0.8,
        "beta2": 0.9,
        "epsilon": 1e-6,
    }
    result = driver.call("optim_step", params | {"weightDecay": 0.1, "clipNorm": 0.5}).result
    assert result == {"step": 1, "gradientNorm": pytest.approx(float(norm), rel=1e-5)}
    for ours, theirs in zip(model.parameters(), reference, strict=True):
        torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=1e-5, atol=1e-7)
        assert ours.grad is None or not ours.grad.any()


def test_training_learns(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    losses = [driver.train_step(step, [rows(list(range(12)), 1 / 100)])[0]["loss"] for step in range(1, 41)]
    assert losses[-1] < 0.3 * losses[0]


def test_one_seed_is_one_initialisation(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer, session="a")
    torch.rand(5)
    open_session(driver, tokenizer, session="b")
    other = spec(tokenizer)
    other["source"] = other["source"] | {"seed": 8}
    open_session(driver, tokenizer, other, session="c")
    first, second, third = ([*trainer(driver, name).loaded.model.parameters()] for name in "abc")
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2-with-dropout"])
def test_a_restored_session_goes_on_bit_for_bit(
    driver: Driver, tokenizer: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    open_session(driver, tokenizer, spec(tokenizer, config))
    checkpoint = tmp_path / "deep" / "checkpoint"
    batches = [[rows([step % 12, (step * 5) % 12]), rows([(step * 7) % 12])] for step in range(12)]
    for step in range(1, 5):
        driver.train_step(step, batches[step])
    saved = driver.call("save", {"path": str(checkpoint), "resume": True}).result
    assert saved["bytes"] == sum(file.stat().st_size for file in checkpoint.iterdir())
    undisturbed = [driver.train_step(step, batches[step]) for step in range(5, 9)]

    other = Driver()
    torch.manual_seed(99)
    open_session(other, tokenizer, spec(tokenizer, config))
    assert other.call("restore", {"path": str(checkpoint)}).result == {"step": 4}
    replayed = [other.train_step(step, batches[step]) for step in range(5, 9)]
    assert replayed == undisturbed
    for ours, theirs in zip(
        trainer(driver).loaded.model.parameters(),
        trainer(other).loaded.model.parameters(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert not list(checkpoint.parent.glob("*.partial*"))


def test_restore_drops_gradients_and_may_rewind_the_same_session(
    driver: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    open_session(driver, tokenizer)
    driver.call("save", {"path": str(tmp_path / "zero"), "resume": True})
    first = driver.train_step(1, [rows([0, 1])])
    forward(driver, rows([5]))
    with pytest.raises(RequestError, match="lose gradients"):
        driver.call("save", {"path": str(tmp_path / "x"), "resume": True})
    assert driver.call("restore", {"path": str(tmp_path / "zero")}).result == {"step": 0}
    assert driver.train_step(1, [rows([0, 1])]) == first


def test_a_checkpoint_loads_without_us_and_keeps_the_added_token(
    driver: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    open_session(driver, tokenizer)
    driver.train_step(1, [rows([0])])
    place = tmp_path / "checkpoint"
    driver.call("save", {"path": str(place), "resume": False})
    driver.call("save", {"path": str(place), "resume": False})
    assert not (place / "optimizer.safetensors").exists()
    model, theirs = (
        AutoModelForCausalLM.from_pretrained(place),
        AutoTokenizer.from_pretrained(place),
    )
    expected = trainer(driver).loaded.model
    tokens = theirs("Q:1,4R:\n1+4=5\n<backtrack>")["input_ids"]
    (ours,) = expected_tokens(driver, tokenizer, ["Q:1,4R:\n1+4=5\n<backtrack>"])
    assert tokens == ours
    assert tokens[-1] == len(SPECIAL + PIECES)
    assert (theirs.eos_token, theirs.pad_token) == ("<eos>", "<pad>")
    assert model.config.eos_token_id == SPECIAL.index("<eos>")
    assert model.dtype == torch.float32
    ids = torch.tensor([tokens])
    torch.testing.assert_close(model(ids).logits, expected.eval()(ids).logits)
    # And by us, with the token asked for again: the same row.
    info = driver.call("load_model", {"model": path_spec(place)}, session="again").result["info"]
    assert info["addedTokens"] == {"<backtrack>": tokens[-1]}
    assert info["vocabulary"] == len(SPECIAL + PIECES) + 1
    assert (info["modelType"], info["context"], info["endToken"], info["padToken"]) == (
        "llama",
        64,
        1,
        0,
    )


def test_a_checkpoint_takes_away_what_a_killed_worker_left_of_it(
    driver: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    open_session(driver, tokenizer)
    for name in ("c[1].partial-1", "c[1].replaced-2", "c1.partial-1", "other.partial-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("half")
    driver.call("save", {"path": str(tmp_path / "c[1]"), "resume": False})
    left = {path.name for path in tmp_path.iterdir()} - {"tokenizer"}
    assert left == {"c[1]", "c1.partial-1", "other.partial-1"}


def expected_tokens(driver: Driver, tokenizer: Path, texts: list[str]) -> list[list[int]]:
    answer = driver.free("tokenize", {"model": spec(tokenizer), "texts": texts})
    lengths = np.cumsum(answer.arrays["lengths"])[:-1]
    return [part.tolist() for part in np.split(answer.arrays["tokens"], lengths)]


def base_checkpoint(
    driver: Driver,
    tokenizer: Path,
    place: Path,
    dtype: torch.dtype = torch.float32,
    config: dict[str, Any] = LLAMA,
) -> Path:
    """A checkpoint without the added token, in a dtype, as one from the Hub."""
    driver.call("load_model", {"model": spec(tokenizer, config, addTokens=[])}, session="base")
    driver.call("save", {"path": str(place), "resume": False}, session="base")
    if dtype != torch.float32:
        AutoModelForCausalLM.from_pretrained(place, dtype=dtype).save_pretrained(place)
    return place


@pytest.mark.parametrize(
    "config", [LLAMA, LLAMA | {"tie_word_embeddings": False}, NEOX], ids=["tied", "untied", "neox"]
)
def test_a_new_row_is_the_mean_of_the_rows_and_the_others_stay(
    driver: Driver, tokenizer: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    place = base_checkpoint(driver, tokenizer, tmp_path / "base", config=config)
    info = driver.call("load_model", {"model": path_spec(place)}).result["info"]
    before = AutoModelForCausalLM.from_pretrained(place)
    after = trainer(driver).loaded.model
    for of in ("get_input_embeddings", "get_output_embeddings"):
        old, new = (getattr(model, of)().weight for model in (before, after))
        assert info["vocabulary"] == len(old) + 1
        assert torch.equal(new[:-1], old)
        torch.testing.assert_close(new[-1], old.mean(0))


def test_a_reserved_token_gives_its_row_and_the_name_survives(
    driver: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    place = base_checkpoint(driver, tokenizer, tmp_path / "base")
    settings = json.loads((place / "tokenizer_config.json").read_text())
    settings["additional_special_tokens"] = ["<reserved>"]
    (place / "tokenizer_config.json").write_text(json.dumps(settings))
    model = path_spec(place, reservedTokens={"<backtrack>": "<reserved>"})
    info = driver.call("load_model", {"model": model}).result["info"]
    row = [*SPECIAL, *PIECES].index("<reserved>")
    assert info["addedTokens"] == {"<backtrack>": row}
    assert info["vocabulary"] == len(SPECIAL + PIECES)
    driver.call("save", {"path": str(tmp_path / "out"), "resume": False})
    theirs = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert theirs("1<backtrack>2")["input_ids"][1] == row
    assert len(theirs) == info["vocabulary"], "the old name must not come back as a token without a row"
    # The same spec on the saved checkpoint finds the token that is there.
    again = path_spec(tmp_path / "out", reservedTokens={"<backtrack>": "<reserved>"})
    assert driver.call("load_model", {"model": again}, session="b").result["info"]["addedTokens"] == {
        "<backtrack>": row
    }
    with pytest.raises(WorkerFault, match="<nothing>") as caught:
        driver.call(
            "load_model",
            {"model": path_spec(place, reservedTokens={"<x>": "<nothing>"})},
            session="c",
        )
    assert caught.value.code == "tokenizer"


def test_bfloat16_computes_in_bf16_over_fp32_masters(driver: Driver, tokenizer: Path, tmp_path: Path) -> None:
    place = base_checkpoint(driver, tokenizer, tmp_path / "base", torch.bfloat16)
    open_session(driver, tokenizer, path_spec(place, dtype="bfloat16"))
    open_session(driver, tokenizer, path_spec(place), session="exact")
    low, exact = (driver.train_step(1, [rows([0, 1, 2])], session=name) for name in ("s", "exact"))
    assert low[0]["loss"] != exact[0]["loss"]
    assert low[0]["loss"] == pytest.approx(exact[0]["loss"], rel=0.05)
    assert {p.dtype for p in trainer(driver).loaded.model.parameters()} == {torch.float32}
    assert {m.dtype for pair in trainer(driver).updates.moments().values() for m in pair} == {torch.float32}
    free = path_spec(place, dtype="bfloat16", version="free")
    driver.free(
        "score",
        {"model": free, "named": []},
        {
            "tokens": np.array([3, 4], dtype=np.int32),
            "lengths": np.array([2], dtype=np.int32),
        },
    )
    assert {p.dtype for p in driver.side._models["free"].model.parameters()} == {torch.bfloat16}


def test_calls_out_of_order_are_refused_and_change_nothing(driver: Driver, tokenizer: Path) -> None:
    def refused(primitive: str, params: dict[str, Any], seq: int, code: str = "session") -> str:
        with pytest.raises(WorkerFault) as caught:
            driver.call(primitive, params, session="s", seq=seq)
        assert caught.value.code == code
        return str(caught.value)

    assert "load_model must be" in refused("unload", {}, 1)
    assert "load_model must be" in refused("load_model", {"model": spec(tokenizer)}, 2, "session-gap")
    open_session(driver, tokenizer)
    assert "call 5 came, call 3" in refused("unload", {}, 5, "session-gap")
    assert "call 2 came, call 3" in refused("unload", {}, 2)
    driver.train_step(1, [rows([0])])
    driver.call("unload", {})
    assert "unknown session" in refused("unload", {}, 6, "session-gap")
    assert driver.free("info", {}).result["sessions"] == []


def test_a_failed_update_ends_the_session(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    with pytest.raises(RequestError, match="rows run from"):
        forward(driver, rows([99]))
    # The step that was sent behind it must not run on half the gradients.
    with pytest.raises(WorkerFault, match=r"cannot go on.*rows run from") as caught:
        driver.train_step(1, [])
    assert caught.value.code == "session"
    driver.call("unload", {})


def test_a_failed_load_of_data_does_not_end_the_session(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    shard = {"path": str(tokenizer / "sums.jsonl"), "sha256": "0" * 64}
    with pytest.raises(WorkerFault, match="was changed"):
        driver.call(
            "load_dataset",
            {"dataset": "e", "shards": [shard], "maxTokens": 9, "overlong": "drop"},
        )
    driver.train_step(1, [rows([0])])


def test_a_step_twice_or_skipped_is_refused(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    driver.train_step(1, [rows([0])])
    with pytest.raises(RequestError, match="optim_step 1 follows step 1; expected 2"):
        driver.train_step(1, [rows([0])])


def test_a_loss_that_is_no_number_is_an_error(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    with pytest.raises(WorkerFault, match="the loss of step 1 is") as caught:
        forward(driver, rows([0], math.inf))
    assert caught.value.code == "non-finite"


def test_a_gradient_norm_that_is_no_number_takes_no_step(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    forward(driver, rows([0]))
    parameters = list(trainer(driver).loaded.model.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    parameters[0].grad[0, 0] = math.nan
    with pytest.raises(WorkerFault, match="the gradient norm of step 1 is nan; no step was taken") as caught:
        driver.train_step(1, [])
    assert caught.value.code == "non-finite"
    assert all(torch.equal(one, other) for one, other in zip(before, parameters, strict=True))
    with pytest.raises(WorkerFault, match="cannot go on"):
        driver.train_step(1, [])


def bins(**arrays: tuple[list[Any], str]) -> Arrays:
    return {name: np.array(values, dtype=kind) for name, (values, kind) in arrays.items()}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (bins(rows=([0], "int32")), "bins must be"),
        (bins(rows=([0], "int32"), weights=([1], "uint8")), "must be float32"),
        (bins(rows=([0, 1], "int32"), weights=([1], "float32")), "as many"),
        (bins(tokens=([1], "int32"), lengths=([1], "int32"), tokenWeights=([1], "float32")), "first token"),
        (bins(tokens=([1, 2], "int32"), lengths=([3], "int32"), tokenWeights=([0, 1], "float32")), "add up"),
        (
            bins(tokens=([1, 99], "int32"), lengths=([2], "int32"), tokenWeights=([0, 1], "float32")),
            "vocabulary",
        ),
        (
            bins(
                tokens=([1] * 65, "int32"), lengths=([65], "int32"), tokenWeights=([0] * 64 + [1], "float32")
            ),
            "context",
        ),
    ],
)
def test_bins_out_of_contract_are_refused(
    driver: Driver, tokenizer: Path, arrays: Arrays, words: str
) -> None:
    open_session(driver, tokenizer)
    with pytest.raises(RequestError, match=words):
        forward(driver, arrays, dataset="d" if "rows" in arrays else None)


def fault(driver: Driver, model: dict[str, Any]) -> WorkerFault:
    with pytest.raises(WorkerFault) as caught:
        driver.free("tokenize", {"model": model, "texts": []})
    return caught.value


def test_models_that_are_not_there_or_not_causal(driver: Driver, tokenizer: Path, tmp_path: Path) -> None:
    assert "no checkpoint directory" in str(fault(driver, path_spec(tmp_path / "none")))
    assert fault(driver, path_spec(tokenizer)).code == "model-not-found"
    hub = spec(tokenizer, source={"kind": "hub", "id": "nobody/no-such-model"})
    error = fault(driver, hub)
    assert error.code == "model-not-found"
    assert "HF_HUB_OFFLINE" in str(error)
    assert "nobody/no-such-model" in str(error)
    base = base_checkpoint(driver, tokenizer, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(
        json.dumps({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]})
    )
    assert fault(driver, path_spec(base, version="t5")).code == "not-causal-lm"
    (base / "config.json").write_text(
        json.dumps(config | {"architectures": ["LlamaForSequenceClassification"]})
    )
    assert fault(driver, path_spec(base, version="cls")).code == "not-causal-lm"
    (base / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(WorkerFault, match="lack") as caught:
        driver.call("load_model", {"model": path_spec(base, version="more")}, session="more")
    assert caught.value.code == "not-causal-lm"
    (base / "config.json").write_text(json.dumps(config))
    (base / "tokenizer.json").write_text("{broken")
    assert fault(driver, path_spec(base, version="tok")).code == "tokenizer"
    (base / "tokenizer.json").unlink()
    assert "no tokenizer.json" in str(fault(driver, path_spec(base, version="none")))
    assert fault(driver, spec(tokenizer, {"model_type": "no-such"}, version="w")).code == "bad-request"


def test_weights_that_are_not_safetensors_are_refused(
    driver: Driver, tokenizer: Path, tmp_path: Path
) -> None:
    base = base_checkpoint(driver, tokenizer, tmp_path / "base")
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(WorkerFault) as caught:
        driver.call("load_model", {"model": path_spec(base)})
    assert caught.value.code == "model-not-found"


def test_a_restore_of_something_else_is_refused(driver: Driver, tokenizer: Path, tmp_path: Path) -> None:
    open_session(driver, tokenizer)
    driver.call("save", {"path": str(tmp_path / "plain"), "resume": False})
    with pytest.raises(WorkerFault, match="no checkpoint to resume from"):
        driver.call("restore", {"path": str(tmp_path / "plain")})


def test_out_of_memory_has_its_code(driver: Driver) -> None:
    found = driver.side.fault_of(torch.OutOfMemoryError("CUDA out of memory"))
    assert found is not None
    assert (found.code, found.retryable) == ("out-of-memory", True)
    for text in ("CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"):
        other = driver.side.fault_of(RuntimeError(text))
        assert other is not None
        assert other.code == "out-of-memory"
    assert driver.side.fault_of(ValueError("x")) is None


def test_a_device_that_answers_no_more_is_told_of(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def sticky() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "synchronize", sticky)
    assert not driver.side.device_lost()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert driver.side.device_lost()
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert not driver.side.device_lost()


def test_an_architecture_without_an_end_token_is_refused(driver: Driver, tmp_path: Path) -> None:
    directory = write_tokenizer(tmp_path / "t", special=["<pad>", "<unk>"])
    (directory / "tokenizer_config.json").unlink()
    assert "no end token" in str(fault(driver, spec(directory)))
