"""The new special token: how it stands in prompts, what it stands for, and its first row."""

from leaven.section import Section


class TokenSection(Section):
    """The new special token."""

    text: str = "<sep>"
    """The token as it stands in the prompts."""
    means: str = ""
    """What it stands for, in plain words; never part of a prompt, read by probes and by baselines."""
    init: str = "random"
    """Its first embedding row: random, mean (of the words of `means`), copy:TEXT or reserved:TOKEN."""
    lstrip: bool = True
    """Whether the token swallows the space before it, so that no stray space token precedes it."""
