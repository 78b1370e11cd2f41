"""Likelihoods against a model that reads every pair alone."""

import pytest
import torch

from leaven.models import likelihood as module
from leaven.models.base import Base
from leaven.models.likelihood import Choices, likelihoods
from leaven.models.load import load
from leaven.task.token import TokenSection

QUESTIONS = [
    ("the capital of France is", (" Paris", " Madrid and the capital", " a")),
    ("is this claim true? answer in json format please, do not use the json format", (" yes", " no")),
    ("one two", (" three four five six seven",)),
    ("no", (" label", " a thought and a label, please")),
]


def encoded(tokenizer):
    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    return [Choices(ids(context), [ids(text) for text in texts]) for context, texts in QUESTIONS]


@torch.no_grad()
def slowly(model, context, tokens, silent=()):
    """One pair, one forward pass without a cache, one token at a time."""
    logits = model(input_ids=torch.tensor([[*context, *tokens]]), use_cache=False).logits[0].double()
    logits[:, list(silent)] = -torch.inf
    shares = logits.log_softmax(-1)
    places = range(len(context) - 1, len(context) + len(tokens) - 1)
    total = sum(float(shares[place, token]) for place, token in zip(places, tokens, strict=True))
    return total, all(int(shares[place].argmax()) == token for place, token in zip(places, tokens, strict=True))


def check(loaded, questions, silent=()):
    found = dict(likelihoods(loaded, questions))
    assert sorted(found) == list(range(len(questions)))
    for index, question in enumerate(questions):
        for got, tokens in zip(found[index], question.continuations, strict=True):
            total, greedy = slowly(loaded.model, question.context, tokens, silent)
            assert got.total == pytest.approx(total, abs=1e-4) and got.greedy == greedy


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma", "gemma3"])
@pytest.mark.parametrize("budget", [2048, 40])
def test_each_pair_has_the_likelihood_that_it_has_alone(tiny_model, monkeypatch, family, budget):
    monkeypatch.setattr(module, "BATCH_TOKENS", {"cpu": budget})
    loaded = load(tiny_model(family))
    check(loaded, encoded(loaded.tokenizer))


@pytest.mark.parametrize(("family", "shared"), [("llama", 11), ("gemma3", None)])
def test_examples_that_all_contexts_begin_with_are_read_once(tiny_model, monkeypatch, family, shared):
    loaded, reads = load(tiny_model(family)), []
    questions = encoded(loaded.tokenizer)
    examples = questions[1].context[:12]
    questions = [Choices([*examples, *each.context], each.continuations) for each in questions]
    original = module._log_shares

    def watch(model, ids, *args, **settings):
        reads.append(ids.shape)
        return original(model, ids, *args, **settings)

    monkeypatch.setattr(module, "_log_shares", watch)
    check(loaded, [*questions, Choices(examples, [[9]])])
    assert reads[0] == ((1, shared) if shared else (5, reads[0][1]))  # a window that slides reads all of each


def test_what_the_model_would_say_itself_is_greedy(tiny_model):
    loaded = load(tiny_model("llama"))
    context = encoded(loaded.tokenizer)[0].context
    with torch.no_grad():
        own = loaded.model.generate(torch.tensor([context]), max_new_tokens=4, do_sample=False)[0, len(context) :]
    other = [*own.tolist()[:-1], (own[-1].item() + 1) % 300]
    (_, (said, unsaid)), *_ = likelihoods(loaded, [Choices(context, [own.tolist(), other])])
    assert said.greedy and not unsaid.greedy


def test_a_long_context_loses_its_head(tiny_model):
    loaded = load(tiny_model("llama"))
    context, continuation = [5 + place % 90 for place in range(300)], [7, 8, 9]
    (_, (long,)), *_ = likelihoods(loaded, [Choices(context, [continuation])])
    (_, (short,)), *_ = likelihoods(loaded, [Choices(context[-126:], [continuation])])
    assert long == short


def test_of_a_context_before_a_continuation_longer_than_the_window_the_last_token_stays(tiny_model):
    loaded = load(tiny_model("llama", max_position_embeddings=8))
    context, continuation = [5, 6, 7, 8], [7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    (_, (long,)), *_ = likelihoods(loaded, [Choices(context, [continuation])])
    assert long.total == pytest.approx(slowly(loaded.model, [8], continuation)[0], abs=1e-4)


def test_a_token_that_may_not_be_said_has_no_share(tiny_model):
    loaded = Base(tiny_model("qwen3")).lend(TokenSection(text="<sep>"), seed=0)
    token = loaded.tokenizer.convert_tokens_to_ids("<sep>")
    check(loaded, encoded(loaded.tokenizer), silent=[token])
