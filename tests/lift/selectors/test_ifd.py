"""IFD against the losses of one row at a time, token by token."""

import math

import pytest
import torch

from leaven.lift.selection import Scores
from leaven.lift.selectors import ifd
from leaven.models import surprise as losses
from leaven.models.load import load
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair


def slow(loaded, question, answer):
    ids = torch.tensor([question + answer])
    chances = loaded.model(ids).logits[0].log_softmax(-1)
    return -sum(chances[len(question) + i - 1, token].item() for i, token in enumerate(answer)) / len(answer)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_surprises_are_the_mean_losses_of_the_answers_tokens(tiny_model, family, monkeypatch):
    monkeypatch.setattr(losses, "BATCH_TOKENS", 120)
    loaded = load(tiny_model(family))
    rows = [pair("the capital of France is", "Paris " * n, Origin("x")) for n in (1, 4, 2)]
    rows.append(Example((Message("user", "is this claim true?"),), Origin("x")))
    found = dict(losses.surprises(loaded, rows))
    assert sorted(found) == [0, 1, 2, 3]
    assert math.isnan(found[3].conditioned)
    for index in range(3):
        question, answer = losses._pieces(loaded.tokenizer, rows[index], 128)
        assert loaded.tokenizer.decode(answer).strip().startswith("Paris")
        first = losses._first(loaded.tokenizer)
        assert found[index].conditioned == pytest.approx(slow(loaded, question, answer), abs=1e-4)
        assert found[index].alone == pytest.approx(slow(loaded, first, answer), abs=1e-4)


def test_a_loss_that_is_no_number_is_handed_on(tiny_model, monkeypatch):
    """In 16 bits a loss may come to none: its row was never heard of again."""
    monkeypatch.setattr(losses, "_losses", lambda loaded, pieces: [math.nan] * len(pieces))
    ((index, one),) = losses.surprises(load(tiny_model()), [pair("is it?", "yes", Origin("x"))])
    assert index == 0 and math.isnan(one.conditioned) and math.isnan(one.alone)


def test_pieces_of_any_size_measure_the_same(tiny_model, context, monkeypatch):
    data = Dataset.of(pair(f"the capital of France {'is ' * n}", "Paris " * n, Origin("x")) for n in range(5))
    whole = ifd.score(data, ifd.Config(), context(model=tiny_model())).array("ifd")
    monkeypatch.setattr(ifd, "PIECE", 2)
    pieces = ifd.score(data, ifd.Config(), context(model=tiny_model())).array("ifd")
    assert math.isnan(whole[0]) and pieces == pytest.approx(whole, rel=1e-4, nan_ok=True)


def test_both_formulas_by_hand():
    assert ifd.ratio(2.0, 4.0, "loss") == 0.5
    assert ifd.ratio(2.0, 4.0, "perplexity") == pytest.approx(math.exp(-2))
    assert ifd.ratio(3.0, 3.0, "loss") == ifd.ratio(3.0, 3.0, "perplexity") == 1


def test_rows_that_the_question_does_not_help_go_first(numbered, context, monkeypatch, select):
    values = [0.5, 1.5, 0.9, math.nan, 0.1]
    monkeypatch.setattr(ifd, "score", lambda *_: Scores({"ifd": values}))
    found = select(ifd, numbered(5), ifd.Config(n=2), context())
    assert found.positions == (0, 2)
    reasons = ["the question does not help", "no answer to measure", "easier to follow"]
    assert [drop.reason for drop in found.dropped] == reasons
    assert select(ifd, numbered(5), ifd.Config(keep=1), context()).positions == (0, 2, 4)


def test_a_long_question_leaves_nothing_to_measure(tiny_model, context):
    data = Dataset.of([pair("Paris " * 60, "yes", Origin("x")), pair("true?", "yes", Origin("x"))])
    values = ifd.score(data, ifd.Config(max_tokens=40), context(model=tiny_model())).columns["ifd"]
    assert math.isnan(values[0]) and not math.isnan(values[1])
