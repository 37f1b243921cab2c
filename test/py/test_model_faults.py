# Checkpoints that cannot be used: each fault names the path or the model and says why.
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from backtrail_worker.core.call import WorkerFault

from conftest import LLAMA, ROOT, Driver, path_spec, rows, spec, sums, write_shard

MAMBA = {"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}


@pytest.fixture
def checkpoint(driver: Driver, tokenizer: Path, tmp_path: Path) -> Path:
    """A session's checkpoint with all that resume needs."""
    driver.call("load_model", {"model": spec(tokenizer)}, session="made")
    shard = write_shard(tokenizer / "sums.jsonl", sums(4))
    loading = {"dataset": "d", "shards": [shard], "maxTokens": 64, "overlong": "refuse"}
    driver.call("load_dataset", loading, session="made")
    driver.train_step(1, [rows([0, 1])], session="made")
    driver.call("save", {"path": str(tmp_path / "made"), "resume": True}, session="made")
    return tmp_path / "made"


def test_a_model_without_a_cache_is_refused_before_its_weights(driver: Driver, tokenizer: Path) -> None:
    with pytest.raises(WorkerFault, match='"mamba" takes no past_key_values') as caught:
        driver.free("tokenize", {"model": spec(tokenizer, MAMBA), "texts": []})
    assert caught.value.code == "not-causal-lm"


@pytest.mark.parametrize("keep", [0.5, 0.001])
def test_weights_cut_short_are_named(driver: Driver, checkpoint: Path, keep: float) -> None:
    file = checkpoint / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(WorkerFault) as caught:
        driver.call("load_model", {"model": path_spec(checkpoint)})
    assert caught.value.code == "model-not-found"
    # Not optimizer.safetensors, which is whole.
    assert str(caught.value).startswith(f"{file} is damaged or cut short")
    with pytest.raises(WorkerFault, match=r"model\.safetensors is damaged or cut short"):
        driver.call("restore", {"path": str(checkpoint)}, session="made")


def test_weights_of_another_shape_than_the_config_are_named(driver: Driver, checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    stored = config["intermediate_size"]
    (checkpoint / "config.json").write_text(json.dumps(config | {"intermediate_size": stored + 8}))
    with pytest.raises(WorkerFault) as caught:
        driver.call("load_model", {"model": path_spec(checkpoint)})
    assert caught.value.code == "not-causal-lm"
    shapes = f"[{config['hidden_size']}, {stored}] in the weights and [{config['hidden_size']}, {stored + 8}]"
    assert f"mlp.down_proj.weight has shape {shapes} by config.json" in str(caught.value)


def test_optimizer_state_cut_short_is_named(driver: Driver, checkpoint: Path) -> None:
    file = checkpoint / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(WorkerFault, match=r"optimizer\.safetensors cannot be read") as caught:
        driver.call("restore", {"path": str(checkpoint)}, session="made")
    assert (caught.value.code, str(file) in str(caught.value)) == ("model-not-found", True)


def test_something_that_is_no_checkpoint_is_named(driver: Driver, tmp_path: Path, tokenizer: Path) -> None:
    with pytest.raises(WorkerFault, match=r"holds no config\.json: not a save_pretrained") as caught:
        driver.free("tokenize", {"model": path_spec(tokenizer), "texts": []})
    assert str(tokenizer) in str(caught.value)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(WorkerFault) as caught:
        driver.free("tokenize", {"model": path_spec(tmp_path), "texts": []})
    assert str(tmp_path) in str(caught.value)


def test_the_probe_counts_the_weights_and_not_the_optimizer_state(checkpoint: Path) -> None:
    code = "import backtrail_probe, sys; print(backtrail_probe.model(sys.argv[1], []))"
    said = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "py"), "HF_HUB_OFFLINE": "1", "PATH": ""},
    )
    report = json.loads(said.stdout.splitlines()[-1])
    width, mlp = LLAMA["hidden_size"], LLAMA["intermediate_size"]
    layer = 2 * width * width + 2 * width * 16 + 3 * width * mlp + 2 * width
    assert report["parameters"] == report["vocabulary"] * width + 2 * layer + width
    assert report["config"]["num_key_value_heads"] == 2
    assert report["tokenizer"]["backtrackToken"] is not None


def test_the_probe_explains_every_way_in_which_the_hub_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants
    from backtrail_probe.checkpoint import explain
    from huggingface_hub.errors import LocalEntryNotFoundError

    gone = LocalEntryNotFoundError("no connection")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert "the Hub cannot be reached; give a directory" in explain(gone, "o/m", None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "o/m at v1 is not in the local cache, and HF_HUB_OFFLINE is set" in explain(gone, "o/m", "v1")
    assert "(TimeoutError: slow); give a directory" in explain(TimeoutError("slow"), "o/m", None)
