"""llama.cpp's convert_lora_to_gguf.py leaves `embed_tokens.base_layer.weight` out without an error.

    python llama_cpp_base_layer.py LLAMA.CPP/convert_lora_to_gguf.py

Expected: it stops, as it does for `embed_tokens.weight`. By its source it writes an adapter that lacks the rows.
"""

import subprocess
import sys
import tempfile

import torch
from gguf import GGUFReader
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

with tempfile.TemporaryDirectory() as folder:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    base = LlamaForCausalLM(config)
    base.save_pretrained(f"{folder}/base")
    get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"])).save_pretrained(f"{folder}/adapter")
    path = f"{folder}/adapter/adapter_model.safetensors"
    weights = load_file(path)
    weights["base_model.model.model.embed_tokens.base_layer.weight"] = torch.ones(64, 32)
    save_file(weights, path, metadata={"format": "pt"})
    command = [sys.executable, sys.argv[1], f"{folder}/adapter", "--base", f"{folder}/base"]
    done = subprocess.run([*command, "--outfile", f"{folder}/adapter.gguf"], check=False)
    names = [tensor.name for tensor in GGUFReader(f"{folder}/adapter.gguf").tensors] if done.returncode == 0 else []
    print(f"exit code {done.returncode}; rows of the embedding in the file: {[n for n in names if 'embd' in n]}")
