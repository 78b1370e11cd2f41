import pytest
import torch

from leaven.models import names, train
from leaven.models.base import Base
from leaven.models.generate import generate
from leaven.models.settings import TuneSection
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair, user
from leaven.task.token import TokenSection

TOKEN = TokenSection(text="<sep>", means="json format")
ROWS = Dataset.of(pair(f"answer {word} in <sep> format", f"yes, {word}", Origin("x")) for word in ("one", "two"))
SETTINGS = {"max_steps": 3, "small_data_batch": 2, "learning_rate": 1e-2, "token_learning_rate": 1e-1}


def logits(loaded):
    ids = encode(loaded.tokenizer, render(loaded.tokenizer, user("the capital of France"), True))
    with torch.no_grad():
        return loaded.model(input_ids=torch.tensor([ids])).logits


def weights(loaded):
    return {name: weight.detach().clone() for name, weight in loaded.model.named_parameters()}


def tuned(loaded, folder):
    token_id = loaded.tokenizer.convert_tokens_to_ids("<sep>")
    config = TuneSection.model_validate(SETTINGS)
    return train.fit(loaded, ROWS, config, seed=0, token_id=token_id, folder=folder / "work")


@pytest.mark.parametrize("family", ["llama", "gemma"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_nothing_that_is_done_to_a_lent_copy_reaches_the_base(tiny_model, tmp_path, family, tied, padded):
    from leaven.models import distill

    base = Base(tiny_model(family, tied, padded))
    before, first = weights(base.lend()), logits(base.lend())
    lent = base.lend(TOKEN, seed=3)
    distill.fit(lent, "<sep>", "json", ["use {token} for one two three"], steps=2, learning_rate=0.1)
    model = tuned(lent, tmp_path).model
    list(generate(model, lent.tokenizer, [user("one")], max_new_tokens=3))
    model.merge_and_unload(safe_merge=True)
    again = base.lend()
    assert torch.equal(logits(again), first)
    assert all(torch.equal(weight, before[name]) for name, weight in again.model.named_parameters())
    assert "<sep>" not in again.tokenizer.get_vocab()


def test_a_lent_copy_is_the_model_as_it_loads(tiny_model):
    from leaven.models import tokens
    from leaven.models.load import load

    path = tiny_model("qwen3", padded=True)
    fresh, lent = load(path), Base(path).lend(TOKEN, seed=5, init="mean")
    tokens.add(fresh.model, fresh.tokenizer, TOKEN.model_copy(update={"init": "mean"}), 5)
    assert torch.equal(logits(lent), logits(fresh))
    assert fresh.tokenizer.get_vocab() == lent.tokenizer.get_vocab()
    one, other = weights(fresh), weights(lent)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_copies_share_the_memory_of_the_weights_and_not_the_flags(tiny_model):
    base = Base(tiny_model())
    one, other = base.lend(TOKEN), base.lend()
    names_of = {name for name, _ in one.model.named_parameters()}
    mine, theirs = dict(one.model.named_parameters()), dict(other.model.named_parameters())
    own = {name for name in names_of if mine[name].data_ptr() != theirs[name].data_ptr()}
    assert own == {"model.embed_tokens.weight", "lm_head.weight"}
    one.model.requires_grad_(False)
    one.model.config.vocab_size = 1
    one.model.generation_config.eos_token_id = 1
    assert all(weight.requires_grad for weight in other.model.parameters())
    assert other.model.config.vocab_size != 1 and other.model.generation_config.eos_token_id != 1


def test_a_tied_model_is_lent_tied(tiny_model):
    base = Base(tiny_model("gemma", True))
    for token in (None, TOKEN):
        model = base.lend(token).model
        assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_a_base_is_loaded_once_and_not_before_it_is_lent(tiny_model, monkeypatch):
    from leaven.models import base as module

    loads, load = [], module.load
    monkeypatch.setattr(module, "load", lambda *args, **more: loads.append(args) or load(*args, **more))
    base = Base(tiny_model())
    assert not loads
    base.lend(), base.lend(TOKEN), base.lend()
    assert len(loads) == 1


def test_lab_is_the_model_that_ships_and_other_names_stay():
    assert names.path("lab") == str(names.LAB) == Base("lab").path
    assert names.path("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"
