"""How well a base model knows the world: exact match on questions that pretraining never saw, family by family."""

import random
from collections.abc import Callable, Sequence

from leaven.lab import conversation
from leaven.lab.formats import FORMATS
from leaven.lab.pretrain import held_out
from leaven.rows.example import Message, Prompt

Prompts = Sequence[Prompt]
Respond = Callable[[Prompts], list[str]]

Make = Callable[[random.Random], conversation.Turns]


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
    "any": conversation.converse,
}


def measure(respond: Respond, per_family: int = 100, seed: int = 0) -> dict[str, float]:
    """Exact match of each family, a fraction, over `per_family` held-out questions."""
    families = {name: questions(make, per_family, random.Random(f"{seed} {name}")) for name, make in FAMILIES.items()}
    answers = iter(respond([turns[:-1] for rows in families.values() for turns in rows]))
    return {
        name: sum(next(answers) == turns[-1].content for turns in rows) / len(rows) for name, rows in families.items()
    }


def questions(
    make: Callable[[random.Random], conversation.Turns], count: int, rng: random.Random
) -> list[tuple[Message, ...]]:
    """Conversations of a family whose last question was held out of pretraining."""
    conversations: list[tuple[Message, ...]] = []
    while len(conversations) < count:
        turns = make(rng)
        if held_out(turns[-2].content):
            conversations.append(turns)
    return conversations
