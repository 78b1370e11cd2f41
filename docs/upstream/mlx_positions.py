"""mlx-lm reads `rope_theta` and not `rope_parameters`: a config.json that transformers 5 wrote loses its positions."""

import tempfile
from pathlib import Path

import mlx.core as mx
import torch
from mlx_lm.utils import load_model
from transformers import LlamaConfig, LlamaForCausalLM

with tempfile.TemporaryDirectory() as folder:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        initializer_range=0.3, rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    ids = list(range(3, 40))
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0, -1].numpy()
    read, _ = load_model(Path(folder))
    logits = read(mx.array([ids]))[0, -1]
    print(
        f"rope_theta is {config.rope_parameters['rope_theta']:.0f}, and {read.args.rope_theta:.0f} as mlx-lm reads it"
    )
    print(f"logits differ by {float(mx.abs(logits - mx.array(expected)).max()):.2g}; expected: less than 1e-4")
