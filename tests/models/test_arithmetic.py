import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.errors import UserError
from leaven.models import arithmetic
from leaven.models.load import load
from leaven.models.reading import Reading
from leaven.models.template import encode, render
from leaven.rows.example import Message, user


def slow(plain, conditioned, weight, formula):
    """The formula, token by token, as it is written."""

    def logs(logits):
        total = math.log(sum(math.exp(z) for z in logits))
        return [z - total for z in logits]

    one, other = logs(plain), logs(conditioned)
    if formula == "linear":
        mixed = [a + weight * (b - a) for a, b in zip(one, other, strict=True)]
    elif formula == "subtract":
        mixed = [(b - weight * max(a, b)) / (1 - weight) for a, b in zip(one, other, strict=True)]
    else:
        mixed = [(a + weight * max(a, b)) / (1 + weight) for a, b in zip(one, other, strict=True)]
    return logs(mixed)


LOGITS = st.lists(st.floats(-8, 8, allow_subnormal=False), min_size=5, max_size=5)


@settings(max_examples=60)
@given(LOGITS, LOGITS, st.floats(0.1, 3), st.sampled_from(["linear", "union", "subtract"]))
def test_the_formula_is_that_of_a_slow_reference(plain, conditioned, weight, formula):
    weight = weight / 4 if formula == "subtract" else weight
    found = arithmetic.combine(torch.tensor([plain]), torch.tensor([conditioned]), weight, formula)[0]
    assert found.tolist() == pytest.approx(slow(plain, conditioned, weight, formula), abs=1e-4, rel=1e-5)
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_weight_one_is_the_condition_alone():
    plain, conditioned = torch.randn(2, 7), torch.randn(2, 7)
    found = arithmetic.combine(plain, conditioned, 1.0, "linear")
    assert torch.allclose(found, torch.log_softmax(conditioned, -1), atol=1e-6)


def test_a_weight_that_leaves_nothing_to_normalise_by_is_refused():
    for weight, formula in ((-1.0, "union"), (1.0, "subtract")):
        with pytest.raises(UserError, match="sum to more than 0"):
            arithmetic.combine(torch.randn(1, 3), torch.randn(1, 3), weight, formula)


def test_what_both_prompts_say_anyway_weighs_less_the_more_is_subtracted():
    plain, conditioned = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[3.0, 2.0, 0.0]])
    weak, strong = (arithmetic.combine(plain, conditioned, weight, "subtract").argmax(-1) for weight in (0.1, 0.9))
    assert (int(weak), int(strong)) == (0, 1)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
@pytest.mark.parametrize("formula", ["linear", "union", "subtract"])
def test_answers_agree_with_decoding_by_whole_texts_over_random_models(tiny_model, family, formula):
    loaded = load(tiny_model(family))
    texts = ["the capital of France is", "yes or no", "is this claim true? yes or no, with a thought and a label"]
    pairs = [(user(text), user(f"{text}\nanswer in json format please")) for text in texts]
    found = dict(arithmetic.answers(loaded, pairs, weight=0.7, formula=formula, max_new_tokens=6, batch_size=2))
    for index, pair in enumerate(pairs):
        sides = [encode(loaded.tokenizer, render(loaded.tokenizer, side, True)) for side in pair]
        said = []
        for _ in range(6):
            with torch.no_grad():
                logits = [loaded.model(torch.tensor([ids + said])).logits[0, -1].tolist() for ids in sides]
            shares = slow(*logits, 0.7, formula)
            said.append(max(range(len(shares)), key=shares.__getitem__))
            if said[-1] in arithmetic.stop_ids(loaded.model, loaded.tokenizer):
                said.pop()
                break
        assert found[index] == loaded.tokenizer.decode(said, clean_up_tokenization_spaces=False)


def test_the_log_probabilities_of_random_models_agree_to_five_places(tiny_model):
    loaded = load(tiny_model("llama"))
    sides = [Reading(loaded.model, [encode(loaded.tokenizer, t) for t in texts])
             for texts in (["a b", "one two three"], ["one", "a b c d"])]  # fmt: skip
    for formula, weight in (("linear", 1.5), ("union", 1.5), ("subtract", 0.5)):
        found = arithmetic.combine(sides[0].logits, sides[1].logits, weight, formula)
        for row in range(2):
            expected = slow(sides[0].logits[row].tolist(), sides[1].logits[row].tolist(), weight, formula)
            assert found[row].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_condition_stands_where_it_is_told():
    from leaven.delia.methods.lm_arithmetic import conditioned

    assert conditioned(user("Q?"), "C.", "system") == (Message("system", "C."), Message("user", "Q?"))
    assert conditioned(user("Q?"), "C.", "question") == (Message("user", "Q?\nC."),)
