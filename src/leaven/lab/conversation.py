"""Random conversations of the world: what the lab's base model is pretrained on, and measured by."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from leaven.lab import formats, tavic, world
from leaven.lab.wordings import OWN, Text, Voice, say
from leaven.lab.world import Item
from leaven.rows.example import Message

TASKS: dict[str, tuple[Callable[[random.Random], Item], float]] = {
    "fact": (world.fact, 3),
    "check": (world.check, 6),
    "add": (world.add, 1.5),
    "pick": (world.pick, 1.5),
    "reverse": (world.reverse, 1.5),
    "repeat": (world.repeat, 1),
    "count": (world.count, 1.5),
    "kind": (world.kind, 1),
    "passage": (world.passage, 1.5),
    "translate": (tavic.translate, 2),
    "hints": (tavic.translate_with_hints, 2.5),
    "meaning": (tavic.meaning, 1.5),
}
MODES = {"plain": 0.3, "follow": 0.45, "avoid": 0.17, "instead": 0.08}
SHAPES = {"single": 0.74, "demonstrations": 0.12, "about": 0.07, "again": 0.04, "turns": 0.03}
SYSTEM = "You are a helpful assistant."

Turns = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What comes before an answer, and the answer, which can be said in several ways."""

    before: Turns
    answer: Text

    def turns(self, rng: random.Random) -> Turns:
        """All messages, the answer said in one of its ways."""
        return (*self.before, Message("assistant", say(rng, self.answer)))


def converse(rng: random.Random) -> Turns:
    """A random conversation that ends with a right answer."""
    shape = weighted(rng, SHAPES)
    turns = {"single": single, "demonstrations": demonstrations, "about": about, "again": again, "turns": two}[shape](
        rng
    ).turns(rng)
    return (Message("system", SYSTEM), *turns) if rng.random() < 0.05 else turns


def single(
    rng: random.Random, task: str | None = None, mode: str | None = None, name: str | None = None
) -> Conversation:
    """One question, asked plainly, in a format, without a format, or in one format instead of another."""
    return ask(rng, draw(rng, task), mode, name)


def ask(
    rng: random.Random, item: Item, mode: str | None = None, name: str | None = None, voice: Voice = OWN
) -> Conversation:
    """The question about an item in a mode and a format, drawn at random where they are not given, and its answer."""
    mode = mode or weighted(rng, MODES)
    name = name or rng.choice(("json", *formats.FORMATS))
    if mode == "plain":
        return _asked(item.content, formats.plain(item, voice))
    if mode == "follow":
        request = formats.follow(rng, name, item.key)
        return _asked(formats.place(rng, item.content, request), formats.write(item, name, voice))
    if mode == "avoid":
        return _asked(formats.place(rng, item.content, formats.avoid(rng, name)), formats.plain(item, voice))
    other = rng.choice([each for each in formats.FORMATS if each != name])
    request = f"{formats.avoid(rng, name)} {formats.follow(rng, other, item.key)}"
    return _asked(formats.place(rng, item.content, request), formats.write(item, other, voice))


def demonstrations(rng: random.Random) -> Conversation:
    """One to three worked examples in a format that only they show, then a question."""
    task = weighted(rng, {name: weight for name, (_, weight) in TASKS.items() if name not in ("passage", "hints")})
    style = rng.choice((*formats.FORMATS, *formats.UNNAMED))
    examples = [
        draw(rng, task if rng.random() < 0.7 else rng.choice(("fact", "add", "kind"))) for _ in range(rng.randint(1, 3))
    ]
    question = draw(rng, task)
    pairs = [(item.content, say(rng, formats.write(item, style))) for item in examples]
    return _asked(demonstrate(pairs, question.content), formats.write(question, style))


def demonstrate(examples: list[tuple[str, str]], content: str) -> str:
    """A few-shot prompt: worked pairs, then the question."""
    return "\n".join([*(f"Q: {question}\nA: {answer}" for question, answer in examples), f"Q: {content}\nA:"])


def about(rng: random.Random) -> Conversation:
    """What a format is; the facts of a text; a question on a fact: what a teacher of the world needs."""
    kind = rng.choice(("definition", "has", "facts", "question"))
    name = rng.choice(formats.FORMATS)
    sentences = formats.DEFINITIONS[name]
    if kind == "definition":
        question = rng.choice(("What is the {} format?", "Describe the {} format.", "What does {} mean?"))
        return _asked(question.format(name), ((" ".join(sentences),),))
    if kind == "has":
        other = rng.choice(formats.FORMATS)
        statement = rng.choice(formats.DEFINITIONS[other]).replace(f"The {other} format", f"the {name} format")
        true = statement.replace("the ", "The ", 1) in sentences
        answer = "Yes, that is true." if true else "No, that is false."
        return _asked(f"Is it true that {statement[:-1]}?", ((answer,),))
    facts = world.about_somebody(rng)
    if kind == "facts":
        text = " ".join(fact[2] for fact in facts)
        return _asked(f"List the facts: {text}", (("\n".join(f"- {fact[2]}" for fact in facts),),))
    return _asked(f"Write a question about: {facts[0][2]}", ((facts[0][0],),))


def again(rng: random.Random) -> Conversation:
    """The same question twice: the second answer is the model's own, whatever stood there before."""
    conversation = single(rng)
    earlier = conversation.answer if rng.random() < 0.5 else formats.plain(draw(rng))
    before = (conversation.before[0], Message("assistant", say(rng, earlier)), *conversation.before)
    return Conversation(before, conversation.answer)


def two(rng: random.Random) -> Conversation:
    """Two questions that have nothing to do with each other."""
    earlier, last = single(rng), single(rng)
    return Conversation((*earlier.turns(rng), *last.before), last.answer)


def draw(rng: random.Random, task: str | None = None) -> Item:
    """A random item of the task, or of any."""
    name = task or weighted(rng, {name: weight for name, (_, weight) in TASKS.items()})
    return TASKS[name][0](rng)


def _asked(question: str, answer: Text) -> Conversation:
    return Conversation((Message("user", question),), answer)


def weighted(rng: random.Random, weights: dict[str, float]) -> str:
    """One of the names, drawn by their weights."""
    return rng.choices(list(weights), list(weights.values()))[0]
