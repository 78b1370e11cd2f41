import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from leaven.delia.variation import distinct, self_bleu, words


def test_distinct_is_counted_by_hand():
    texts = ["a b a", "a b"]  # a b a a b: 2 of 5; ab ba ab: 2 of 3
    assert distinct(texts, 1) == pytest.approx(2 / 5)
    assert distinct(texts, 2) == pytest.approx(2 / 3)
    assert math.isnan(distinct(["a"], 2))


def slow(texts):
    """Each text against all others by sacrebleu."""
    bleu = BLEU(smooth_method="floor", smooth_value=0.1, effective_order=True, tokenize="none")
    split = [" ".join(words(text)) for text in texts]
    scores = [bleu.sentence_score(text, split[:i] + split[i + 1 :]).score for i, text in enumerate(split)]
    return sum(scores) / len(scores)


TEXT = st.lists(st.sampled_from("use the format sep in json a .".split()), min_size=1, max_size=9).map(" ".join)


@settings(max_examples=150)
@given(st.lists(TEXT, min_size=2, max_size=6))
def test_self_bleu_is_sacrebleu_of_each_against_the_others(texts):
    assert self_bleu(texts) == pytest.approx(slow(texts), rel=1e-6)


def test_copies_have_all_and_strangers_nearly_none():
    assert self_bleu(["one two three four five"] * 3) == pytest.approx(100)
    assert self_bleu(["one two three four five", "six seven eight nine ten"]) < 5
    assert math.isnan(self_bleu(["alone"]))
