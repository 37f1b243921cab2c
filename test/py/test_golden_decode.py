# Golden output of decode's tensor side: a bigram model whose tokens were worked out from (seed, position)
# outside this program, by integers and fractions alone. When it differs and the change is meant, raise
# `decode` in src/plan/codeVersions.ts and move the file to the new number.
from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from conftest import PIECES, ROOT, SPECIAL, Driver, path_spec, token_id, write_tokenizer
from decode_cases import params

WIDTH = 32
NEVER = -60.0


def golden() -> list[dict[str, Any]]:
    """Lines {prefix, temperature, seed, budget, tokens, logprobs, sampled, finish}."""
    versions = (ROOT / "src" / "plan" / "codeVersions.ts").read_text()
    found = re.search(r"decode: (\d+)", versions)
    assert found is not None
    file = ROOT / "test" / "plan" / "golden" / f"decode-tokens@{found[1]}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def write_bigram(directory: Path) -> Path:
    """
    Behind digit k: k+1 with probability 1/2, k+3 with 1/4 (both modulo 10), the goal mark and the end with
    1/8 each. A Llama whose layer adds nothing, so that the head sees one token, normed.
    """
    size = len(SPECIAL) + len(PIECES)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=64,
        rms_norm_eps=1e-12,
        tie_word_embeddings=False,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj):
            layer.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, WIDTH))
        # The norm makes sqrt(WIDTH) of the one 1.
        model.lm_head.weight.fill_(NEVER / math.sqrt(WIDTH))
        for digit in range(10):
            after = {
                str((digit + 1) % 10): 1 / 2,
                str((digit + 3) % 10): 1 / 4,
                "Goal!": 1 / 8,
                "<eos>": 1 / 8,
            }
            for piece, probability in after.items():
                logit = math.log(probability) / math.sqrt(WIDTH)
                model.lm_head.weight[token_id(piece), token_id(str(digit))] = logit
    model.save_pretrained(directory)
    write_tokenizer(directory)
    return directory


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bigram(tmp_path_factory.mktemp("golden") / "bigram")


@pytest.mark.parametrize("line", golden(), ids=lambda line: f"{line['temperature']}-{line['seed'][0]}")
def test_the_same_tokens_under_the_same_code_version(
    driver: Driver, bigram: Path, line: dict[str, Any]
) -> None:
    model = path_spec(bigram, addTokens=[])
    arrays = {
        "tokens": np.array(line["prefix"], dtype=np.int32),
        "lengths": np.array([len(line["prefix"])], dtype=np.int32),
        "counts": np.array([1], dtype=np.int32),
        "seeds": np.array([line["seed"]], dtype=np.uint32),
        "budgets": np.array([line["budget"]], dtype=np.int32),
    }
    driver.free("generate", params(model, temperature=line["temperature"], stops=["Goal!"]), arrays)
    (chunk,) = [chunk for _, chunk in driver.context.chunks]
    assert chunk["tokens"].tolist() == line["tokens"]
    assert int(chunk["finish"][0]) == line["finish"]
    np.testing.assert_allclose(chunk["logprobs"], line["logprobs"], atol=1e-6)
    np.testing.assert_allclose(chunk["sampledLogprobs"], line["sampled"], atol=1e-6)
