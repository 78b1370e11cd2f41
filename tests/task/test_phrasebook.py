"""The phrasebook: every phrasing names the token once, and what a test asks is not what a training says."""

import pytest

from leaven.errors import UserError
from leaven.task.phrasebook import phrasings

KINDS = [
    ("follow", "train", 24),
    ("follow", "unseen", 10),
    ("follow", "dev", 8),
    ("negative", "train", 8),
    ("negative", "contrast", 8),
    ("negative", "unseen", 6),
]
BARE = ("follow", "bare", 8)


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
    everything = [text for kind, split, _ in (*KINDS, BARE) for text in phrasings(kind, split)]
    assert len({text.casefold() for text in everything}) == len(everything)


@pytest.mark.parametrize("kind", ["follow", "negative"])
def test_no_four_words_in_a_row_are_in_two_splits(kind):
    """A test asks what neither a training nor a choice of settings has met."""
    owner: dict[tuple[str, ...], str] = {}
    for split in (split for name, split, _ in KINDS if name == kind):
        for text in phrasings(kind, split):
            words = text.rstrip(".?").casefold().split()
            for start in range(len(words) - 3):
                assert owner.setdefault(tuple(words[start : start + 4]), split) == split, text


@pytest.mark.parametrize(("kind", "split", "nearest"), [("folow", "train", "follow"), ("follow", "unsen", "unseen")])
def test_an_unknown_kind_or_split_names_the_nearest(kind, split, nearest):
    with pytest.raises(UserError) as error:
        phrasings(kind, split)
    assert nearest in error.value.hint
