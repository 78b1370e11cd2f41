"""The guard against test rows that training has seen, and against pool rows that give a test away.

Two prompts (without system turns) overlap, in this order, when

1. they are equal: `exact`;
2. they are equal but for case, punctuation, space and signs that nobody sees (U+200B …): `normalised`;
3. a line of one, with or without its label ("Question: …"), is a line of the other: `line`. A sentence inside a
   longer line counts too, where all that the two share is half of what the shorter one has of its own;
4. half of the n-grams that the shorter one has of its own are in the other: `ngram`.

All prompts of a set may begin with the same instructions, or ask in one of a few templates. What a text has *of its
own* is therefore told by document frequency. A piece (a line, cut after its label and at the ends of sentences) is
boilerplate where more than a twentieth of the different prompts of any set have it (at least 3, at most 10 of them): it
proves nothing. Between that and two prompts, a piece proves something only where no other piece of the row is rarer:
"What is the capital of Peru? Answer in one word." is known by its question, though other rows ask it too, and not by
its request. So a question of five words is found in a prompt that begins with 1,500 letters of instructions, and two
rows that share no more than a template are left in peace.

A test row that overlaps with train leaves its test. A pool row that overlaps with a test row, or that is equal (1, 2)
to a train prompt, leaves the pool. All look-ups are by hash: time grows with the number of words.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import Field

from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop
from leaven.rows.passages import Commonness, Text, Texts
from leaven.section import Section


class LeaksSection(Section):
    """The guard against test rows that training has seen."""

    enabled: bool = True
    """Look for overlap between train, test and pool before anything is trained."""
    ngram: int = Field(13, ge=3)
    """Words in a row that two texts must share to overlap."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the shorter text's own n-grams (or words, for single sentences) that both must have."""
    passage: int = Field(5, ge=2)
    """Fewest words of a line or sentence that is an overlap by itself."""
    common: float = Field(0.05, ge=0, le=1)
    """A line or n-gram in more than this share of a set's prompts (at least 3, at most 10 of them) is boilerplate."""
    exposed: Literal["keep", "drop"] = "keep"
    """Queries of the pool that ask in a test's phrasings, with another word for the token, or are answered in the
    format that it means: keep (and count, so that the report says what is unseen), or drop."""


class Match(NamedTuple):
    """An overlap: row number `row` of `where` (a test's name, or "pool") with row number `other` of `against`.

    `source` is the place that the other row comes from.
    """

    where: str
    row: int
    kind: str
    against: str
    other: int
    source: str
    evidence: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is left of the tests and the pool; `dropped` pairs every row that left with where it was."""

    tests: dict[str, Dataset]
    pool: Dataset | None
    dropped: tuple[tuple[str, Drop], ...] = ()
    matches: tuple[Match, ...] = ()


def guard(
    train: Dataset,
    tests: Mapping[str, Dataset],
    pool: Dataset | None,
    config: LeaksSection,
    content: Callable[[str], str] = str,
) -> Guarded:
    """The tests without rows that overlap with train, and the pool without rows that overlap with a test or train.

    The pool is compared with every test row, also with those that have left their test. A test may come back empty.
    `content` is what of a text is compared: two questions that ask for the same format are not the same question.
    """
    if not config.enabled:
        return Guarded(dict(tests), pool)
    data = [("train", train), *tests.items(), *([("pool", pool)] if pool is not None else [])]
    texts = [Texts(rows, config.ngram, config.common, content) for _, rows in data]
    commonness = Commonness(texts)
    training, *others = [_Index(name, each, commonness, config) for (name, _), each in zip(data, texts, strict=True)]
    questions = others[: len(tests)]
    matches = [match for test in questions for match in _matches(test, [training], [], config)]
    matches += [match for rows in others[len(tests) :] for match in _matches(rows, questions, [training], config)]
    overlaps: dict[str, dict[int, Match]] = defaultdict(dict)
    for match in matches:
        overlaps[match.where][match.row] = match
    left = {name: _without(test, overlaps[name]) for name, test in tests.items()}
    dropped = [(where, _drop(data, match)) for where, data in tests.items() for match in overlaps[where].values()]
    if pool is not None:
        dropped += [("pool", _drop(pool, match)) for match in overlaps["pool"].values()]
        pool = _without(pool, overlaps["pool"])
    return Guarded(left, pool, tuple(dropped), tuple(matches))


class _Index:
    """A set's texts, and in which of them every prompt, telling passage and n-gram stands."""

    def __init__(self, name: str, texts: Texts, commonness: Commonness, config: LeaksSection) -> None:
        self.name, self.texts, self.commonness = name, texts, commonness
        self.exact = {text.exact: number for number, text in reversed(list(enumerate(self.texts.texts)))}
        self.folded = {text.folded: number for number, text in reversed(list(enumerate(self.texts.texts)))}
        self._config = config
        self._passages: dict[str, list[tuple[int, bool]]] | None = None
        self._grams: dict[str, list[int]] | None = None

    @property
    def passages(self) -> dict[str, list[tuple[int, bool]]]:
        """Passage → the rows that it identifies, and whether it is a whole line there."""
        if self._passages is None:
            self._passages = defaultdict(list)
            for number, text in enumerate(self.texts.texts):
                for passage in text.passages(self._config.passage):
                    if self.commonness.identifies(passage, text):
                        self._passages[passage.text].append((number, passage.whole))
        return self._passages

    @property
    def grams(self) -> dict[str, list[int]]:
        """N-gram → the rows that have it."""
        if self._grams is None:
            self._grams = defaultdict(list)
            for number, text in enumerate(self.texts.texts):
                for gram in text.grams(self._config.ngram):
                    self._grams[gram].append(number)
        return self._grams


