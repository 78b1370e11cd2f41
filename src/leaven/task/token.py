"""The new special token: how it stands in prompts, what it stands for, how answers show it, and its first row."""

from typing import Any

from pydantic import Field

from leaven.errors import UserError
from leaven.section import Section


class TokenSection(Section):
    """The new special token."""

    text: str = "<sep>"
    """The token as it stands in the prompts."""
    means: str = ""
    """What it stands for, in plain words; never part of a prompt, read by probes and by baselines."""
    alternatives: tuple[str, ...] = ()
    """Words of the same kind as what it means (json: yaml, xml …), among which probes rank it; empty: those of other
    formats, where it means one that is told by its form alone."""
    answers: str = "auto"
    """How an answer shows what the token means: auto (told by the task's answers), json, list, label:REGEX, words:N,
    text …, or a .py file of yours."""
    answer_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that format, such as the keys of a JSON object; those that are not given are told by the answers."""
    init: str = "neighbours"
    """Its first embedding row: neighbours (drawn with the mean and spread of the other rows), random (with their spread
    alone, as DELIA's), mean (of the words of `means`), copy:TEXT or reserved:TOKEN."""
    lstrip: bool = True
    """Whether the token swallows the space before it, so that no stray space token precedes it."""

    def meaning(self, instead: str = "") -> str:
        """What it stands for, or what is said `instead`. Raises UserError where neither is there."""
        if not (words := instead.strip() or self.means.strip()):
            raise UserError("token.means is empty", "Say what the token stands for, in plain words: --means TEXT.")
        return words
