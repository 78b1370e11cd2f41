"""The new special token: how it stands in prompts, what it stands for, how answers show it, and its first row."""

from typing import Any

from pydantic import Field, model_validator

from leaven.errors import UserError
from leaven.section import Section


class TokenSection(Section):
    """The new special token."""

    text: str = "<sep>"
    """The token as it stands in the prompts."""
    reuse: str = ""
    """A special token that the model has and does not use (leaven show tokens MODEL), in place of a new one: the
    vocabulary does not grow, and engines that read the base's tokenizer know it."""
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

    @model_validator(mode="before")
    @classmethod
    def _reused(cls, values: Any) -> Any:
        """What is reused is also how it stands in prompts; said twice, it must agree."""
        if not isinstance(values, dict) or not values.get("reuse"):
            return values
        if values.get("text", values["reuse"]) != values["reuse"]:
            raise ValueError(f"text is {values['text']!r} and reuse {values['reuse']!r}: the token stands in prompts "
                             "by the name that the model knows; leave text out")  # fmt: skip
        if values.get("lstrip"):
            raise ValueError("lstrip is true with reuse: how the model's own token is matched stays as it is")
        return {**values, "text": values["reuse"], "lstrip": False}

    def meaning(self, instead: str = "") -> str:
        """What it stands for, or what is said `instead`. Raises UserError where neither is there."""
        if not (words := instead.strip() or self.means.strip()):
            raise UserError("token.means is empty", "Say what the token stands for, in plain words: --means TEXT.")
        return words