def _matches(
    index: _Index, against: Sequence[_Index], equal_only: Sequence[_Index], config: LeaksSection
) -> list[Match]:
    """The first match of each row of `index`, if it has one."""
    matches: list[Match] = []
    for number, text in enumerate(index.texts.texts):
        match = next((m for i in (*against, *equal_only) if (m := _equal(index.name, number, text, i))), None)
        match = match or next((m for i in against if (m := _passage(index, number, text, i, config))), None)
        match = match or next((m for i in against if (m := _grams(index, number, text, i, config))), None)
        if match:
            matches.append(match)
    return matches


def _equal(where: str, number: int, text: Text, other: _Index) -> Match | None:
    for kind, key, index in (("exact", text.exact, other.exact), ("normalised", text.folded, other.folded)):
        if key in index and (key or kind == "exact"):
            row = index[key]
            return Match(where, number, kind, other.name, row, other.texts.places[row], key)
    return None


def _passage(index: _Index, number: int, text: Text, other: _Index, config: LeaksSection) -> Match | None:
    for passage in text.passages(config.passage):
        rows = other.passages.get(passage.text)
        # Boilerplate of either set is none of the evidence.
        if not rows or not index.commonness.identifies(passage, text):
            continue
        for row, whole in rows:
            share = _share(text, other.texts.texts[row], index.commonness)
            if (whole and passage.whole) or share >= config.share:
                return Match(index.name, number, "line", other.name, row, other.texts.places[row], passage.text, share)
    return None


def _share(text: Text, other: Text, commonness: Commonness) -> float:
    """How much of the words that the shorter one has of its own both have."""
    own, theirs = ({p for p in each.pieces if not commonness.is_boilerplate(p)} for each in (text, other))
    return _words(own & theirs) / max(min(_words(own), _words(theirs)), 1)


def _words(pieces: set[str]) -> int:
    return sum(piece.count(" ") + 1 for piece in pieces)


def _grams(index: _Index, number: int, text: Text, other: _Index, config: LeaksSection) -> Match | None:
    grams = text.grams(config.ngram)
    if not any(gram in other.grams for gram in grams):
        return None
    own = {gram for gram in grams if _tells(gram, index, other)}
    rows = Counter(row for gram in own for row in other.grams.get(gram, ()))
    for row, shared in rows.most_common():  # a short text may be here whole, beside a long one that shares more of it
        theirs = sum(_tells(gram, index, other) for gram in other.texts.texts[row].grams(config.ngram))
        share = shared / min(len(own), theirs)
        if share >= config.share:
            evidence = next(gram for gram in sorted(own) if row in other.grams.get(gram, ()))
            return Match(index.name, number, "ngram", other.name, row, other.texts.places[row], evidence, share)
    return None


def _tells(gram: str, index: _Index, other: _Index) -> bool:
    return all(texts.gram_counts[gram] <= texts.limit for texts in (index.texts, other.texts))


def _without(data: Dataset, overlaps: Mapping[int, Match]) -> Dataset:
    return data.rows([number for number in range(len(data)) if number not in overlaps], "leaks.guard")


def _drop(data: Dataset, match: Match) -> Drop:
    what = "a training row" if match.against == "train" else "a test row"
    return Drop(data[match.row], f"overlaps with {what} ({match.kind})", match.share, match.source)
