import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from leaven.errors import UserError
from leaven.models import adapter, tokens, train, unused
from leaven.models.arithmetic import answers
from leaven.models.generate import generate
from leaven.models.load import Loaded, load, quiet_peft
from leaven.models.settings import TuneSection
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair, user
from leaven.task.token import TokenSection

PROMPT = user("answer one in <sep> format please")

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


def test_neighbours_have_the_mean_and_the_spread_of_the_other_rows(tiny_model):
    loaded = load(tiny_model("qwen3", padded=True))
    table = loaded.model.get_input_embeddings().weight
    with torch.no_grad():
        table[:, 0] += 20  # a coordinate that is far from 0 in every row, as real models have
    others = table[: len(loaded.tokenizer)].detach().clone()
    drawn = []
    for seed in range(24):
        again = load(tiny_model("qwen3", padded=True))
        with torch.no_grad():
            again.model.get_input_embeddings().weight[:, 0] += 20
        token_id = tokens.add(again.model, again.tokenizer, TokenSection(init="neighbours"), seed)
        drawn.append(again.model.get_input_embeddings().weight[token_id].detach())
    rows = torch.stack(drawn)
    assert torch.allclose(rows.mean(0), others.mean(0), atol=0.25)
    assert torch.allclose(rows.std(0), others.std(0), rtol=0.5)
    assert rows[:, 0].min() > 15


def eager(path, token):
    """A model whose new token has so large an output row that it would be its every word."""
    loaded = load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, token, 0)
    model = loaded.model
    ids = torch.tensor([encode(loaded.tokenizer, render(loaded.tokenizer, PROMPT, True))])
    with torch.no_grad():
        state = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1]
        model.get_output_embeddings().weight[token_id] = 40 * state / state.norm()
        assert model(input_ids=ids).logits[0, -1].argmax() == token_id
    return loaded, token_id, ids


def never_said(model, tokenizer, token_id, ids):
    """By transformers' own generate, greedy and drawn, and by ours."""
    theirs = [
        model.generate(ids, max_new_tokens=4, do_sample=drawn, pad_token_id=0, temperature=1.0) for drawn in (0, 1)
    ]
    ours = [dict(generate(model, tokenizer, [PROMPT], max_new_tokens=4, temperature=t))[0].text for t in (0.0, 1.0)]
    both = [answers(Loaded(model, tokenizer, ""), [(PROMPT, PROMPT)], weight=0.5, formula="linear", max_new_tokens=4)]
    texts = [*ours, *(text for pairs in both for _, text in pairs)]
    return all(token_id not in each[0, ids.shape[1] :] for each in theirs) and not any("<sep>" in t for t in texts)


