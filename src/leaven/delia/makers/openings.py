"""Say the fixed words that a task's questions begin with in other words: "Translate to Tavic:" and its like.

A task without a token of its own is known by such an opening, which ends with a colon and is shared by many rows.
"""

import hashlib
import random
import re
from collections import Counter
from dataclasses import replace

from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.replies import all_of
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, pair, user
from leaven.rows.outcomes import FAILED, Outcome
from leaven.task.phrasebook import phrasings
from leaven.task.sift import read_phrasings

COUNT = 20
"""Phrasings that an engine is asked for, of each opening."""
_OPENING = re.compile(r"\s*([^:\n]{3,200}):")
_TRANSLATE = re.compile(r"Translate (?:it |this )?(?:from \w+ )?(?:in)?to (?P<language>\w+)$")


def make(data: Dataset, llm: LLM | None, seed: int, count: int = COUNT) -> Outcome:
    """Every row with another opening: the engine's, or without one the phrasebook's for translations.

    Rows whose opening few others share, or for which there is no phrasing, are kept; a note counts them. `dropped`
    holds the openings for which the call failed, never rows.
    """
    rows = list(data)
    often = Counter(filter(None, map(opening, rows)))
    shared = [text for text, times in often.items() if times >= max(2, len(rows) // 10)]
    offers = {text: (_ask(text, llm, seed, count) if llm else _phrasebook(text)) for text in shared}
    failed = tuple(offer for offer in offers.values() if isinstance(offer, Drop))
    phrasings_of = {text: offer for text, offer in offers.items() if not isinstance(offer, Drop)}
    other = [_with_opening(row, phrasings_of.get(opening(row) or "", []), llm, seed) for row in rows]
    changed = sum(row is not old for row, old in zip(other, rows, strict=True))
    total = sum(map(len, phrasings_of.values()))
    notes = [f"{changed:,} of {len(rows):,} rows begin with one of {total:,} phrasings of {len(shared):,} openings"]
    if failed:
        notes.append(f"{len(failed):,} openings stay as they are, since their calls failed: {failed[0].detail}")
    return Outcome(Dataset.of(other, (*data.made_by, f"openings(seed={seed})")), failed, tuple(notes))


def opening(row: Example) -> str | None:
    """What a question says before its first colon, or None without one."""
    match = _OPENING.match(row.question)
    return match[1].strip() if match else None


def _phrasebook(text: str) -> list[str]:
    match = _TRANSLATE.match(text)
    if not match:
        return []
    return [text, *(phrasing.format(token=match["language"]) for phrasing in phrasings("translate", "train"))]


def _ask(text: str, llm: LLM, seed: int, count: int) -> list[str] | Drop:
    """The opening and the engine's phrasings of it; where its call failed, why."""
    prompt = render("diversify", instruction=f"{text}:", count=count, marks=[])
    (reply,) = all_of(llm, [user(prompt)], Sampling(1.0, 1.0, 2048, seed))
    if reply.text is None:
        origin = Origin("openings", model=llm.name, seed=seed)
        return Drop(pair(f"{text}:", "", origin), FAILED, detail=reply.error or "")
    offers = (offer.rstrip(": ").strip() for offer in read_phrasings(reply.text))
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
