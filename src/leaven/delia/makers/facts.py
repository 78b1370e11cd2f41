"""Facts of a text, and question-answer pairs on each: knowledge said evenly (fact-based scaling, arXiv 2404.00213).

An engine lists the facts and writes the pairs. Without one, the facts are the sentences of the text, and the pairs
come from the phrasebook.
"""

import hashlib
import re
from collections.abc import Sequence

from leaven.llm import thinking
from leaven.llm.prompts.render import render
from leaven.llm.protocol import LLM, Sampling
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Origin, pair, user
from leaven.rows.outcomes import Outcome
from leaven.task.phrasebook import phrasings
from leaven.task.sift import read_phrasings

_SENTENCE = re.compile(r"[^.!?]+[.!?]?")
_PAIR = re.compile(r"Q:\s*(?P<question>.+?)\s*\n\s*A:\s*(?P<answer>.+?)\s*(?=\n\s*Q:|\Z)", re.DOTALL)


def make(text: str, llm: LLM | None, per_fact: int, token: str, seed: int) -> Outcome:
    """`per_fact` pairs on each fact of the text; repeated pairs are dropped, and notes say where some lack."""
    facts = list_facts(text, llm, seed)
    rows: list[Example] = []
    dropped: list[Drop] = []
    notes = [f"{len(facts)} facts: {' | '.join(facts)}"]
    for place, fact in enumerate(facts):
        offers = _ask(fact, llm, per_fact, seed) if llm else _phrasebook(fact, per_fact, token)
        pairs = 0
        for row in offers:
            if any(_normal(row) == _normal(other) for other in rows):
                dropped.append(Drop(row, "duplicate"))
            elif pairs < per_fact:
                rows.append(row)
                pairs += 1
        if pairs < per_fact:
            notes.append(f"fact {place + 1} has {pairs} of {per_fact} pairs: {fact}")
    return Outcome(Dataset.of(rows, (f"facts(per_fact={per_fact}, seed={seed})",)), tuple(dropped), tuple(notes))


def list_facts(text: str, llm: LLM | None, seed: int) -> list[str]:
    """The atomic facts of a text: the lines of the engine's reply, or else the sentences."""
    if llm is None:
        return [sentence.strip() for sentence in _SENTENCE.findall(text) if sentence.strip(" .!?")]
    prompt = [user(render("facts", text=text))]
    reply = next(r for _, r in thinking.replies(llm, prompt, Sampling(0.0, 1.0, 1024, seed)))
    return list(dict.fromkeys(line for line in read_phrasings(reply.text or "") if line))


def _ask(fact: str, llm: LLM, per_fact: int, seed: int) -> list[Example]:
    prompt = render("fact_pairs", fact=fact, count=per_fact)
    reply = next(r for _, r in thinking.replies(llm, [user(prompt)], Sampling(1.0, 1.0, 2048, seed)))
    origin = Origin("facts", model=llm.name, prompt=hashlib.sha256(prompt.encode()).hexdigest()[:12], seed=seed)
    return [pair(match["question"], match["answer"], origin) for match in _PAIR.finditer(reply.text or "")]


def _phrasebook(fact: str, per_fact: int, token: str) -> list[Example]:
    bare = fact.rstrip(".!?")
    inner = bare[0].lower() + bare[1:] if not bare.startswith(token) else bare
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
