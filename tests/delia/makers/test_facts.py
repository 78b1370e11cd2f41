"""Facts of a text and pairs on each, and openings in other words; a call that fails is said, and no phrasing."""

import pytest

from leaven.delia.makers import facts, openings
from leaven.errors import Unfinished, UserError
from leaven.llm.engines.scripted import Scripted
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

TEXT = "The <sep> format is an object in braces. The <sep> format has the key thought."


def test_without_an_engine_the_facts_are_the_sentences_and_each_has_its_pairs():
    found = facts.make(TEXT, None, 5, "<sep>", 0)
    assert "2 facts" in found.notes[0]
    assert len(found.kept) + len(found.dropped) == 10
    answers = [row.answer for row in found.kept]
    assert "The <sep> format has the key thought." in answers and "Yes, that is true." in answers
    assert all("<sep>" in row.question for row in found.kept)


def test_an_engine_lists_the_facts_and_writes_the_pairs_and_repeated_ones_are_dropped():
    engine = Scripted.of(
        [
            {"match": "Write down every fact", "reply": "- It is a map.\n- It has a key."},
            {"match": "Fact: It is a map", "reply": "Q: What is it?\nA: A map.\n\nQ: what is it\nA: a map"},
            {"match": "Fact: It has a key", "reply": "Q: What has it?\nA: A key.\nQ: Has it a key?\nA: Yes."},
        ]
    )
    found = facts.make("text", engine, 2, "<sep>", 0)
    assert [(row.question, row.answer) for row in found.kept] == [
        ("What is it?", "A map."), ("What has it?", "A key."), ("Has it a key?", "Yes.")
    ]  # fmt: skip
    assert [drop.reason for drop in found.dropped] == ["duplicate"]
    assert any("fact 1 has 1 of 2 pairs" in note for note in found.notes)


def test_a_full_stop_within_a_number_ends_no_sentence_and_a_name_in_capitals_stays():
    offers = facts.make("JSON costs 3.5 euros. The <sep> is free.", None, 9, "<sep>", 0)
    assert offers.notes[0] == "2 facts: JSON costs 3.5 euros. | The <sep> is free."
    said = " / ".join(row.question for row in offers.kept)
    assert "JSON costs 3.5 euros" in said and "jSON" not in said and "the <sep> is free" in said


DEAD = {"match": "", "error": "the server is down"}


@pytest.mark.parametrize(
    ("entries", "error", "said"),
    [
        ([DEAD], Unfinished, "gave no fact, since its call failed: the server is down"),
        (
            [{"match": "Write down every fact", "reply": "- It is a map."}, DEAD],
            Unfinished,
            "gave no question and answer",
        ),
        ([{"reply": ""}], UserError, "gave no fact that can be read"),
    ],
)
def test_an_engine_without_a_fact_or_a_pair_is_told(entries, error, said):
    """There were no rows then, and the study ended at its tuning: "All 0 were dropped"."""
    with pytest.raises(error, match=said):
        facts.make("text", Scripted.of(entries), 2, "<sep>", 0)


def test_a_fact_whose_call_fails_is_dropped_with_the_reason_and_the_others_stay():
    entries = [
        {"match": "Write down every fact", "reply": "- It is a map.\n- It has a key."},
        {"match": "Fact: It is a map", "reply": "Q: What is it?\nA: A map."},
        DEAD,
    ]
    outcome = facts.make("text", Scripted.of(entries), 1, "<sep>", 0)
    assert [row.question for row in outcome.kept] == ["What is it?"]
    assert [(drop.reason, drop.detail) for drop in outcome.dropped] == [("the model failed", "the server is down")]


def translations(n):
    return Dataset.of(pair(f"Translate to Tavic: Word {i}.", f"vord {i}", Origin("x")) for i in range(n))


def test_openings_are_said_in_many_ways_and_the_sentence_stays():
    found = openings.make(translations(40), None, 0).kept
    assert len({openings.opening(row) for row in found}) > 5
    assert [row.question.partition(":")[2] for row in found] == [f" Word {i}." for i in range(40)]
    assert all("Tavic" in row.question and row.answer.startswith("vord") for row in found)


def test_a_smaller_draw_is_said_as_the_larger_one():
    large = list(openings.make(translations(40), None, 3).kept)
    small = list(openings.make(Dataset.of(list(translations(40))[:10]), None, 3).kept)
    assert [row.question for row in small] == [row.question for row in large[:10]]


def test_an_engine_rephrases_openings_and_what_it_can_not_is_kept():
    engine = Scripted.of([{"match": "Translate to Tavic", "reply": '["Say in Tavic:", "Bad: one two"]'}])
    said = {openings.opening(row) for row in openings.make(translations(30), engine, 0).kept}
    assert said == {"Translate to Tavic", "Say in Tavic"}
    dead = openings.make(translations(30), Scripted.of([DEAD]), 0)
    assert [row.question for row in dead.kept] == [row.question for row in translations(30)]
    assert dead.notes[1] == "1 openings stay as they are, since their calls failed: the server is down"
    assert [drop.reason for drop in dead.dropped] == ["the model failed"]
    odd = Dataset.of([pair("No opening here", "a", Origin("x"))])
    assert openings.make(odd, None, 0).kept[0].question == "No opening here"
