"""A short answer: at most so many words."""

import re
from collections.abc import Sequence
from math import ceil

from pydantic import Field

from leaven.section import Section
from leaven.task.formats._labels import SHARE

SHORT = "max_words"

FEW = 5
"""Only answers as short as this are taken for a format of their own; longer ones are prose that happens to be short."""

# A character of Chinese or Japanese counts as a word, for no blank tells where one ends; their stops and brackets
# do not, as those of other scripts, which stand at a word, do not either. Korean sets blanks.
_CHARACTER = r"\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_STOP = r"\u3001-\u3003\u3008-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_WORD = re.compile(rf"[{_CHARACTER}]|[^\s{_CHARACTER}{_STOP}]+")


class Config(Section):
    """How long an answer may be."""

    max_words: int = Field(ge=1)
    """The most words."""


def detect(text: str, config: Config) -> bool:
    """At least one word and no more than allowed; politeness counts, for it is words too."""
    return 1 <= _count(text) <= config.max_words


def value(text: str, config: Config) -> str | None:
    """The answer, without capitals and the stop at its end."""
    return text.strip().rstrip(".!。！").casefold() or None if detect(text, config) else None


def infer(answers: Sequence[str]) -> Config | None:
    """The longest of (nearly) all answers, where they are short."""
    counts = sorted(map(_count, answers))
    longest = counts[ceil(SHARE * len(counts)) - 1] if counts else 0
    return Config(max_words=longest) if 1 <= longest <= FEW else None


def describe(config: Config) -> str:
    """The limit."""
    return f"at most {_words(config)}"


def predicate(config: Config) -> str:
    """What several answers have."""
    return f"have at most {_words(config)}"


def word(config: Config) -> str:
    """The limit, in short."""
    return f"{config.max_words}-word"


def _words(config: Config) -> str:
    return f"{config.max_words} word{'s' * (config.max_words > 1)}"


def _count(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))
