"""peft merges an embedding's LoRA into a tied output layer too: the merged model is not the one that was tuned."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    initializer_range=0.3, tie_word_embeddings=True,
)  # fmt: skip
base = LlamaForCausalLM(config)
model = get_peft_model(base, LoraConfig(r=4, target_modules=["embed_tokens"], init_lora_weights=False)).eval()
ids = torch.tensor([[3, 4, 5]])
with torch.no_grad():
    before = model(ids).logits
    after = model.merge_and_unload()(ids).logits
print(f"logits differ by {(after - before).abs().max():.2g} once merged; expected: less than 1e-4")
