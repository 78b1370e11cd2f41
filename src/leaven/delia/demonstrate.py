"""Worked examples before a question: as earlier turns, or as text within it."""

from collections.abc import Iterable
from typing import Literal

from leaven.rows.example import Example, Message, Prompt

Style = Literal["turns", "text"]


def demonstrate(prompt: Prompt, examples: Iterable[Example], style: Style) -> Prompt:
    """The prompt with the examples before its last question; without any, the prompt itself."""
    pairs = [(example.question, example.answer or "") for example in examples]
    if not pairs:
        return prompt
    before, last = prompt[:-1], prompt[-1]
    if style == "turns":
        turns = (Message(*turn) for q, a in pairs for turn in (("user", q), ("assistant", a)))
        return (*before, *turns, last)
    lines = [*(f"Q: {question}\nA: {answer}" for question, answer in pairs), f"Q: {last.content}\nA:"]
    return (*before, Message(last.role, "\n".join(lines)))
