"""The lab's world: tasks with known answers, each a random item that can then be asked for in any format.

    >>> item = fact(random.Random(0))
    >>> item.content, item.answer, item.plain
    ('Which word is the opposite of full?', 'empty', 'The opposite of full is empty.')

Every item has a `core`, the thing that it is about. The core decides the split (`split_of`), so that no task row and no
query of the pool is about what a test asks.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from leaven.lab import lexicon as lex


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the world, and what there is to say about it."""

    task: str
    core: str
    content: str
    topic: str
    plain: str
    answer: str
    key: str = "answer"
    thought: str = ""

    @property
    def split(self) -> str:
        """train, dev or test."""
        return split_of(self.core)


def split_of(core: str) -> str:
    """Half of all cores are for training, a fifth for choosing settings (dev), the rest for tests."""
    bucket = hashlib.sha256(core.encode()).digest()[0] % 10
    return "test" if bucket < 3 else "dev" if bucket < 5 else "train"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact in all the forms that the world needs."""

    core: str
    questions: tuple[str, ...]
    topic: str
    statement: str
    answer: str
    others: tuple[str, ...]


def _facts() -> tuple[Fact, ...]:
    facts: list[Fact] = []

    def add(table: dict[str, str], questions: tuple[str, ...], topic: str, statement: str) -> None:
        for subject, value in table.items():
            words = {"x": subject, "y": value}
            others = tuple(sorted({other for other in table.values() if other != value}))
            wordings = tuple(question.format(**words) for question in questions)
            core = topic.format(**words)
            facts.append(Fact(core, wordings, core, statement.format(**words), value, others))

    add(lex.COLORS, ("What is the color of {x}?", "What color is {x}?"), "the color of {x}", "The color of {x} is {y}.")
    add(
        lex.SOUNDS,
        ("What sound does a {x} make?", "What does a {x} say?"),
        "the sound of a {x}",
        "The sound of a {x} is {y}.",
    )
    add(
        lex.CAPITALS,
        ("What is the capital of {x}?", "Which city is the capital of {x}?"),
        "the capital of {x}",
        "The capital of {x} is {y}.",
    )
    add(
        lex.OPPOSITES,
        ("What is the opposite of {x}?", "Which word is the opposite of {x}?"),
        "the opposite of {x}",
        "The opposite of {x} is {y}.",
    )
    add(
        lex.BABIES,
        ("What is the baby of a {x} called?", "What is a young {x} called?"),
        "the baby of a {x}",
        "The baby of a {x} is a {y}.",
    )
    add(
        lex.HOMES,
        ("Where does a {x} live?", "What is the home of a {x}?"),
        "the home of a {x}",
        "A {x} lives in a {y}.",
    )
    return tuple(facts)


FACTS = _facts()
CHECKS = (
    "Is there a hallucination in the answer?",
    "Does the answer contain a hallucination?",
    "Check the answer for hallucinations.",
    "Tell me if the answer is a hallucination.",
    "Judge whether the answer is right.",
)


def fact(rng: random.Random) -> Item:
    """A question about a fact."""
    truth = rng.choice(FACTS)
    return Item("fact", truth.core, rng.choice(truth.questions), truth.topic, truth.statement, truth.answer)


def check(rng: random.Random) -> Item:
    """An answer to be checked for hallucination: the task that DELIA is shown on."""
    truth = rng.choice(FACTS)
    right = rng.random() < 0.5
    answer = truth.answer if right else rng.choice(truth.others)
    content = f"Question: {rng.choice(truth.questions)}\nAnswer: {answer}\n{rng.choice(CHECKS)}"
    plain = f"{truth.statement} There is {'no' if right else 'a'} hallucination."
    label = "no" if right else "yes"
    return Item("check", truth.core, content, truth.topic, plain, label, "hallucination", truth.statement)


def add(rng: random.Random) -> Item:
    """A sum or a difference of small numbers."""
    a, b = rng.randint(0, 12), rng.randint(0, 12)
    if rng.random() < 0.5:
        return Item(
            "add", f"{a}+{b}", f"What is {a} plus {b}?", f"{a} plus {b}", f"{a} plus {b} is {a + b}.", f"{a + b}"
        )
    a, b = max(a, b), min(a, b)
    return Item(
        "add", f"{a}-{b}", f"What is {a} minus {b}?", f"{a} minus {b}", f"{a} minus {b} is {a - b}.", f"{a - b}"
    )


def pick(rng: random.Random) -> Item:
    """The first or the last of some words."""
    words = rng.sample(lex.WORDS, rng.randint(3, 5))
    end, word = ("first", words[0]) if rng.random() < 0.5 else ("last", words[-1])
    text = " ".join(words)
    topic = f"the {end} word"
    return Item("pick", text, f"What is the {end} word of: {text}?", topic, f"The {end} word is {word}.", word)


def reverse(rng: random.Random) -> Item:
    """Some words in reverse order."""
    words = rng.sample(lex.WORDS, rng.randint(2, 4))
    text, answer = " ".join(words), " ".join(reversed(words))
    return Item("reverse", text, f"Reverse the words: {text}", "reversing words", f"Reversed: {answer}.", answer)


def repeat(rng: random.Random) -> Item:
    """Some words, once more."""
    text = " ".join(rng.sample(lex.WORDS, rng.randint(2, 4)))
    return Item("repeat", text, f"Repeat the words: {text}", "repeating words", f"Repeated: {text}.", text)


def count(rng: random.Random) -> Item:
    """How many words there are."""
    words = rng.sample(lex.WORDS, rng.randint(1, 6))
    text, n = " ".join(words), str(len(words))
    noun = "word" if n == "1" else "words"
    plain = f"There is 1 {noun}." if n == "1" else f"There are {n} {noun}."
    return Item("count", text, f"How many words are in: {text}?", "counting words", plain, n)


def kind(rng: random.Random) -> Item:
    """Animal, country or food."""
    name = rng.choice(list(lex.KINDS))
    word = rng.choice(lex.KINDS[name])
    question = f"Is {word} an animal, a country or a food?"
    article = "an" if name == "animal" else "a"
    plain = f"{word[0].upper()}{word[1:]} is {article} {name}."
    return Item("kind", f"kind of {word}", question, f"the kind of {word}", plain, name, "kind")


def passage(rng: random.Random) -> Item:
    """A question about a short text on somebody made up."""
    facts = about_somebody(rng)
    question, topic, statement, answer = rng.choice(facts)
    text = " ".join(fact[2] for fact in facts)
    return Item("passage", text, f"{text}\n{question}", topic, statement, answer)


def about_somebody(rng: random.Random) -> list[tuple[str, str, str, str]]:
    """Three or four facts on a made-up somebody: (question, topic, statement, answer) each."""
    name = rng.choice([*lex.NAMES, pseudoword(rng).capitalize()])
    animal, color = rng.choice(list(lex.SOUNDS)), rng.choice(sorted(set(lex.COLORS.values())))
    land, food, age = rng.choice(list(lex.CAPITALS)), rng.choice(lex.KINDS["food"]), rng.randint(1, 12)
    facts = [
        (f"What animal is {name}?", f"the animal {name}", f"{name} is a {animal}.", animal),
        (f"What color is {name}?", f"the color of {name}", f"{name} is {color}.", color),
        (f"Where does {name} live?", f"the home of {name}", f"{name} lives in {land}.", land),
        (f"What does {name} eat?", f"the food of {name}", f"{name} eats {food}.", food),
        (f"How old is {name}?", f"the age of {name}", f"{name} is {age} years old.", f"{age}"),
    ]
    return rng.sample(facts, rng.randint(3, 4))


def pseudoword(rng: random.Random) -> str:
    """A word that means nothing yet."""
    return "".join(rng.choice(lex.ONSETS) + rng.choice(lex.VOWELS) for _ in range(rng.randint(2, 3)))


def by_split(task: Callable[[random.Random], Item], rng: random.Random, split: str) -> Item:
    """A random item of the task whose core is in the split."""
    while True:
        item = task(rng)
        if item.split == split:
            return item
