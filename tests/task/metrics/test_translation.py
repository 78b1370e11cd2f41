import math

import pytest
from sacrebleu.metrics import BLEU, CHRF
from tests.shared import DATA, with_data

from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.format import open_format
from leaven.task.metrics import translation
from leaven.task.scoring import Scoring

WMT = DATA / "wmt21_enis"


def scored(triples, **settings):
    rows = Dataset.of(pair(q, ref, Origin("x"), {"direction": d}) for q, ref, _, d in triples)
    measures = list(
        translation.score([answer for *_, answer, _ in triples], rows, Scoring(open_format("text"), settings))
    )
    return {(m.metric, m.item): m.value for m in measures}, rows


TRIPLES = [
    ("a?", "The old man sees the dog.", "The old man has the dog.", "x-en"),
    ("b?", "Hin kona serat.", "Hin kona serat.", "en-x"),
    ("c?", "Hin madur.", "", "en-x"),
]


def test_the_scores_are_sacrebleus():
    found, rows = scored(TRIPLES)
    for (_, reference, answer, _), row in zip(TRIPLES, rows, strict=True):
        expected = CHRF(word_order=2).sentence_score(answer, [reference]).score / 100
        assert found["chrf", row.id] == pytest.approx(expected)
    answers, references = [t[2] for t in TRIPLES], [t[1] for t in TRIPLES]
    assert found["bleu", ""] == pytest.approx(BLEU().corpus_score(answers, [references]).score / 100)
    assert found["bleu_en-x", ""] == pytest.approx(BLEU().corpus_score(answers[1:], [references[1:]]).score / 100)
    assert (found["exact", rows[1].id], found["exact", rows[0].id]) == (1, 0)
    assert ("chrf_x-en", rows[0].id) in found and ("chrf_x-en", rows[1].id) not in found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Sure, here is the Icelandic translation:\nÞað er.", "Það er."),
        ("Here's the translation: Yes: no.", "Yes: no."),
        ("English translation:\n\nHi", "Hi"),
        ("The time: now", "The time: now"),
        ("Sure.", "Sure."),
        ("Sure! I'd love to help. Here's the sentence you gave, translated into Lao:\nHi", "Hi"),
        ("Okay. Translation: Hi", "Hi"),
        ("**Translation:** Hi", "Hi"),
        ("The Icelandic translation of your sentence is: Hæ", "Hæ"),
        ("Here is the text in French: Salut", "Salut"),
        ("Of course, I can do that for you:\n\nHi", "Hi"),
        ("Here you go:\nHi", "Hi"),
    ],
)
def test_what_announces_a_translation_is_taken_off(text, left):
    assert translation.stripped(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "OK: the machine runs.",
        "Okay, he said: go away.",
        "Of course, there is a catch: it rains.",
        "Sure: it was late.",
        "Here is the problem: no one came.",
        "Here's what we know:\nNot much.",
        "The translation of the Bible: a history of five centuries.",
        "His translation: a failure, the critics said.",
        "No one would pay for a new translation: it is too long.",
        "Here it is, said the king: a new translation.",
    ],
)
def test_a_colon_of_the_text_itself_announces_nothing(text):
    assert translation.stripped(text) == text


def test_documents_are_scored_by_line_where_both_have_as_many():
    assert translation.segments("Sure, here it is:\na\n\nb", "c\nd\n") == [("a", "c"), ("b", "d")]
    assert translation.segments("a b", "c\nd") == [("a b", "c d")]


def test_a_shared_prefix_lends_nothing():
    prefix = "Sure, here is the translation:\n"
    found, rows = scored([("q", prefix + "abc def", prefix + "xyz uvw", "en-x")])
    assert found["chrf", rows[0].id] == pytest.approx(0)


@with_data
def test_real_references_score_one_against_themselves_and_less_against_others():
    lines = (WMT / "newsdev2021.en-is.ref.is").read_text(encoding="utf-8").splitlines()[:20]
    triples = [(f"q{i}", line, line, "en-is") for i, line in enumerate(lines)]
    found, _ = scored(triples)
    assert found["bleu", ""] == pytest.approx(1)
    shifted = [(q, ref, lines[i - 1], d) for i, (q, ref, _, d) in enumerate(triples)]
    assert scored(shifted)[0]["bleu", ""] < 0.1
    assert all(math.isfinite(value) for value in found.values())
