"""What a reasoning model thinks before it answers is no part of its answer; who reads replies reads them here.

    >>> strip("<think>2 + 2, so 4.</think> It is four.")
    'It is four.'

Servers with a reasoning parser leave it out themselves; others, and models in process, hand it over as text. Stores
keep replies as they came.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.rows.example import Prompt

# The marks that models' own chat templates use. `<thought>` and `<reasoning>` are not among them: as fields of an
# answer in XML they are asked for, and part of the answer.
MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
_BLOCK = "|".join(f"{re.escape(opening)}.*?{re.escape(closing)}" for opening, closing in MARKS)
_OPENING = "|".join(re.escape(opening) for opening, _ in MARKS)
_CLOSING = "|".join(re.escape(closing) for _, closing in MARKS)
_MARK = re.compile(f"{_OPENING}|{_CLOSING}")
_FIRST = re.compile(rf"\s*(?:{_BLOCK})", re.DOTALL)
_UNCLOSED = re.compile(rf"\s*(?:{_OPENING})")
# Templates that open the thinking in the prompt leave a reply that only closes it. In backticks a mark is spoken of.
_CLOSED_ALONE = re.compile(rf"(?:(?!{_OPENING}).)*?(?:(?<!`)(?:{_CLOSING})|(?:{_CLOSING})(?!`))", re.DOTALL)
_LATER = re.compile(rf"(```.*?(?:```|\Z)|`[^`\n]*`)|{_BLOCK}", re.DOTALL)


def strip(text: str) -> str:
    """The text without what was thought: blocks of it, all before a closing mark, all after one that is never closed.

    A text without thinking comes back as it is, and so does one that speaks of the marks in code.
    """
    if not _MARK.search(text):
        return text
    rest = text
    while block := _FIRST.match(rest):
        rest = rest[block.end() :]
    if _UNCLOSED.match(rest):
        return ""
    if closed := _CLOSED_ALONE.match(rest):
        rest = rest[closed.end() :]
    rest = _LATER.sub(lambda match: match[1] or "", rest)
    return text if rest == text else rest.lstrip()


def replies(llm: LLM, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
    """The engine's replies to the prompts, as they end, without what was thought."""
    for index, reply in llm.replies(prompts, sampling):
        yield index, reply if reply.text is None else replace(reply, text=strip(reply.text))
