"""Find test rows that training has seen, and pool rows that a test asks about; before anything is trained.

Two questions overlap when they are the same (`exact`), the same but for case, punctuation and blanks (`normalised`),
have a line in common (`line`: a question often stands inside a longer prompt), or share most n-grams (`ngram`).

Prompts are built from templates, and what a template says is no leak. So lines and n-grams count only where they tell
rows apart: what stands in more than one row of twenty of either set (and in more than five rows) is left out. Lines of
fewer than four words are left out as well.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from leaven.dataset import Dataset
from leaven.recipe import LeaksSection
from leaven.types import Drop, Example

COMMON_ROWS, COMMON_SHARE, LINE_WORDS = 5, 0.05, 4
_GAP = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is left, and every row that was taken out with where it stood (the test's name, or "pool")."""

    tests: Mapping[str, Dataset]
    pool: Dataset | None
    dropped: tuple[tuple[str, Drop], ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """A question in the forms that are compared."""

    exact: str
    whole: str
    lines: frozenset[str]
    ngrams: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Index:
    """Every form of every question of a set, and in which rows each stands."""

    rows: Mapping[tuple[str, object], tuple[int, ...]]
    common: frozenset[tuple[str, object]]
    sizes: tuple[int, ...]
    places: tuple[str, ...]


def guard(train: Dataset, tests: Mapping[str, Dataset], pool: Dataset | None, config: LeaksSection) -> Guarded:
    """Tests without rows that overlap with `train`, and the pool without rows that overlap with a test that is left."""
    dropped: list[tuple[str, Drop]] = []
    left: dict[str, Dataset] = {}
    for name, test in tests.items():
        left[name], gone = _without(test, train, "a training row", config)
        dropped += [(name, drop) for drop in gone]
    if pool is not None and left:
        asked = sum(list(left.values())[1:], start=next(iter(left.values())))
        pool, gone = _without(pool, asked, "a test row", config)
        dropped += [("pool", drop) for drop in gone]
    return Guarded(left, pool, tuple(dropped))


def _without(rows: Dataset, seen: Dataset, what: str, config: LeaksSection) -> tuple[Dataset, list[Drop]]:
    """The rows that overlap with none of `seen`, and the others with the row that they overlap with."""
    texts = [_text(row, config.ngram) for row in rows]
    index = _indexed([_text(row, config.ngram) for row in seen], [_place(row) for row in seen])
    common = _indexed(texts, [""] * len(texts)).common | index.common
    kept: list[int] = []
    dropped: list[Drop] = []
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        match = _match(text, index, common, config.share)
        if match is None:
            kept.append(number)
        else:
            kind, place = match
            dropped.append(Drop(row, f"overlaps with {what} ({kind})", detail=place))
    return rows.rows(kept, "leak check"), dropped


def _match(text: _Text, index: _Index, common: frozenset[tuple[str, object]], share: float) -> tuple[str, str] | None:
    """The kind of overlap and the row that it is with, or None."""
    for kind, form in (("exact", text.exact), ("normalised", text.whole)):
        if found := index.rows.get((kind, form)):
            return kind, index.places[found[0]]
    for line in sorted(text.lines):
        if ("line", line) not in common and (found := index.rows.get(("line", line))):
            return "line", index.places[found[0]]
    telling = [ngram for ngram in text.ngrams if ("ngram", ngram) not in common]
    hits = Counter(row for ngram in telling for row in index.rows.get(("ngram", ngram), ()))
    for row, count in hits.most_common(1):
        if count >= share * min(len(telling), index.sizes[row]):
            return "ngram", index.places[row]
    return None


def _indexed(texts: list[_Text], places: list[str]) -> _Index:
    rows: dict[tuple[str, object], list[int]] = {}
    for number, text in enumerate(texts):
        for form in _forms(text):
            rows.setdefault(form, []).append(number)
    limit = max(COMMON_ROWS, COMMON_SHARE * len(texts))
    common = frozenset(form for form, found in rows.items() if len(found) > limit)
    sizes = tuple(sum(("ngram", ngram) not in common for ngram in text.ngrams) for text in texts)
    return _Index({form: tuple(found) for form, found in rows.items()}, common, sizes, tuple(places))


def _forms(text: _Text) -> Iterator[tuple[str, object]]:
    yield "exact", text.exact
    yield "normalised", text.whole
    yield from (("line", line) for line in text.lines)
    yield from (("ngram", ngram) for ngram in text.ngrams)


def _text(row: Example, n: int) -> _Text:
    exact = "\n".join(message.content for message in row.prompt)
    whole = _normal(exact)
    words = whole.split()
    lines = frozenset(line for part in exact.split("\n") if (line := _normal(part)).count(" ") >= LINE_WORDS - 1)
    return _Text(exact, whole, lines, frozenset(_ngrams(words, n)))


def _ngrams(words: list[str], n: int) -> Iterable[int]:
    """Hashes: a pool of a million rows would not fit as text."""
    return (hash(tuple(words[i : i + n])) for i in range(len(words) - n + 1))


def _normal(text: str) -> str:
    return _GAP.sub(" ", text.casefold()).strip()


def _place(row: Example) -> str:
    return row.origin.place or row.id
