"""Say each row's request for the format in other words (DELIA's diversified instructions, papers.md 2.1).

A task row is some content and a sentence that names the token: "Use the <sep> format." Where all rows say it alike,
the model learns the sentence instead of the token. Rows that say it in many ways already are kept as they are.
"""

import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from leaven.dataset import Dataset
from leaven.errors import UserError
from leaven.llm.protocol import LLM, Sampling
from leaven.prompts.render import phrasings, render
from leaven.prompts.wording import Position, asked, instruction, names, negated, request, reworded
from leaven.sections import Section
from leaven.types import Drop, Example, Message, Origin, Outcome, pair, user

__all__ = ["DiversifyConfig", "asked", "instruction", "make", "negated"]

_MARK = re.compile(r"\{\w+\}|<[^\s<>]+>|\[[A-Z_]+\]")


class DiversifyConfig(Section):
    """How the instructions are said in other words."""

    enough_distinct: int = Field(10, ge=1)
    """Data with this many distinct instructions (or one for every two rows) is kept as it is."""
    count: int = Field(20, ge=1)
    """Phrasings that an engine is asked for, for each distinct instruction."""
    position: Position = "same"
    """Where the new phrasing stands: same (where the old one stood), start or end."""
    max_words: int = Field(60, ge=1)
    """A phrasing with more words is no instruction any more."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the engine."""
    max_new_tokens: int = Field(2048, ge=1)
    """Longest reply of the engine, in tokens."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """What an engine offers for one instruction, and the hash of what it was asked."""

    accepted: tuple[str, ...]
    rejected: tuple[Drop, ...]
    prompt: str


def make(data: Dataset, llm: LLM | None, config: DiversifyConfig, token: str, seed: int) -> Outcome:
    """Every row with another phrasing of its instruction: the engine's, or without one the phrasebook's.

    An engine rephrases whole instructions; the phrasebook knows only how to ask for a format, so it replaces the
    sentences that name the token. `dropped` holds phrasings that could not be used, never rows.
    """
    wholes = {row.id: whole for row in data if (whole := instruction(row.question, token))}
    requests = {row.id: request(row.question, token) for row in data if row.id in wholes}
    if not wholes:
        raise UserError(f"the token {token!r} stands in no row", "Check token.text, or name the token in the rows.")
    enough = min(config.enough_distinct, max(2, (len(wholes) + 1) // 2))
    if len(set(requests.values())) >= enough:
        count = len(set(wholes.values()))
        return Outcome(data, (), (f"{count:,} distinct instructions in {len(wholes):,} rows: kept as they are",))
    if llm is None:
        return _from_phrasebook(data, requests, config, token, seed)
    # A paragraph that hardly two rows share holds the row's content: then only the request is rephrased.
    units = wholes if len(set(wholes.values())) < enough else requests
    return _from_engine(data, units, llm, config, token=token, seed=seed)


def _from_phrasebook(
    data: Dataset, requests: Mapping[str, str], config: DiversifyConfig, token: str, seed: int
) -> Outcome:
    book = phrasings("follow", "train")
    safe = _safe(data, requests, max(len(phrasing.split()) for phrasing in book), token)
    chosen = dict(zip(safe, _spread(book, len(safe), random.Random(f"diversify/{seed}")), strict=True))
    origin = Origin("diversify", place="phrasings.yaml", seed=seed)
    rows = [
        _said(row, asked(row.question, token, chosen[place], config.position), origin) if place in chosen else row
        for place, row in enumerate(data)
    ]
    notes = [f"{len(safe):,} rows say it in {len(set(chosen.values()))} phrasings of the phrasebook"]
    left = sum(row.id in requests for row in data) - len(safe)
    if left:
        notes.append(f"{left:,} rows are kept as they are: their sentence with {token} may hold more than the request")
    return Outcome(Dataset.of(rows, (*data.made_by, f"diversify(phrasebook, seed={seed})")), (), tuple(notes))


def _from_engine(
    data: Dataset, units: Mapping[str, str], llm: LLM, config: DiversifyConfig, *, token: str, seed: int
) -> Outcome:
    distinct = list(dict.fromkeys(units.values()))
    offers = dict(zip(distinct, _offers(distinct, llm, config, token, seed), strict=True))
    groups = defaultdict(list)
    for place, row in enumerate(data):
        if row.id in units:
            groups[units[row.id]].append(place)
    rows = list(data)
    for unit, places in groups.items():
        origin = Origin("diversify", model=llm.name, prompt=offers[unit].prompt, seed=seed)
        said = _spread(offers[unit].accepted or (unit,), len(places), random.Random(f"diversify/{seed}/{unit}"))
        for place, phrasing in zip(places, said, strict=True):
            if phrasing != unit:
                rows[place] = _said(
                    rows[place], _replaced(rows[place].question, unit, phrasing, token, config.position), origin
                )
    dropped = tuple(drop for offer in offers.values() for drop in offer.rejected)
    count = sum(len(offer.accepted) for offer in offers.values())
    notes = [f"{count:,} phrasings of {len(distinct):,} instructions by {llm.name}"]
    if unsaid := [unit for unit, offer in offers.items() if not offer.accepted]:
        notes.append(f"{len(unsaid):,} instructions are kept as they are: no phrasing of them could be used")
    return Outcome(Dataset.of(rows, (*data.made_by, f"diversify({llm.name}, seed={seed})")), dropped, tuple(notes))


def _offers(distinct: Sequence[str], llm: LLM, config: DiversifyConfig, token: str, seed: int) -> list[_Offer]:
    prompts = [
        render("diversify", instruction=unit, count=config.count, marks=sorted({token, *_MARK.findall(unit)}))
        for unit in distinct
    ]
    sampling = Sampling(config.temperature, 1.0, config.max_new_tokens, seed)
    replies = dict(llm.replies([user(prompt) for prompt in prompts], sampling))
    offers = []
    for place, (unit, prompt) in enumerate(zip(distinct, prompts, strict=True)):
        origin = Origin("diversify", model=llm.name, prompt=hashlib.sha256(prompt.encode()).hexdigest()[:12], seed=seed)
        reply = replies[place]
        if reply.text is None:
            drop = Drop(pair(prompt, "", origin), "the model failed", detail=reply.error or "")
            offers.append(_Offer((), (drop,), origin.prompt or ""))
        else:
            offers.append(_sifted(unit, candidates(reply.text), origin, config, token))
    return offers


def candidates(reply: str) -> list[str]:
    """The phrasings in a reply: the strings of its JSON list, or else its lines without bullets and quotes."""
    start, end = reply.find("["), reply.rfind("]")
    try:
        listed = json.loads(reply[start : end + 1])
    except json.JSONDecodeError:
        listed = None
    if isinstance(listed, list) and any(isinstance(item, str) for item in listed):
        return [item.strip() for item in listed if isinstance(item, str)]
    lines = [re.sub(r"^\s*(?:[-*•]|\(?\d+[.):])\s+", "", line).strip() for line in reply.splitlines()]
    return [re.sub(r'^["“](.*)["”],?$', r"\1", line) for line in lines if line and not line.startswith("```")]


def _sifted(unit: str, offered: Sequence[str], origin: Origin, config: DiversifyConfig, token: str) -> _Offer:
    seen = {_normal(unit)}
    accepted, rejected = [], []
    for text in offered:
        reason = _fault(unit, text, seen, config, token)
        if reason:
            rejected.append(Drop(pair(unit, text, origin), reason))
        else:
            accepted.append(text)
            seen.add(_normal(text))
    if not offered:
        rejected.append(Drop(pair(unit, "", origin), "the reply holds no phrasing"))
    return _Offer(tuple(accepted), tuple(rejected), origin.prompt or "")


def _fault(unit: str, text: str, seen: set[str], config: DiversifyConfig, token: str) -> str:
    """Why a phrasing can't be used; "" when it can."""
    if not names(text, token):
        return "the token is missing"
    if _marks(text, token) != _marks(unit, token):
        return "other placeholders"
    if _normal(text) in seen:
        return "duplicate"
    if len(text.split()) > config.max_words:
        return "too long"
    if "\n" in text or text.endswith(":") or text[0] in "{[":
        return "not an instruction"
    return ""


