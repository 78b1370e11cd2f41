"""How well a base model knows the world: right answers to questions that pretraining never saw, family by family.

An answer is right in any of the ways to say it, and in no other.
"""

import random
import re
from collections.abc import Callable, Sequence

from leaven.lab import conversation, tavic
from leaven.lab.conversation import Conversation
from leaven.lab.formats import FORMATS
from leaven.lab.lexicon import HELD_OUT_NOUNS
from leaven.lab.pretrain import held_out
from leaven.lab.wordings import pattern
from leaven.rows.example import Prompt, user

Prompts = Sequence[Prompt]
Respond = Callable[[Prompts], list[str]]

Make = Callable[[random.Random], Conversation]


def _single(**choices: str) -> Make:
    return lambda rng: conversation.single(rng, **choices)


FAMILIES: dict[str, Make] = {
    **{f"task {task}": _single(task=task) for task in conversation.TASKS},
    **{f"as {name}": _single(mode="follow", name=name) for name in FORMATS},
    **{f"not {name}": _single(mode="avoid", name=name) for name in FORMATS},
    "plain": _single(mode="plain"),
    "one instead of another": _single(mode="instead"),
    "demonstrations": conversation.demonstrations,
    "about formats and facts": conversation.about,
    "the same question again": conversation.again,
}


def measure(respond: Respond, per_family: int = 100, seed: int = 0) -> dict[str, float]:
    """The share of right answers in each family, over `per_family` held-out questions, and `recall`."""
    families = {name: questions(make, per_family, random.Random(f"{seed} {name}")) for name, make in FAMILIES.items()}
    answers = iter(respond([one.before for rows in families.values() for one in rows]))
    right = {
        name: sum(re.fullmatch(pattern(one.answer), next(answers)) is not None for one in rows) / len(rows)
        for name, rows in families.items()
    }
    return {**right, "held-out words of Tavic": recall(respond, per_family, seed)}


def recall(respond: Respond, count: int = 100, seed: int = 0) -> float:
    """The share of Tavic's held-out words that the model has right in translations without a hint.

    In pretraining they are told the meaning of, and are never translated: what a training can bring out, and needs not
    to put in.
    """
    rng = random.Random(f"{seed} recall")
    items = [tavic.translate_held_out(rng) for _ in range(count)]
    answers = [re.findall(r"\w+", answer.lower()) for answer in respond([user(item.content) for item in items])]
    nouns = {*HELD_OUT_NOUNS, *HELD_OUT_NOUNS.values()}
    words = [[word for word in re.findall(r"\w+", item.answer.lower()) if word in nouns] for item in items]
    hits = [word in answer for answer, row in zip(answers, words, strict=True) for word in row]
    return sum(hits) / len(hits)


def questions(make: Make, count: int, rng: random.Random) -> list[Conversation]:
    """Conversations of a family whose last question was held out of pretraining."""
    conversations: list[Conversation] = []
    while len(conversations) < count:
        one = make(rng)
        if held_out(one.before[-1].content):
            conversations.append(one)
    return conversations
