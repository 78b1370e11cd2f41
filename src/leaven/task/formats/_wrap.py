"""What a chat model says around an answer: a polite opening, a fence, a polite closing.

>>> unwrap("Sure, here it is: yes")
'yes'
"""

import re

# "Sure, here it is:", "Here are five tips:", "Certainly! The answer is:". A longer one is part of the answer.
_OPENING = re.compile(
    r"\s*(?:sure|certainly|of course|absolutely|okay|ok|yes|here(?:'s|’s| is| are| you)|the (?:answer|result))\b"
    r"[^:\n]{0,80}:(?=\s)\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:let me know|i hope|hope (?:this|that)|feel free|please (?:let|feel)|is there anything|if you)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^ {0,3}```[ \t]*(\w*)[^\n]*\n(.*?)(?:^ {0,3}```|\Z)", re.MULTILINE | re.DOTALL)


def unwrap(text: str) -> str:
    """The answer without a polite opening, a polite last line, and a fence around all the rest."""
    opening = _OPENING.match(text)
    inner = text[opening.end() if opening else 0 :].strip()
    before, _, last = inner.rpartition("\n")
    inner = before.strip() if before and _CLOSING.match(last) else inner
    fence = _FENCE.fullmatch(inner)
    return fence[2].strip("\n") if fence else inner


def fenced(text: str, *languages: str) -> str | None:
    """What stands in the first fence of one of these languages."""
    return next((fence[2] for fence in _FENCE.finditer(text) if fence[1].casefold() in languages), None)


def without_code(text: str, *languages: str) -> str:
    """The text without what is fenced as code of any other language; an unnamed fence stays."""
    return _FENCE.sub(lambda fence: fence[0] if fence[1].casefold() in ("", *languages) else "", text)
