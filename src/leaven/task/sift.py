"""Phrasings that a model offers for an instruction: read from its reply, and refused where one is no use.

>>> read_phrasings('Here: ["Use <sep>.", "Take <sep>."]')
['Use <sep>.', 'Take <sep>.']
>>> fault("Use <sep>.", "Take it.", Rules("<sep>"), [], [])
'the token is missing'
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from leaven.task.wording import names

# {name} {{name}} {} ${name} %(name)s %s <name> <|name|> [NAME]
_MARK = re.compile(r"\$?\{\{?\s*[\w.]*\s*\}?\}|%\(\w+\)[sdf]|%[sdf]\b|<[^\s<>]+>|\[[A-Z][A-Z0-9_]*\]")
_ANSWERS = re.compile(
    r"(?:sure|certainly|of course|okay|absolutely)[,.!:]|here(?:'s|’s| is| are)\b|the answer is\b|as an ai\b"
    r"|i(?:'m|’m| am) (?:sorry|unable|afraid)\b|i (?:cannot|can't|can’t) ",
    re.I,
)
_LIKE_AN_ANSWER = 0.8


@dataclass(frozen=True, slots=True)
class Rules:
    """What a phrasing must keep to; from the likeness `near`, of 0 to 1, two phrasings count as one."""

    token: str = ""
    max_words: int = 60
    near: float = 0.9


def read_phrasings(reply: str) -> list[str]:
    """The phrasings in a reply: the strings of its JSON list, or else its lines without bullets and quotes."""
    start, end = reply.find("["), reply.rfind("]")
    try:
        items = json.loads(reply[start : end + 1])
    except json.JSONDecodeError:
        items = None
    if isinstance(items, list) and any(isinstance(item, str) for item in items):
        return [item.strip() for item in items if isinstance(item, str)]
    lines = [re.sub(r"^\s*(?:[-*•]|\(?\d+[.):])\s+", "", line).strip() for line in reply.splitlines()]
    return [re.sub(r'^["“](.*)["”],?$', r"\1", line) for line in lines if line and not line.startswith("```")]


def fault(unit: str, text: str, rules: Rules, others: Iterable[str], answers: Sequence[str]) -> str:
    """Why a text can't stand for the instruction `unit`; "" when it can.

    `others` are the phrasings that stand already, `answers` what the rows with this instruction are answered.
    """
    return next(_faults(unit, text, rules, others, answers), "")


def _faults(unit: str, text: str, rules: Rules, others: Iterable[str], answers: Sequence[str]) -> Iterator[str]:
    if not text:
        yield "empty"
    if rules.token and names(unit, rules.token) and not names(text, rules.token):
        yield "the token is missing"
    if _others(text, rules.token) != _others(unit, rules.token):
        yield "other placeholders"
    if len(text.split()) > max(rules.max_words, 2 * len(unit.split())):
        yield "too long"
    if _is_list(unit, text):
        yield "not an instruction"
    if _is_answer(unit, text, answers):
        yield "an answer"
    likeness = max((alike(text, other) for other in (unit, *others)), default=0.0)
    if likeness >= rules.near:
        yield "duplicate" if likeness == 1 else "near duplicate"


def marks(text: str) -> list[str]:
    """The placeholders and special tokens of a text, as often as they stand there."""
    return _MARK.findall(text)


def alike(first: str, second: str) -> float:
    """How alike two texts are, from 0 to 1 (the same), whatever their case and punctuation."""
    one, two = _normal(first), _normal(second)
    if one == two:
        return 1.0
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    # Never 1: what is left after case and punctuation differs.
    return min(matcher.ratio(), 0.999)


def _others(text: str, token: str) -> Counter[str]:
    """Marks besides the token, which may be named more or less often."""
    return Counter(mark for mark in marks(text) if mark != token)


def _is_list(unit: str, text: str) -> bool:
    """Whether it is an announcement, data or several things instead of one instruction."""
    announces = text.endswith(":") and not unit.endswith(":")
    is_data = text[0] in "{[" and not _MARK.match(text)
    return announces or is_data or ("\n" in text and "\n" not in unit)


def _is_answer(unit: str, text: str, answers: Sequence[str]) -> bool:
    if _ANSWERS.match(text) and not _ANSWERS.match(unit):
        return True
    reply = _normal(text)
    for answer in answers:
        reference = _normal(answer)
        if not reference:
            continue
        if reply == reference or (len(reference.split()) > 3 and f" {reference} " in f" {reply} "):
            return True
        # Texts of very different lengths can't be alike, and long ones take long to compare.
        if 2 * min(len(reply), len(reference)) >= _LIKE_AN_ANSWER * (len(reply) + len(reference)):
            if alike(text, answer) >= _LIKE_AN_ANSWER:
                return True
    return False


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold())) or text.strip()
