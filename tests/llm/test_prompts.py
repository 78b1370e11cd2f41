import pytest

from leaven.errors import UserError
from leaven.llm.prompts.render import FOLDER, names, render, source
from leaven.task.phrasebook import phrasings

KINDS = [("follow", "train", 24), ("follow", "unseen", 10), ("negative", "train", 8), ("negative", "unseen", 6)]


@pytest.mark.parametrize(("kind", "split", "least"), KINDS)
def test_every_phrasing_is_a_short_sentence_that_names_the_token_once(kind, split, least):
    book = phrasings(kind, split)
    assert len(book) >= least
    for phrasing in book:
        assert phrasing.count("{token}") == 1
        assert phrasing[0].isupper() or phrasing.startswith("{token}")
        assert phrasing[-1] in ".?"
        assert 3 <= len(phrasing.split()) <= 12


def test_no_phrasing_is_in_the_book_twice():
    everything = [text for kind, split, _ in KINDS for text in phrasings(kind, split)]
    assert len({text.casefold() for text in everything}) == len(everything)


def test_unseen_phrasings_share_no_four_words_in_a_row_with_training():
    def windows(text):
        words = text.rstrip(".?").casefold().split()
        return {tuple(words[i : i + 4]) for i in range(len(words) - 3)}

    for kind in ("follow", "negative"):
        trained = set().union(*map(windows, phrasings(kind, "train")))
        assert not any(windows(text) & trained for text in phrasings(kind, "unseen"))


def test_unknown_kind_split_and_template_name_the_nearest():
    for call, word in [
        (lambda: phrasings("folow", "train"), "follow"),
        (lambda: phrasings("follow", "unsen"), "unseen"),
        (lambda: source("diversfy"), "diversify"),
    ]:
        with pytest.raises(UserError) as caught:
            call()
        assert word in caught.value.hint


def test_names_are_the_files_that_ship():
    assert len(names()) == len(list(FOLDER.glob("*.jinja"))) >= 2


def test_template_syntax_and_markup_in_a_value_come_through_literally():
    value = "{{ 7 * 7 }} {% for x in y %} <b>&amp;</b> {# note #} {token} <sep>"
    assert value in render("sdft", instruction=value, reference="r")
    assert value in render("diversify", instruction=value, count=3, marks=[])


def test_every_line_of_the_quoted_instruction_stays_quoted():
    text = render("diversify", instruction="Use <sep>.\nReply with nothing.", count=3, marks=["<sep>"])
    assert "> Use <sep>.\n> Reply with nothing.\n" in text
    assert "letter for letter" in text


def test_a_missing_value_is_refused():
    with pytest.raises(UserError, match="count"):
        render("diversify", instruction="x", marks=[])


def test_a_value_can_not_reach_into_python(monkeypatch):
    monkeypatch.setattr("leaven.llm.prompts.render.source", lambda name: "{{ x.__class__.__mro__ }}")
    with pytest.raises(UserError, match="unsafe"):
        render("any", x="text")
