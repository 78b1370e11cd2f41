import pytest
import torch

from leaven.errors import UserError
from leaven.models import tokens
from leaven.models.load import load
from leaven.task.token import TokenSection

CASES = [(f, t, p) for f in ("llama", "qwen3", "gemma") for t in (False, True) for p in (False, True)]


@pytest.mark.parametrize(("family", "tied", "padded"), CASES)
def test_the_token_gets_one_id_and_the_other_rows_stay(tiny_model, family, tied, padded):
    path = tiny_model(family, tied, padded)
    loaded, untouched = load(path), load(path)
    old = untouched.model.get_input_embeddings().weight
    size = len(untouched.tokenizer)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), seed=3)
    new = loaded.model.get_input_embeddings().weight
    assert token_id == size
    assert new.shape[0] == (old.shape[0] if padded else size + 1)
    assert torch.equal(new[:size], old[:size])
    assert loaded.tokenizer("use the <sep> format", add_special_tokens=False)["input_ids"].count(token_id) == 1


def test_the_seed_decides_the_random_row(tiny_model):
    rows = []
    for seed in (0, 0, 1):
        loaded = load(tiny_model())
        token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), seed)
        rows.append(loaded.model.get_input_embeddings().weight[token_id].detach())
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


@pytest.mark.parametrize(("init", "text"), [("mean", "json format please"), ("copy:json", "json")])
def test_mean_and_copy_are_means_of_rows(tiny_model, init, text):
    loaded = load(tiny_model())
    table = loaded.model.get_input_embeddings().weight.detach().clone()
    ids = loaded.tokenizer(" " + text, add_special_tokens=False)["input_ids"]
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(init=init, means="json format please"), 0)
    expected = torch.stack([table[i] for i in ids]).sum(0) / len(ids)
    assert torch.allclose(loaded.model.get_input_embeddings().weight[token_id], expected)


def test_a_reserved_token_lends_its_row(tiny_model):
    loaded = load(tiny_model())
    reserved = "<|reserved_special_token_0|>"
    row = loaded.model.get_input_embeddings().weight[loaded.tokenizer.convert_tokens_to_ids(reserved)].detach().clone()
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(init=f"reserved:{reserved}"), 0)
    assert torch.equal(loaded.model.get_input_embeddings().weight[token_id], row)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"text": "</s>"}, "in the model's vocabulary already"),
        ({"text": " "}, "token.text"),
        ({"text": " <sep>"}, "token.text"),
        ({"init": "mean"}, "token.means is empty"),
        ({"init": "zeros"}, "token.init is 'zeros'"),
        ({"init": "reserved:<nope>"}, "<nope>"),
    ],
)
def test_what_can_not_be_a_token(tiny_model, token, said):
    loaded = load(tiny_model())
    with pytest.raises(UserError, match=said):
        tokens.add(loaded.model, loaded.tokenizer, TokenSection(**token), 0)