def _marks(text: str, token: str) -> Counter[str]:
    """Placeholders and special tokens other than the token, which may be named more or less often."""
    return Counter(mark for mark in _MARK.findall(text) if mark != token)


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _safe(data: Dataset, requests: Mapping[str, str], limit: int, token: str) -> list[int]:
    """The places of rows whose request the phrasebook can replace without loss.

    A sentence longer than any of the phrasebook that is all of its paragraph may be the task itself ("Check the text
    and use <sep> to …"), and one that a single row has may hold that row's content.
    """
    often = Counter(requests.values())
    known = {phrasing.replace("{token}", token) for phrasing in phrasings("follow", "train")}
    return [
        place
        for place, row in enumerate(data)
        if (sentence := requests.get(row.id))
        and (len(sentence.split()) <= limit or instruction(row.question, token) != sentence)
        and (often[sentence] > 1 or sentence in known)
    ]


def _spread(items: Sequence[str], n: int, rng: random.Random) -> list[str]:
    """`n` items, each as often as any other (give or take one), in random order."""
    chosen: list[str] = []
    while len(chosen) < n:
        chosen += rng.sample(items, len(items))
    return chosen[:n]


def _replaced(text: str, unit: str, phrasing: str, token: str, position: Position) -> str:
    start = text.find(unit)
    if start < 0:  # the sentences of the unit are scattered over the text
        return asked(text, token, phrasing, position)
    return reworded(text, [(start, start + len(unit))], phrasing, position)


def _said(row: Example, question: str, origin: Origin) -> Example:
    """The row with another last user turn."""
    place = max(index for index, message in enumerate(row.messages) if message.role == "user")
    messages = (*row.messages[:place], Message("user", question), *row.messages[place + 1 :])
    return replace(row, messages=messages, origin=replace(origin, parents=(row.id,)))
