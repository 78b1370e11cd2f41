"""Tiny tuned models: an adapter whose weights and rows are as if training had moved all of them."""

from pathlib import Path

import pytest
import torch

from leaven.models import adapter, lora, tokens
from leaven.models.load import load
from leaven.models.settings import TuneSection
from leaven.task.token import TokenSection


@pytest.fixture
def tuned(tiny_model, tmp_path):
    """A factory: the folder of an adapter for a tiny model, as a study saves it."""

    def make(family="llama", tied=False, padded=False, answered=False, reused=False, targets=None):
        token = TokenSection(reuse="<|spare|>") if reused else TokenSection()
        more = {"query_pre_attn_scalar": 8} if family == "gemma3" else {}
        path = tiny_model(family, tied, padded, printable=True, max_position_embeddings=512, **more)
        loaded = load(path, dtype="float32")
        token_id = tokens.add(loaded.model, loaded.tokenizer, token, seed=0)
        if answered:
            tokens.allow(loaded.model, token_id)
        if targets is None:
            targets = ("qkv_proj", "o_proj") if family == "phi3" else ("q_proj", "k_proj", "v_proj", "o_proj")
        config = TuneSection(lora_r=4, lora_alpha=8, target_modules=targets)
        with torch.random.fork_rng():
            torch.manual_seed(0)  # peft draws the first factors from the global generator
            model = lora.adapt(loaded.model, config, token_id, answered)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_" in name or "trainable_tokens_delta" in name:
                    weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
        folder = tmp_path / "tuned"
        adapter.save(model, loaded.tokenizer, folder, path, token)
        return Path(folder)

    return make
