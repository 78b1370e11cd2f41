"""The phrasebook: every phrasing names the token once, and what a test asks is not what a training says."""

import pytest

from leaven.errors import UserError
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


@pytest.mark.parametrize(("kind", "split", "nearest"), [("folow", "train", "follow"), ("follow", "unsen", "unseen")])
def test_an_unknown_kind_or_split_names_the_nearest(kind, split, nearest):
    with pytest.raises(UserError) as error:
        phrasings(kind, split)
    assert nearest in error.value.hint
