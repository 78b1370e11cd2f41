"""Plain text: nothing tells from an answer alone whether the token was understood."""

from collections.abc import Sequence

from leaven.section import Section

TESTABLE = False


class Config(Section):
    """Plain text has no settings."""


def detect(text: str, config: Config) -> bool:
    """Any text that is not empty."""
    return bool(text.strip())


def value(text: str, config: Config) -> str | None:
    """The text."""
    return text.strip() or None


def infer(answers: Sequence[str]) -> Config:
    """Whatever the answers are."""
    return Config()


def describe(config: Config) -> str:
    """Plain text."""
    return "plain text"


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are plain text"


def word(config: Config) -> str:
    """Plain text."""
    return "plain text"
