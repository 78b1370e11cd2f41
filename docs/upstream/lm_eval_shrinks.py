"""lm-eval with `peft=` cuts the rows of a padded vocabulary: an embedding LoRA then no longer fits its base."""

import tempfile

from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

with tempfile.TemporaryDirectory() as folder:
    vocabulary = {"a": 0, "b": 1, "</s>": 2}
    core = Tokenizer(models.WordLevel(vocabulary, "a"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="</s>")
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(f"{folder}/base")
    base = LlamaForCausalLM.from_pretrained(f"{folder}/base")
    get_peft_model(base, LoraConfig(target_modules=["q_proj"])).save_pretrained(f"{folder}/adapter")
    tokenizer.save_pretrained(f"{folder}/adapter")
    lm = HFLM(pretrained=f"{folder}/base", peft=f"{folder}/adapter", tokenizer=f"{folder}/adapter", device="cpu")
    rows = lm.model.get_input_embeddings().weight.shape[0]
    print(f"the base has 64 rows, the tokenizer {len(tokenizer)} tokens, the loaded model {rows} rows")
