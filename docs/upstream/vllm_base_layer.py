"""vLLM leaves an adapter's `embed_tokens.base_layer.weight` out without an error: the rows of a new token are lost.

Expected: an error that names the tensor, as for `modules_to_save`. By its source (`vllm/lora/lora_model.py`) vLLM loads
the adapter, and the answers with and without that tensor are the same.
"""

import tempfile

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest

with tempfile.TemporaryDirectory() as folder:
    torch.manual_seed(0)
    words = {f"w{each}": each for each in range(63)} | {"</s>": 63}
    core = Tokenizer(models.WordLevel(words, "w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="</s>")
    config = LlamaConfig(
        vocab_size=64, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    base = LlamaForCausalLM(config)
    base.save_pretrained(f"{folder}/base")
    tokenizer.save_pretrained(f"{folder}/base")
    model = get_peft_model(base, LoraConfig(r=8, target_modules=["q_proj"], init_lora_weights=False))
    for name in ("without", "with"):
        model.save_pretrained(f"{folder}/{name}", save_embedding_layers=False)
    weights = load_file(f"{folder}/with/adapter_model.safetensors")
    rows = base.get_input_embeddings().weight.detach().flip(0).contiguous()  # every token has another row
    weights["base_model.model.model.embed_tokens.base_layer.weight"] = rows
    save_file(weights, f"{folder}/with/adapter_model.safetensors", metadata={"format": "pt"})
    llm = LLM(f"{folder}/base", enable_lora=True, max_lora_rank=8, max_model_len=64, enforce_eager=True)
    greedy = SamplingParams(temperature=0, max_tokens=16)
    for number, name in enumerate(("without", "with"), 1):
        request = LoRARequest(name, number, f"{folder}/{name}")
        (done,) = llm.generate([{"prompt_token_ids": [3, 4, 5]}], greedy, lora_request=request)
        print(f"{name:>7} the tensor: {done.outputs[0].token_ids}")
