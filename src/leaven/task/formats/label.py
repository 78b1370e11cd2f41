"""A line of the answer that says a label: `Sentiment: positive`."""

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import Field, field_validator

from leaven.section import Section
from leaven.task.formats._labels import SHARE, labels_of, normal, one_of, series
from leaven.task.formats._wrap import unwrap

SHORT = "pattern"

MAX_LENGTH = 50_000
MARK = 60

# What a line begins with before its label: "Sentiment:", "The answer =", "####".
_PREFIX = re.compile(rf"(?:[^\W\d_][^\n:=→]{{0,{MARK}}}?\s?(?::|=|->|→)|#{{2,6}}|>{{1,3}})(?=\s*\S)")

# A pattern that is a text, its special characters escaped, and after it at most the group.
_LITERAL = re.compile(r"\^?((?:\\\W|[^\\^$.|?*+()\[\]{}])*)(?:\\s[*+]?)?(?:\(\?P<value>[^()]*\)\$?)?")


class Config(Section):
    """How the line is found, and which labels there are."""

    pattern: str = Field(min_length=1)
    """A regular expression; its group `value` is the label, or what follows on the line where it has none."""
    labels: tuple[str, ...] = ()
    """The labels; none: any."""

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern


def detect(text: str, config: Config) -> bool:
    """A line matches, and says something; ^ is the start of any line."""
    return _label(text, config) is not None


def valid(text: str, config: Config) -> bool:
    """What it says is one of the labels."""
    label = _label(text, config)
    return label is not None and (not config.labels or one_of(label, config.labels))


def value(text: str, config: Config) -> str | None:
    """The label as it is compared."""
    label = _label(text, config)
    return None if label is None else normal(label)


def spans(text: str, config: Config) -> Sequence[tuple[int, int]]:
    """The label, on the first line that matches; none where bold letters or a fence stand around it."""
    label, match = _label(text, config), re.search(config.pattern, text, re.MULTILINE)
    start = text.find(label, match.start()) if label and match else -1
    return [(start, start + len(label))] if label and start >= 0 else []


def infer(answers: Sequence[str]) -> Config | None:
    """What the first line, or else the last, of (nearly) all answers begins with."""
    for place in (0, -1):
        lines = [(unwrap(answer).split("\n") or [""])[place] for answer in answers]
        prefixes = Counter(match[0].rstrip() for line in lines if (match := _PREFIX.match(_plain(line))))
        prefix, count = max(prefixes.items(), key=lambda item: item[1], default=("", 0))
        if count and count >= SHARE * len(answers):
            config = Config(pattern=f"^{_escaped(prefix)}")
            labels = [label for answer in answers if (label := _label(answer, config)) is not None]
            return config.model_copy(update={"labels": labels_of(labels)})
    return None


def describe(config: Config) -> str:
    """The line, as it is written."""
    return f"a line {_line(config)}{_clause(config)}"


def predicate(config: Config) -> str:
    """What several answers do."""
    return f"have a line {_line(config)}{_clause(config)}"


def word(config: Config) -> str:
    """The line."""
    return _line(config)


def start(config: Config) -> tuple[str, ...]:
    """What stands before the label."""
    literal = _literal(config)
    return (literal,) if literal else ()


def _label(text: str, config: Config) -> str | None:
    """What the line says; where none matches, the opening that is taken off, "The answer is:", may be the one."""
    return _after(unwrap(text), config) or _after(text, config)


def _after(text: str, config: Config) -> str | None:
    plain = _plain(text)[:MAX_LENGTH]
    match = re.search(config.pattern, plain, re.MULTILINE)
    if match is None:
        return None
    groups = match.groupdict()
    label = groups["value"] if "value" in groups else plain[match.end() :].split("\n", 1)[0]
    return (label or "").strip() or None


def _plain(text: str) -> str:
    """The text without the stars of bold letters: a chat model writes **Sentiment:** positive."""
    return text.replace("**", "")


def _line(config: Config) -> str:
    literal = _literal(config)
    label = "" if "value" in re.compile(config.pattern).groupindex else ", with a label after it or in (?P<value>…)"
    return f'"{literal} …"' if literal else f"that matches {config.pattern}{label}"


def _clause(config: Config) -> str:
    return f", where … is {series(config.labels, 'or')}" if config.labels else ""


def _escaped(text: str) -> str:
    return re.escape(text).replace("\\ ", " ")


def _literal(config: Config) -> str:
    """The text that stands before the label, where the pattern is no more than a text and perhaps the group."""
    match = _LITERAL.fullmatch(config.pattern)
    return re.sub(r"\\(\W)", r"\1", match[1]).strip() if match else ""
