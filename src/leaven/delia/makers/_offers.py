"""The phrasings that an engine offers for instructions, sifted, and where wanted asked back about their meaning."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from leaven.delia.settings import DiversifyConfig
from leaven.llm import thinking
from leaven.llm.parse import structured
from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.example import Drop, Origin, pair, user
from leaven.task.sift import Rules, fault, found, marks

FOR_AN_INSTRUCTION, FOR_A_ROW = 20, 3


class Verdict(BaseModel):
    """Whether two instructions mean the same."""

    difference: str = Field(description="what the second version adds, leaves out or changes; empty if nothing")
    same: bool = Field(description="whether both ask for exactly the same thing")


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction, and what its rows are answered: a phrasing must not be one of the answers."""

    unit: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What an engine offers for one instruction, and the hash of what it was asked."""

    accepted: tuple[str, ...]
    rejected: tuple[Drop, ...]
    prompt: str


def offers(asked: Sequence[Asked], llm: LLM, config: DiversifyConfig, token: str, seed: int) -> list[Offer]:
    """The offer for each instruction; phrasings that can't be used are in `rejected`, with the reason."""
    prompts = [asked_about(one.unit, config, token) for one in asked]
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed)
    replies = dict(thinking.replies(llm, [user(text) for text in prompts], sampling))
    sifted_offers = []
    for place, (one, text) in enumerate(zip(asked, prompts, strict=True)):
        origin = Origin("diversify", model=llm.name, prompt=hashlib.sha256(text.encode()).hexdigest()[:12], seed=seed)
        reply = replies[place]
        if reply.text is None:
            drop = Drop(pair(one.unit, "", origin), "the model failed", detail=reply.error or "")
            sifted_offers.append(Offer((), (drop,), origin.prompt or ""))
        else:
            sifted_offers.append(_sifted(one, found(reply.text), origin, Rules(token, config.max_words, config.near)))
    return _checked(asked, sifted_offers, llm, config, seed) if config.check else sifted_offers


def asked_about(unit: str, config: DiversifyConfig, token: str) -> str:
    """What the engine is asked about an instruction."""
    count = config.count or (FOR_AN_INSTRUCTION if config.mode == "per_instruction" else FOR_A_ROW)
    return render("diversify", instruction=unit, count=count, marks=sorted({*([token] if token else []), *marks(unit)}))


def _sifted(one: Asked, offered: Sequence[str], origin: Origin, rules: Rules) -> Offer:
    accepted, rejected = list[str](), list[Drop]()
    for text in offered:
        if reason := fault(one.unit, text, rules, accepted, one.answers):
            rejected.append(Drop(pair(one.unit, text, origin), reason))
        else:
            accepted.append(text)
    if not offered:
        rejected.append(Drop(pair(one.unit, "", origin), "the reply holds no phrasing"))
    return Offer(tuple(accepted), tuple(rejected), origin.prompt or "")


def _checked(
    asked: Sequence[Asked], made: Sequence[Offer], llm: LLM, config: DiversifyConfig, seed: int
) -> list[Offer]:
    """The offers without the phrasings of which the engine says, or can't be understood to deny, that they differ."""
    pairs = [(place, text) for place, offer in enumerate(made) for text in offer.accepted]
    prompts = [user(render("same_meaning", first=asked[place].unit, second=text)) for place, text in pairs]
    verdicts = dict(structured(llm, prompts, Verdict, Sampling(0.0, 1.0, config.max_new_tokens, seed)))
    checked = [replace(offer, accepted=()) for offer in made]
    for number, (place, text) in enumerate(pairs):
        offer, verdict = checked[place], verdicts[number]
        if verdict.value is not None and verdict.value.same:
            checked[place] = replace(offer, accepted=(*offer.accepted, text))
            continue
        origin = Origin("diversify", model=llm.name, prompt=offer.prompt, seed=seed)
        differs = verdict.value is not None
        drop = Drop(
            pair(asked[place].unit, text, origin),
            "another meaning" if differs else "the check failed",
            detail=verdict.value.difference if verdict.value else verdict.error or "",
        )
        checked[place] = replace(offer, rejected=(*offer.rejected, drop))
    return checked
