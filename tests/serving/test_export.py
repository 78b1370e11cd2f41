import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from leaven.errors import UserError
from leaven.models.load import load, load_tokenizer, quiet_peft
from leaven.models.template import encode, render
from leaven.rows.example import user
from leaven.serving import artefact, export, plain, source

QUESTIONS = ("answer one in <sep> format please", "use <sep>", "the capital of France is", "yes or no")
SOME = [("llama", False, False, True), ("qwen3", True, False, False), ("gemma3", True, True, False)]
WIDE = [
    (family, tied, padded, answered)
    for family in ("llama", "llama3", "qwen2", "qwen3", "gemma", "gemma3", "mistral", "phi3")
    for tied in (False, True)
    for padded in (False, True)
    for answered in (False, True)
]
EVERY = [*SOME, *(pytest.param(*case, marks=pytest.mark.slow) for case in WIDE)]


def logits(model, tokenizer):
    """Of the last token of each question: (questions, vocabulary)."""
    prompts = [encode(tokenizer, render(tokenizer, user(question), True)) for question in QUESTIONS]
    with torch.no_grad():
        return torch.stack([model(input_ids=torch.tensor([ids])).logits[0, -1] for ids in prompts])


def texts(model, tokenizer):
    """Greedy answers of a few tokens, by transformers' own `generate`."""
    prompts = [torch.tensor([encode(tokenizer, render(tokenizer, user(question), True))]) for question in QUESTIONS]
    return [model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=0)[0].tolist() for ids in prompts]


def same(model, tuned, tokenizer, token_id=None):
    ours, theirs = logits(model, tokenizer), logits(tuned.model, tokenizer)
    if token_id is not None:  # the logit of a token that is never said may be the base's
        ours[:, token_id] = theirs[:, token_id] = 0.0
    assert ours.shape == theirs.shape and (ours - theirs).abs().max() < 1e-4
    model.generation_config = tuned.model.generation_config
    assert texts(model, tokenizer) == texts(tuned.model, tokenizer)


@pytest.mark.parametrize(("family", "tied", "padded", "answered"), EVERY)
def test_every_way_of_loading_gives_the_same_logits_and_texts(tuned, tmp_path, family, tied, padded, answered):
    where = source.find(tuned(family, tied, padded, answered))
    done = export.write(where, tmp_path / "out", kinds=())
    assert [folder.name for folder in done.folders] == ["adapter", "merged", *([] if padded else ["base-with-token"])]
    reference = load(where.base, where.adapter, dtype="float32")
    tokenizer = load_tokenizer(str(tmp_path / "out" / "adapter"))
    silent = None if answered else tokenizer.convert_tokens_to_ids("<sep>")
    config = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    for name in ("adapter", "merged again"):
        base = AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"], dtype=torch.float32)
        with quiet_peft():
            model = PeftModel.from_pretrained(base, str(tmp_path / "out" / "adapter"))
            if name == "merged again":
                if tied:  # two tables now: a low-rank update of one is not one of the other
                    head = base.get_output_embeddings()
                    target = head.base_layer if hasattr(head, "base_layer") else head
                    target.weight = torch.nn.Parameter(target.weight.detach().clone())
                    base.config.tie_word_embeddings = False
                model = model.merge_and_unload()
                model.save_pretrained(tmp_path / "again")
                model = AutoModelForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32)
        same(model.eval(), reference, tokenizer, silent)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "merged", dtype=torch.float32).eval()
    same(merged, reference, load_tokenizer(str(tmp_path / "out" / "merged")))
    for each in artefact.in_folder(tmp_path / "out", where.base, "<sep>"):
        assert artefact.lost_rows(each) == ""


def test_the_adapter_is_lora_alone(tuned, tmp_path):
    folder = tuned("llama", False, False, True)
    done = export.write(source.find(folder), tmp_path / "out", kinds=())
    state = load_file(done.folders[0] / "adapter_model.safetensors")
    config = json.loads((done.folders[0] / "adapter_config.json").read_text())
    assert all(".lora_" in name for name in state) and config["trainable_token_indices"] is None
    a, b = (state[f"base_model.model.model.embed_tokens.lora_embedding_{factor}"] for factor in "AB")
    vocabulary = json.loads((tmp_path / "out/base-with-token/config.json").read_text())["vocab_size"]
    assert a.shape == (4, vocabulary) and b.shape == (32, 4)
    assert a.sum() == 1 and a[0].argmax() == vocabulary - 1 and not b[:, 1:].any()


def test_more_rows_than_the_rank_are_refused():
    with pytest.raises(UserError, match="rank 1"):
        plain.one_hot({0: torch.ones(2), 1: torch.ones(2)}, torch.zeros(3, 2), 1, 1.0)