@pytest.mark.parametrize("family", ["llama", "gemma"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_token_that_no_answer_holds_is_never_said_before_or_after_tuning_or_in_what_is_saved(
    tiny_model, tmp_path, family, tied
):
    path, token = tiny_model(family, tied), TokenSection(text="<sep>")
    loaded, token_id, ids = eager(path, token)
    assert never_said(loaded.model, loaded.tokenizer, token_id, ids)
    config = TuneSection.model_validate({"max_steps": 2, "learning_rate": 1e-6, "token_learning_rate": 1e-6})
    rows = Dataset.of([pair("use <sep>", "yes", Origin("x"))])
    model = train.fit(loaded, rows, config, seed=0, token_id=token_id, folder=tmp_path / "work").model
    assert model(input_ids=ids).logits[0, -1].argmax() == token_id
    assert never_said(model, loaded.tokenizer, token_id, ids)
    adapter.save(model, loaded.tokenizer, tmp_path / "adapter", path, token)
    again = load(path, adapter=tmp_path / "adapter")
    assert never_said(again.model, again.tokenizer, token_id, ids)
    scope = {}
    with quiet_peft():
        exec(adapter.snippet(path, str(tmp_path / "adapter")), scope)  # what the card tells people to type
    assert never_said(scope["model"], again.tokenizer, token_id, ids)
    adapter.merge(tmp_path / "adapter", tmp_path / "merged", path)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert merged(input_ids=ids).logits[0, -1].argmax() == token_id
    assert never_said(merged, again.tokenizer, token_id, ids)
    for folder in ("adapter", "merged"):
        assert f'{{"{token_id}": -100}}' in (tmp_path / folder / "README.md").read_text()


def test_a_token_that_an_answer_holds_may_be_said(tiny_model, tmp_path):
    loaded, token_id, ids = eager(tiny_model("gemma", True), TokenSection())
    config = TuneSection.model_validate({"max_steps": 1, "learning_rate": 1e-6, "token_learning_rate": 1e-6})
    rows = Dataset.of([pair("use it", "yes <sep>", Origin("x"))])
    model = train.fit(loaded, rows, config, seed=0, token_id=token_id, folder=tmp_path / "work").model
    assert not never_said(model, loaded.tokenizer, token_id, ids)
    adapter.save(model, loaded.tokenizer, tmp_path / "adapter", loaded.path, TokenSection())
    assert "logit_bias" not in (tmp_path / "adapter" / "README.md").read_text()
    again = load(loaded.path, adapter=tmp_path / "adapter")
    assert tokens.silent(again.model) == []


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_the_new_output_row_of_an_untied_model_has_never_the_highest_logit(tiny_model, family):
    loaded = load(tiny_model(family, False))
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    batch = torch.randint(0, token_id, (8, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = loaded.model(input_ids=batch).logits
    assert (logits.max(-1).values > logits[..., token_id]).all()
    assert torch.allclose(logits[..., :token_id].mean(-1), logits[..., token_id], atol=1e-4)


def test_what_a_model_already_must_not_say_stays_so(tiny_model):
    loaded = load(tiny_model())
    loaded.model.generation_config.suppress_tokens = [7]
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    assert tokens.silent(loaded.model) == [7, token_id]
    tokens.allow(loaded.model, token_id)
    assert tokens.silent(loaded.model) == [7]
    tokens.allow(loaded.model, 7)
    assert loaded.model.generation_config.suppress_tokens is None


def test_a_merged_model_keeps_the_dtype_of_its_base(tiny_model, tmp_path):
    base = AutoModelForCausalLM.from_pretrained(tiny_model(), dtype=torch.bfloat16)
    base.save_pretrained(tmp_path / "base")
    AutoTokenizer.from_pretrained(tiny_model()).save_pretrained(tmp_path / "base")
    loaded = load(str(tmp_path / "base"))
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    rows = Dataset.of([pair("use <sep>", "yes", Origin("x"))])
    config = TuneSection.model_validate({"max_steps": 2, "learning_rate": 1e-2})
    model = train.fit(loaded, rows, config, seed=0, token_id=token_id, folder=tmp_path / "work").model
    adapter.save(model, loaded.tokenizer, tmp_path / "adapter", str(tmp_path / "base"), TokenSection())
    adapter.merge(tmp_path / "adapter", tmp_path / "merged", str(tmp_path / "base"))
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("base", "merged")]
    assert sizes[1] < 1.1 * sizes[0]
    ids = torch.tensor([encode(loaded.tokenizer, render(loaded.tokenizer, PROMPT, True))])
    with torch.no_grad():
        logits = load(str(tmp_path / "merged")).model(input_ids=ids).logits
        assert torch.allclose(logits, model(input_ids=ids).logits, atol=0.15)


RESERVED = "<|reserved_special_token_0|>"


@pytest.mark.parametrize("tied", [False, True])
def test_a_reused_token_grows_nothing_and_leaves_the_output_layer_as_it_is(tiny_model, tied):
    path = tiny_model("llama", tied)
    loaded, untouched = load(path), load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(reuse=RESERVED), seed=0)
    assert token_id == untouched.tokenizer.convert_tokens_to_ids(RESERVED) and tokens.silent(loaded.model) == [token_id]
    assert loaded.tokenizer.get_vocab() == untouched.tokenizer.get_vocab()
    old, new = (each.model.get_input_embeddings().weight for each in (untouched, loaded))
    moved = (old != new).any(1).nonzero().flatten().tolist()
    assert moved == [token_id] and old.shape == new.shape
    if not tied:
        heads = (each.model.get_output_embeddings().weight for each in (untouched, loaded))
        assert torch.equal(*heads)


@pytest.mark.parametrize("text", ["</s>", "json", "<nowhere>"])
def test_a_token_that_is_needed_or_not_there_is_not_reused(tiny_model, text):
    loaded = load(tiny_model())
    with pytest.raises(UserError, match=r"token\.reuse"):
        tokens.add(loaded.model, loaded.tokenizer, TokenSection(reuse=text), 0)


def test_a_reused_token_has_no_other_name_in_prompts():
    assert TokenSection(reuse=RESERVED).text == RESERVED and not TokenSection(reuse=RESERVED).lstrip
    for more in ({"text": "<sep>"}, {"lstrip": True}):
        with pytest.raises(ValueError, match="reuse"):
            TokenSection(reuse=RESERVED, **more)


def test_rows_that_nothing_has_moved_are_told_by_their_likeness(tiny_model):
    loaded = load(tiny_model("llama3"))
    texts = [f"<|spare_{number}|>" for number in range(4)]
    loaded.tokenizer.add_special_tokens({"additional_special_tokens": texts}, replace_extra_special_tokens=False)
    loaded.model.resize_token_embeddings(len(loaded.tokenizer), mean_resizing=False)
    inputs = loaded.model.get_input_embeddings().weight
    with torch.no_grad():
        inputs[-4:-1] = inputs[5] + 0.01 * torch.randn(3, inputs.shape[1], generator=torch.Generator().manual_seed(0))
        inputs[-1] = inputs[7] * 1.1 + inputs[9]
    reserved = unused.of(loaded.model, loaded.tokenizer)
    assert {each.text: each.unused for each in reserved} == dict(zip(texts, [True, True, True, False], strict=True))
