# LoRA: what is trained, what is saved, what is refused; the arithmetic against float64.
from __future__ import annotations

import gc
import importlib
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from backtrail_worker.core import handlers
from backtrail_worker.core.call import WorkerFault
from backtrail_worker.model import lora as module
from safetensors.torch import load_file
from torch.nn.utils.parametrizations import weight_norm
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import GPT2, LLAMA, NEOX, Driver, path_spec, rows, spec, sums, token_id, write_shard
from decode_cases import QWEN2

LORA = {"rank": 2, "alpha": 4.0}
UNTIED = LLAMA | {"tie_word_embeddings": False}
needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="peft is not installed: pip install 'peft>=0.17'"
)


def open_session(driver: Driver, tokenizer: Path, session: str = "s", **more: Any) -> Any:
    """A session with adapters over examples that all end in the added token."""
    params = {"model": spec(tokenizer), "lora": LORA} | more
    info = driver.call("load_model", params, session=session).result["info"]
    examples = [item | {"response": item["response"] + "<backtrack>"} for item in sums(8)]
    for item in examples:
        item["spans"] = [[0, len(item["response"])]]
    shard = write_shard(tokenizer / "sums.jsonl", examples)
    loading = {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"}
    driver.call("load_dataset", loading, session=session)
    return info


def model_of(driver: Driver, session: str = "s") -> Any:
    return driver.side._sessions.state(session).loaded.model


def train(driver: Driver, first: int, last: int, session: str = "s") -> list[float]:
    losses = []
    for step in range(first, last + 1):
        part = rows([step % 8, (step + 3) % 8], 0.02)
        losses.append(driver.train_step(step, [part], session)[0]["loss"])
    return losses


def base(driver: Driver, tokenizer: Path, tmp_path: Path, config: dict[str, Any]) -> Path:
    """A published checkpoint without the added token; its biases are not the zeros of a new model."""
    driver.call("load_model", {"model": spec(tokenizer, config, addTokens=[])}, session="base")
    with torch.no_grad():
        for name, parameter in model_of(driver, "base").named_parameters():
            if name.endswith(".bias"):
                parameter.uniform_(-0.1, 0.1)
    driver.call("save", {"path": str(tmp_path / "base"), "resume": False}, session="base")
    return tmp_path / "base"


@needs_peft
@pytest.mark.parametrize(
    "config", [LLAMA, UNTIED, QWEN2, GPT2, NEOX], ids=["tied", "untied", "qwen2", "gpt2", "neox"]
)
def test_the_new_row_moves_is_saved_and_survives_plain_transformers(
    driver: Driver, tokenizer: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    published = base(driver, tokenizer, tmp_path, config)
    before = AutoModelForCausalLM.from_pretrained(published, dtype=torch.float64)
    info = open_session(driver, tokenizer, model=path_spec(published))
    mark = info["addedTokens"]["<backtrack>"]
    losses = train(driver, 1, 12)
    assert losses[-1] < losses[0]
    saved = tmp_path / "saved"
    driver.call("save", {"path": str(saved), "resume": False})
    assert not list(saved.glob("adapter*"))
    after = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float64)
    assert AutoTokenizer.from_pretrained(saved)("<backtrack>")["input_ids"] == [mark]
    for of in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, of)().weight.detach(), getattr(after, of)().weight.detach()
        # It began as the mean of the rows; all others stay bit for bit.
        assert float((new[mark] - old.mean(0)).abs().max()) > 0.01
        assert torch.equal(new[:mark], old)
    assert (after.get_output_embeddings().weight is after.get_input_embeddings().weight) == config.get(
        "tie_word_embeddings", config is GPT2
    )

    # Merged by hand in float64: weight + alpha / rank * B @ A, for GPT-2's Conv1D transposed.
    state = after.state_dict()
    adapted = 0
    for name, layer in model_of(driver).named_modules():
        if not hasattr(layer, "get_delta_weight"):
            continue
        adapted += 1
        delta = 2.0 * layer.lora_B["default"].weight.double() @ layer.lora_A["default"].weight.double()
        delta = delta.T if config is GPT2 else delta
        expected = before.state_dict()[f"{name}.weight"] + delta.detach()
        torch.testing.assert_close(state[f"{name}.weight"], expected, atol=1e-6, rtol=0)
        assert float(delta.detach().abs().max()) > 1e-3
    assert adapted == {"llama": 14, "qwen2": 14, "gpt2": 8, "gpt_neox": 8}[config["model_type"]]
    biases = [name for name in state if name.endswith(".bias")]
    # Qwen2 has them for queries, keys and values.
    assert len(biases) == {"llama": 0, "qwen2": 6, "gpt2": 13, "gpt_neox": 13}[config["model_type"]]
    assert all(torch.equal(state[name], before.state_dict()[name]) for name in biases)

    # What was saved computes what is being trained.
    ids = torch.tensor([[3, token_id("5"), mark, token_id("7")]])
    live = model_of(driver).eval()
    with torch.no_grad():
        torch.testing.assert_close(live(ids).logits.double(), after(ids).logits, atol=1e-5, rtol=0)


