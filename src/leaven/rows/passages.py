"""Texts as words, lines and pieces, and how common each piece is in a set: what overlap is judged by."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example

UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese): each character is a word."""
_PUNCTUATION = r"!-/:-@\[-`{-~\u00a1\u00ab\u00b7\u00bb\u00bf\u2000-\u206f\u3000-\u303f"
# An operator is a word too: "3 + 4" and "3 - 4" are not the same question.
_WORD = re.compile(rf"[{UNSPACED}]|[^{UNSPACED}\s{_PUNCTUATION}]+|[+*/<>=^%](?=\s*[\w(])|-(?=\s*\d)")
_PIECE_END = re.compile(r"(?<=[.?!:])[\"')\]]*\s+|(?<=[。？！：])")
_LABEL = re.compile(r"\W*(?:\w+\W+){0,3}?\w+\W{0,3}:(?:\s+|$)")

# Code points that Unicode calls default ignorable (DerivedCoreProperties.txt, 16.0): zero-width and soft hyphens,
# joiners, directions, variation selectors.
_UNSEEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)

# A piece in one or two prompts belongs to them: a question that is asked twice, say with a right and a wrong answer.
RARE = 2
# In a small set a twentieth is nothing, in a large one it is hundreds: between these, the share decides.
LEAST_COMMON, MOST_COMMON = 3, 10


class Passage(NamedTuple):
    """Words that stand together in a text: `pieces` are what they are made of, `whole` says that they fill a line."""

    text: str
    pieces: tuple[str, ...]
    whole: bool


class Text:
    """The prompt of a row, without system turns, folded: case, width, punctuation, space and the unseen do not count.

    `content` is what of a turn's text counts.
    """

    def __init__(self, example: Example, content: Callable[[str], str] = str) -> None:
        self.source = "\n".join(content(turn.content) for turn in example.prompt if turn.role != "system")
        self.exact = self.source
        self.lines = [pieces for line in visible(self.source).split("\n") if (pieces := _pieces(line))]
        self.folded = " ".join(" ".join(pieces) for _, pieces in self.lines)
        self.pieces = {piece for _, pieces in self.lines for piece in pieces}

    def passages(self, least: int) -> Iterator[Passage]:
        """Every line, with and without its label ("Question: …"), and every sentence, of at least so many words."""
        for labelled, pieces in self.lines:
            spans = [(pieces, True), *(((piece,), len(pieces) == 1) for piece in pieces)]
            if labelled and len(pieces) > 1:
                spans.append((pieces[1:], True))
            for span, whole in spans:
                text = " ".join(span)
                if text.count(" ") + 1 >= least:
                    yield Passage(text, span, whole)

    def grams(self, n: int) -> set[str]:
        """All runs of `n` words."""
        words = self.folded.split(" ")
        return {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}


class Texts:
    """The texts of a set, and in how many different prompts of it each piece and each n-gram occurs."""

    def __init__(self, data: Dataset, ngram: int, common: float, content: Callable[[str], str] = str) -> None:
        self.places = [example.origin.place or example.id for example in data]
        self.texts = [Text(example, content) for example in data]
        self.ngram = ngram
        distinct = {text.folded: text for text in self.texts}
        self.different = list(distinct.values())
        self.limit = min(max(common * len(distinct), LEAST_COMMON), MOST_COMMON)
        self.counts = Counter(piece for text in self.different for piece in text.pieces)

    @cached_property
    def gram_counts(self) -> Counter[str]:
        """In how many different prompts each n-gram occurs."""
        return Counter(gram for text in self.different for gram in text.grams(self.ngram))


class Commonness:
    """How common a piece is in the set that has it most often."""

    def __init__(self, sets: Sequence[Texts]) -> None:
        self._sets = sets

    def count(self, piece: str) -> int:
        """In how many different prompts of a set it is, at most."""
        return max(texts.counts[piece] for texts in self._sets)

    def is_boilerplate(self, piece: str) -> bool:
        """Whether it is common in any set."""
        return any(texts.counts[piece] > texts.limit for texts in self._sets)

    def identifies(self, passage: Passage, text: Text) -> bool:
        """Whether the text can be known by this passage: few others have it, or nothing in the text is rarer."""
        rarest = min(passage.pieces, key=self.count)
        count = self.count(rarest)
        return count <= RARE or (not self.is_boilerplate(rarest) and count <= min(map(self.count, text.pieces)))


def _pieces(line: str) -> tuple[bool, tuple[str, ...]] | None:
    """Whether the line begins with a label, and its sentences, folded; a label is a piece of its own."""
    label = _LABEL.match(line)
    rest = line[label.end() :] if label else line
    parts: Iterable[str] = [*([label.group()] if label else []), *_PIECE_END.split(rest)]
    folded = tuple(words for part in parts if (words := fold(part)))
    return (label is not None, folded) if folded else None


def visible(text: str) -> str:
    r"""A text without what nobody sees, to compare it by; never to keep it: joiners tell emoji and Persian words apart.

    >>> visible("the cap\u200bital of Pe\u00adru")
    'the capital of Peru'
    """
    return text if text.isascii() else _UNSEEN.sub("", text)


def fold(text: str) -> str:
    """The words of a text, one space between them."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(_WORD.findall(plain.casefold().replace("_", " ")))
