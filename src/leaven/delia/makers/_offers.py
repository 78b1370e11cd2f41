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
from leaven.task.sift import Rules, fault, marks, read_phrasings

FOR_AN_INSTRUCTION, FOR_A_ROW = 20, 3


class Verdict(BaseModel):
    """Whether two instructions mean the same."""

    difference: str = Field(description="what the second version adds, leaves out or changes; empty if nothing")
    same: bool = Field(description="whether both ask for exactly the same thing")


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction, and what its rows are answered: a phrasing must not be one of the answers."""

    text: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What an engine offers for one instruction, and the hash of what it was asked."""

    accepted: tuple[str, ...]
    rejected: tuple[Drop, ...]
    prompt: str


def offers(
    instructions: Sequence[Instruction], llm: LLM, config: DiversifyConfig, token: str, seed: int
) -> list[Offer]:
    """The offer for each instruction; phrasings that can't be used are in `rejected`, with the reason."""
    prompts = [prompt_for(one.text, config, token) for one in instructions]
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed)
    replies = dict(thinking.replies(llm, [user(text) for text in prompts], sampling))
    rules = Rules(token, config.max_words, config.near)
    sifted = []
    for place, (one, prompt) in enumerate(zip(instructions, prompts, strict=True)):
        digest = hashlib.sha256(prompt.encode()).hexdigest()[:12]
        origin = Origin("diversify", model=llm.name, prompt=digest, seed=seed)
        reply = replies[place]
        if reply.text is None:
            drop = Drop(pair(one.text, "", origin), "the model failed", detail=reply.error or "")
            sifted.append(Offer((), (drop,), digest))
        else:
            sifted.append(_sift(one, read_phrasings(reply.text), origin, rules))
    return _check_meanings(instructions, sifted, llm, config, seed) if config.check else sifted


def prompt_for(instruction: str, config: DiversifyConfig, token: str) -> str:
    """What the engine is asked about an instruction."""
    count = config.count or (FOR_AN_INSTRUCTION if config.mode == "per_instruction" else FOR_A_ROW)
    names = sorted({*([token] if token else []), *marks(instruction)})
    return render("diversify", instruction=instruction, count=count, marks=names)


def _sift(one: Instruction, phrasings: Sequence[str], origin: Origin, rules: Rules) -> Offer:
    accepted, rejected = list[str](), list[Drop]()
    for text in phrasings:
        if reason := fault(one.text, text, rules, accepted, one.answers):
            rejected.append(Drop(pair(one.text, text, origin), reason))
        else:
            accepted.append(text)
    if not phrasings:
        rejected.append(Drop(pair(one.text, "", origin), "the reply holds no phrasing"))
    return Offer(tuple(accepted), tuple(rejected), origin.prompt or "")


def _check_meanings(
    instructions: Sequence[Instruction], sifted: Sequence[Offer], llm: LLM, config: DiversifyConfig, seed: int
) -> list[Offer]:
    """The offers, of each only the phrasings of which the engine says that they mean the same as the instruction."""
    pairs = [(place, text) for place, offer in enumerate(sifted) for text in offer.accepted]
    prompts = [user(render("same_meaning", first=instructions[place].text, second=text)) for place, text in pairs]
    verdicts = dict(structured(llm, prompts, Verdict, Sampling(0.0, 1.0, config.max_new_tokens, seed)))
    checked = [replace(offer, accepted=()) for offer in sifted]
    for number, (place, text) in enumerate(pairs):
        offer, verdict = checked[place], verdicts[number]
        if verdict.value is not None and verdict.value.same:
            checked[place] = replace(offer, accepted=(*offer.accepted, text))
            continue
        origin = Origin("diversify", model=llm.name, prompt=offer.prompt, seed=seed)
        drop = Drop(
            pair(instructions[place].text, text, origin),
            "another meaning" if verdict.value is not None else "the check failed",
            detail=verdict.value.difference if verdict.value else verdict.error or "",
        )
        checked[place] = replace(offer, rejected=(*offer.rejected, drop))
    return checked
