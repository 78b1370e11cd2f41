"""Say the fixed words that a task's questions begin with in other words: "Translate to Tavic:" and its like.

A task without a token of its own is known by such an opening, which ends with a colon and is shared by many rows.
"""

import hashlib
import random
import re
from collections import Counter
from dataclasses import replace

from leaven.llm import thinking
from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, user
from leaven.rows.outcomes import Outcome
from leaven.task.phrasebook import phrasings
from leaven.task.sift import read_phrasings

COUNT = 20
"""Phrasings that an engine is asked for, of each opening."""
_OPENING = re.compile(r"\s*([^:\n]{3,200}):")
_TRANSLATE = re.compile(r"Translate (?:it |this )?(?:from \w+ )?(?:in)?to (?P<language>\w+)$")


def make(data: Dataset, llm: LLM | None, seed: int, count: int = COUNT) -> Outcome:
    """Every row with another opening: the engine's, or without one the phrasebook's for translations.

    Rows whose opening few others share, or for which there is no phrasing, are kept; a note counts them.
    """
    rows = list(data)
    often = Counter(filter(None, map(opening, rows)))
    shared = [text for text, times in often.items() if times >= max(2, len(rows) // 10)]
    phrasings_of = {text: (_ask(text, llm, seed, count) if llm else _phrasebook(text)) for text in shared}
    other = [_with_opening(row, phrasings_of.get(opening(row) or "", []), llm, seed) for row in rows]
    changed = sum(row is not old for row, old in zip(other, rows, strict=True))
    total = sum(map(len, phrasings_of.values()))
    note = f"{changed:,} of {len(rows):,} rows begin with one of {total:,} phrasings of {len(shared):,} openings"
    return Outcome(Dataset.of(other, (*data.made_by, f"openings(seed={seed})")), (), (note,))


def opening(row: Example) -> str | None:
    """What a question says before its first colon, or None without one."""
    match = _OPENING.match(row.question)
    return match[1].strip() if match else None


def _phrasebook(text: str) -> list[str]:
    match = _TRANSLATE.match(text)
    if not match:
        return []
    return [text, *(phrasing.format(token=match["language"]) for phrasing in phrasings("translate", "train"))]


def _ask(text: str, llm: LLM, seed: int, count: int) -> list[str]:
    prompt = render("diversify", instruction=f"{text}:", count=count, marks=[])
    reply = next(reply for _, reply in thinking.replies(llm, [user(prompt)], Sampling(1.0, 1.0, 2048, seed)))
    offers = (offer.rstrip(": ").strip() for offer in read_phrasings(reply.text or ""))
    return list(dict.fromkeys([text, *(offer for offer in offers if offer and "\n" not in offer and ":" not in offer)]))


def _with_opening(row: Example, openings: list[str], llm: LLM | None, seed: int) -> Example:
    if not openings:
        return row
    # The row's own id decides its phrasing, so that a smaller draw says each row as the larger one does.
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{row.id}".encode()).digest()[:8])
    phrasing = random.Random(draw).choice(openings)
    rest = row.question[row.question.index(":") :]
    place = max(index for index, message in enumerate(row.messages) if message.role == "user")
    messages = (*row.messages[:place], Message("user", phrasing + rest), *row.messages[place + 1 :])
    origin = Origin("openings", model=llm.name if llm else None, parents=(row.id,), seed=seed)
    return replace(row, messages=messages, origin=origin)