@needs_peft
@pytest.mark.parametrize("config", [LLAMA, QWEN2], ids=["tied", "untied"])
def test_a_reserved_row_is_trained_where_it_stands_and_saved_under_the_new_name(
    driver: Driver, tokenizer: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    published = base(driver, tokenizer, tmp_path, config)
    settings = json.loads((published / "tokenizer_config.json").read_text())
    settings["additional_special_tokens"] = ["<reserved>"]
    (published / "tokenizer_config.json").write_text(json.dumps(settings))
    before = AutoModelForCausalLM.from_pretrained(published)
    info = open_session(
        driver, tokenizer, model=path_spec(published, reservedTokens={"<backtrack>": "<reserved>"})
    )
    row = token_id("<reserved>")
    assert info["addedTokens"] == {"<backtrack>": row}
    assert info["vocabulary"] == len(before.get_input_embeddings().weight)
    # It begins as the published row.
    assert torch.equal(model_of(driver).get_input_embeddings().weight, before.get_input_embeddings().weight)
    losses = train(driver, 1, 12)
    assert losses[-1] < losses[0]
    saved = tmp_path / "saved"
    driver.call("save", {"path": str(saved), "resume": False})
    after = AutoModelForCausalLM.from_pretrained(saved)
    assert AutoTokenizer.from_pretrained(saved)("<backtrack>")["input_ids"] == [row]
    for of in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, of)().weight.detach(), getattr(after, of)().weight.detach()
        moved = (new - old).abs().amax(1)
        assert moved.nonzero().flatten().tolist() == [row]
        assert float(moved[row]) > 0.01


@needs_peft
@pytest.mark.parametrize("of", ["get_input_embeddings", "get_output_embeddings"])
def test_rows_of_a_matrix_that_is_computed_are_refused(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """The matrix is a product of two parameters here: there is no row to train by itself."""
    load = handlers.load

    def computed(*given: Any) -> Any:
        loaded = load(*given)
        weight_norm(getattr(loaded.model, of)())
        return loaded

    monkeypatch.setattr(handlers, "load", computed)
    fault = r"^lora: LlamaForCausalLM keeps its embeddings in no plain matrix, .* train without lora$"
    with pytest.raises(WorkerFault, match=fault) as caught:
        open_session(driver, tokenizer, model=spec(tokenizer, UNTIED))
    assert caught.value.code == "lora"
    # Without tokens whose rows would have to be trained there is nothing to refuse.
    plain = {"model": spec(tokenizer, UNTIED, addTokens=[]), "lora": LORA}
    assert driver.call("load_model", plain, session="plain").result["info"]["addedTokens"] == {}


@needs_peft
def test_only_adapters_and_rows_are_trained_and_begin_as_nothing(driver: Driver, tokenizer: Path) -> None:
    driver.call("load_model", {"model": spec(tokenizer)}, session="plain")
    info = open_session(driver, tokenizer, lora=LORA | {"targets": ["q_proj", "v_proj"]})
    model = model_of(driver)
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, model_of(driver, "plain").eval()(ids).logits)
    trained = {name: tuple(item.shape) for name, item in model.named_parameters() if item.requires_grad}
    # Two layers, 32 wide, 4 heads of 8, 2 for keys and values; one row.
    expected = {"model.embed_tokens.parametrizations.weight.0.rows": (1, 32)}
    for layer in range(2):
        for name, out in (("q_proj", 32), ("v_proj", 16)):
            at = f"model.layers.{layer}.self_attn.{name}"
            expected |= {f"{at}.lora_A.default.weight": (2, 32), f"{at}.lora_B.default.weight": (out, 2)}
    assert trained == expected
    count = sum(item.numel() for item in model.parameters())
    own = 32 + 2 * (2 * 32 + 32 * 2 + 2 * 32 + 16 * 2)
    assert info["memoryBytes"] == 16 * own + 4 * (count - own)
    frozen = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    train(driver, 1, 3)
    assert all(torch.equal(dict(model.named_parameters())[name], value) for name, value in frozen.items())


@needs_peft
def test_a_resumed_session_goes_on_bit_for_bit(driver: Driver, tokenizer: Path, tmp_path: Path) -> None:
    more = {"lora": LORA | {"dropout": 0.1, "seed": 3}}
    open_session(driver, tokenizer, **more)
    first = train(driver, 1, 3)
    place = tmp_path / "step-3"
    driver.call("save", {"path": str(place), "resume": True})
    rest = train(driver, 4, 6)
    open_session(driver, tokenizer, "again", **more)
    assert driver.call("restore", {"path": str(place)}, session="again").result == {"step": 3}
    assert train(driver, 4, 6, "again") == rest
    # Another seed, other adapters.
    open_session(driver, tokenizer, "other", lora=LORA | {"seed": 4})
    assert train(driver, 1, 3, "other") != first
    open_session(driver, tokenizer, "wide", lora={"rank": 3})
    with pytest.raises(WorkerFault, match=r"another (shape|architecture)"):
        driver.call("restore", {"path": str(place)}, session="wide")
    assert all(
        name.endswith(".rows") or ".lora_" in name for name in load_file(place / "adapter.safetensors")
    )


@needs_peft
def test_targets_that_are_not_there_or_hold_the_rows_are_refused(driver: Driver, tokenizer: Path) -> None:
    for target in ("query", "embed_tokens", "lm_head"):
        with pytest.raises(WorkerFault, match=f"no layer {target} to adapt; it has: down_proj"):
            open_session(driver, tokenizer, f"s-{target}", lora=LORA | {"targets": ["q_proj", target]})


def test_without_peft_it_says_what_to_install(
    driver: Driver, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(WorkerFault, match=r"peft is not installed .*pip install 'peft>=0\.17'") as caught:
        open_session(driver, tokenizer)
    assert caught.value.code == "lora"


@needs_peft
def test_unload_gives_the_memory_back_at_once(driver: Driver, tokenizer: Path) -> None:
    open_session(driver, tokenizer)
    train(driver, 1, 1)
    gc.collect()
    gc.disable()
    try:
        # An adapted model holds itself: without a collection it would stay.
        parameter = weakref.ref(next(model_of(driver).parameters()))
        driver.call("unload", {})
        assert parameter() is None
    finally:
        gc.enable()
