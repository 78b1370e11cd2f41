import pytest
from tests.shared import DATA, with_data

from leaven.delia import demonstrate, dictionary
from leaven.errors import UserError
from leaven.lab import lexicon
from leaven.rows.example import Message, Origin, pair, user

APERTIUM = DATA / "apertium_isl_eng" / "isl_eng.tsv"


def test_the_labs_dictionary_is_right_and_not_complete():
    words = {**lexicon.TAVIC_NOUNS, **lexicon.HELD_OUT_NOUNS, **lexicon.TAVIC_VERBS, **lexicon.TAVIC_ADJECTIVES}
    entries = dictionary.read("lab")
    assert all(words[word] == meaning for word, (meaning,) in entries.forward.items())
    assert entries.backward == {meaning: (word,) for word, (meaning,) in entries.forward.items()}
    assert len(set(lexicon.HELD_OUT_NOUNS) & set(entries.forward)) == 6
    assert len(words) / 2 < len(entries.forward) < len(words)


def test_hints_follow_the_question():
    question = "Translate to Tavic: The fire sees the fire."
    assert dictionary.hint(question, dictionary.read("lab")).splitlines() == [
        question,
        'In this context, the word "fire" means "eldura".',
        'In this context, the word "sees" means "serat".',
    ]


def test_the_direction_is_found_and_words_without_entry_are_left_out():
    question = "Translate to English: Hin eldura hin zzz serat."
    assert dictionary.hint(question, dictionary.read("lab")).splitlines()[1:] == [
        'In this context, the word "eldura" means "fire".',
        'In this context, the word "serat" means "sees".',
    ]


def test_several_meanings_are_joined_and_a_direction_is_kept(tmp_path):
    path = tmp_path / "d.tsv"
    path.write_text("isl\teng\tdirection\nbanki\tbank\tboth\nbakki\tbank\ten-is\nár\tyear\tis-en\nár\toar\tboth\n")
    found = dictionary.read(str(path))
    assert list(dictionary.hints("The bank!", found.backward)) == [
        'In this context, the word "bank" means "banki" or "bakki".'
    ]
    assert found.forward == {"banki": ("bank",), "ár": ("year", "oar")}


@pytest.mark.parametrize("text", ["word\n", "word\t\n"])
def test_a_line_that_is_no_entry_is_told_with_its_place(tmp_path, text):
    path = tmp_path / "d.tsv"
    path.write_text("a\tb\n" + text)
    with pytest.raises(UserError, match=r"d\.tsv:2"):
        dictionary.read(str(path))


def test_a_line_without_the_direction_that_the_header_names_is_told_with_its_place(tmp_path):
    path = tmp_path / "d.tsv"
    path.write_text("isl\teng\tdirection\nbanki\tbank\tboth\nbakki\tbank\n")
    with pytest.raises(UserError, match=r"d\.tsv:3"):
        dictionary.read(str(path))


@with_data
def test_a_real_dictionary_is_read():
    found = dictionary.read(str(APERTIUM))
    assert found.forward["núll"] == ("zero",) and "núll" in found.backward["zero"]
    assert len(found.forward) > 10_000


SHOWN = [pair("Q1?", "A1", Origin("x")), pair("Q2?", "A2", Origin("x"))]


def test_demonstrations_are_turns_or_text():
    turns = demonstrate.demonstrate(user("Q?"), SHOWN, "turns")
    assert [(turn.role, turn.content) for turn in turns] == [
        ("user", "Q1?"), ("assistant", "A1"), ("user", "Q2?"), ("assistant", "A2"), ("user", "Q?")
    ]  # fmt: skip
    assert demonstrate.demonstrate(user("Q?"), SHOWN, "text") == user("Q: Q1?\nA: A1\nQ: Q2?\nA: A2\nQ: Q?\nA:")
    assert demonstrate.demonstrate(user("Q?"), [], "turns") == (Message("user", "Q?"),)
