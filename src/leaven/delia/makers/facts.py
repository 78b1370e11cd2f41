"""Facts of a text, and question-answer pairs on each: knowledge said evenly (fact-based scaling, arXiv 2404.00213).

An engine lists the facts and writes the pairs. Without one, the facts are the sentences of the text, and the pairs
come from the phrasebook.
"""

import hashlib
import re
from collections.abc import Sequence

from leaven.errors import Unfinished, UserError
from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Sampling
from leaven.llm.replies import all_of
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Origin, pair, user
from leaven.rows.outcomes import FAILED, Outcome
from leaven.task.phrasebook import phrasings
from leaven.task.sift import read_phrasings

_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_PAIR = re.compile(r"Q:\s*(?P<question>.+?)\s*\n\s*A:\s*(?P<answer>.+?)\s*(?=\n\s*Q:|\Z)", re.DOTALL)


def make(text: str, llm: LLM | None, per_fact: int, token: str, seed: int) -> Outcome:
    """`per_fact` pairs on each fact of the text; repeated pairs are dropped, and notes say where some lack.

    Raises UserError where there is no fact, or not one pair; Unfinished where that is since a call failed.
    """
    facts = list_facts(text, llm, seed)
    rows: list[Example] = []
    dropped: list[Drop] = []
    notes = [f"{len(facts)} facts: {' | '.join(facts)}"]
    for place, fact in enumerate(facts):
        pairs = 0
        for offer in _ask(fact, llm, per_fact, seed) if llm else _phrasebook(fact, per_fact, token):
            if isinstance(offer, Drop):
                dropped.append(offer)
            elif any(_normal(offer) == _normal(other) for other in rows):
                dropped.append(Drop(offer, "duplicate"))
            elif pairs < per_fact:
                rows.append(offer)
                pairs += 1
        if pairs < per_fact:
            notes.append(f"fact {place + 1} has {pairs} of {per_fact} pairs: {fact}")
    if llm and not rows:
        raise _nothing(llm, "question and answer", next((one.detail for one in dropped if one.reason == FAILED), ""))
    return Outcome(Dataset.of(rows, (f"facts(per_fact={per_fact}, seed={seed})",)), tuple(dropped), tuple(notes))


def list_facts(text: str, llm: LLM | None, seed: int) -> list[str]:
    """The atomic facts of a text: the lines of the engine's reply, or else the sentences. Raises as `make` does."""
    if llm is None:
        return [sentence for sentence in _BETWEEN_SENTENCES.split(text.strip()) if sentence.strip(" .!?")]
    (reply,) = all_of(llm, [user(render("facts", text=text))], Sampling(0.0, 1.0, 1024, seed))
    if facts := list(dict.fromkeys(line for line in read_phrasings(reply.text or "") if line)):
        return facts
    raise _nothing(llm, "fact", reply.error or "")


def _ask(fact: str, llm: LLM, per_fact: int, seed: int) -> Sequence[Example | Drop]:
    """The pairs that the engine writes; one row without an answer, dropped, where its call failed."""
    prompt = render("fact_pairs", fact=fact, count=per_fact)
    (reply,) = all_of(llm, [user(prompt)], Sampling(1.0, 1.0, 2048, seed))
    origin = Origin("facts", model=llm.name, prompt=hashlib.sha256(prompt.encode()).hexdigest()[:12], seed=seed)
    if reply.text is None:
        return [Drop(pair(fact, "", origin), FAILED, detail=reply.error or "")]
    return [pair(match["question"], match["answer"], origin) for match in _PAIR.finditer(reply.text)]


def _nothing(llm: LLM, what: str, error: str) -> UserError:
    """What to say of an engine without a reply that is of use: its call failed (`error`), or holds nothing."""
    if error:
        return Unfinished(f"{llm.name} gave no {what}, since its call failed: {error}", "The same command asks again.")
    return UserError(f"{llm.name} gave no {what} that can be read", "Say more of the token, or name another engine.")


def _phrasebook(fact: str, per_fact: int, token: str) -> list[Example]:
    bare = fact.rstrip(".!?")
    first = bare.split()[0]
    is_name = bare.startswith(token) or first[1:] != first[1:].lower()  # JSON
    inner = bare if is_name else bare[0].lower() + bare[1:]
    questions: Sequence[str] = phrasings("fact", "train")
    origin = Origin("facts", place="phrasings.yaml")
    rows = []
    for question in questions[:per_fact]:
        # A question that says the fact is answered by yes; any other by the fact.
        text = question.format(token=token, fact=inner)
        rows.append(pair(text, "Yes, that is true." if "{fact}" in question else fact, origin))
    return rows


def _normal(row: Example) -> str:
    return " ".join(re.findall(r"\w+", f"{row.question} / {row.answer}".casefold()))
