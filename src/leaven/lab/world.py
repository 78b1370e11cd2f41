"""The lab's world: tasks with known answers, each a random item that can then be asked for in any format.

    >>> item = fact(random.Random(0))
    >>> item.content, item.answer, item.statements[0]
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
    """One question of the world, and what there is to say about it: each sentence in several ways."""

    task: str
    core: str
    content: str
    topic: str
    statements: tuple[str, ...]
    answer: str
    key: str = "answer"
    thoughts: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether nothing is said before or after the answer: a translation is the sentence, and nothing else."""
        return self.task == "translate"

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
    statements: tuple[str, ...]
    answer: str
    others: tuple[str, ...]


KINDS_OF_FACT = (
    (
        lex.COLORS,
        "the color of {x}",
        ("What is the color of {x}?", "What color is {x}?"),
        ("The color of {x} is {y}.", "The color is {y}.", "It is {y}, the color of {x}."),
    ),
    (
        lex.SOUNDS,
        "the sound of a {x}",
        ("What sound does a {x} make?", "What does a {x} say?"),
        ("The sound of a {x} is {y}.", "A {x} says {y}.", "It is {y}, the sound of a {x}."),
    ),
    (
        lex.CAPITALS,
        "the capital of {x}",
        ("What is the capital of {x}?", "Which city is the capital of {x}?"),
        ("The capital of {x} is {y}.", "{y} is the capital of {x}.", "It is {y}, the capital of {x}."),
    ),
    (
        lex.OPPOSITES,
        "the opposite of {x}",
        ("What is the opposite of {x}?", "Which word is the opposite of {x}?"),
        ("The opposite of {x} is {y}.", "The opposite is {y}.", "It is {y}, the opposite of {x}."),
    ),
    (
        lex.BABIES,
        "the baby of a {x}",
        ("What is the baby of a {x} called?", "What is a young {x} called?"),
        ("The baby of a {x} is a {y}.", "A young {x} is a {y}.", "It is a {y}, the baby of a {x}."),
    ),
    (
        lex.HOMES,
        "the home of a {x}",
        ("Where does a {x} live?", "What is the home of a {x}?"),
        ("A {x} lives in a {y}.", "The home of a {x} is a {y}.", "It is a {y}, the home of a {x}."),
    ),
)


def _facts() -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for table, topic, questions, statements in KINDS_OF_FACT:
        for x, y in table.items():
            others = tuple(sorted({other for other in table.values() if other != y}))
            core = topic.format(x=x)
            wordings = tuple(question.format(x=x) for question in questions)
            facts.append(Fact(core, wordings, core, tuple(each.format(x=x, y=y) for each in statements), y, others))
    return tuple(facts)


FACTS = _facts()
CHECKS = (
    "Is there a hallucination in the answer?",
    "Does the answer contain a hallucination?",
    "Check the answer for hallucinations.",
    "Tell me if the answer is a hallucination.",
    "Judge whether the answer is right.",
)
RIGHT = ("There is no hallucination.", "The answer is right.", "So the answer has no hallucination.")
WRONG = ("There is a hallucination.", "The answer is a hallucination.", "So the answer has a hallucination.")


def fact(rng: random.Random) -> Item:
    """A question about a fact."""
    truth = rng.choice(FACTS)
    return Item("fact", truth.core, rng.choice(truth.questions), truth.topic, truth.statements, truth.answer)


def check(rng: random.Random) -> Item:
    """An answer to be checked for hallucination: the task that DELIA is shown on."""
    truth = rng.choice(FACTS)
    right = rng.random() < 0.5
    answer = truth.answer if right else rng.choice(truth.others)
    content = f"Question: {rng.choice(truth.questions)}\nAnswer: {answer}\n{rng.choice(CHECKS)}"
    label = "no" if right else "yes"
    verdicts = RIGHT if right else WRONG
    statements = tuple(f"{statement} {verdict}" for statement in truth.statements for verdict in verdicts)
    return Item("check", truth.core, content, truth.topic, statements, label, "hallucination", truth.statements)


def add(rng: random.Random) -> Item:
    """A sum or a difference of small numbers."""
    a, b = rng.randint(0, 12), rng.randint(0, 12)
    if rng.random() < 0.5:
        return _sum(f"{a}+{b}", f"{a} plus {b}", a + b)
    a, b = max(a, b), min(a, b)
    return _sum(f"{a}-{b}", f"{a} minus {b}", a - b)


def _sum(core: str, topic: str, n: int) -> Item:
    statements = (f"{topic} is {n}.", f"The result is {n}.", f"It is {n}.", f"That makes {n}.")
    return Item("add", core, f"What is {topic}?", topic, statements, f"{n}")


def pick(rng: random.Random) -> Item:
    """The first or the last of some words."""
    words = rng.sample(lex.WORDS, rng.randint(3, 5))
    end, word = ("first", words[0]) if rng.random() < 0.5 else ("last", words[-1])
    text, topic = " ".join(words), f"the {end} word"
    statements = (f"The {end} word is {word}.", f"It is {word}.", f"The {end} of them is {word}.")
    return Item("pick", text, f"What is the {end} word of: {text}?", topic, statements, word)


def reverse(rng: random.Random) -> Item:
    """Some words in reverse order."""
    words = rng.sample(lex.WORDS, rng.randint(2, 4))
    text, answer = " ".join(words), " ".join(reversed(words))
    statements = (f"Reversed: {answer}.", f"The reverse is {answer}.", f"Back to front: {answer}.")
    return Item("reverse", text, f"Reverse the words: {text}", "reversing words", statements, answer)


def repeat(rng: random.Random) -> Item:
    """Some words, once more."""
    text = " ".join(rng.sample(lex.WORDS, rng.randint(2, 4)))
    statements = (f"Repeated: {text}.", f"Again: {text}.", f"The words are {text}.")
    return Item("repeat", text, f"Repeat the words: {text}", "repeating words", statements, text)


def count(rng: random.Random) -> Item:
    """How many words there are."""
    words = rng.sample(lex.WORDS, rng.randint(1, 6))
    text, n = " ".join(words), str(len(words))
    there = "There is 1 word." if n == "1" else f"There are {n} words."
    statements = (there, f"I count {n}.", f"The number of words is {n}.")
    return Item("count", text, f"How many words are in: {text}?", "counting words", statements, n)


def kind(rng: random.Random) -> Item:
    """Animal, country or food."""
    name = rng.choice(list(lex.KINDS))
    word = rng.choice(lex.KINDS[name])
    question = f"Is {word} an animal, a country or a food?"
    article = "an" if name == "animal" else "a"
    named = f"{word[0].upper()}{word[1:]}"
    statements = (f"{named} is {article} {name}.", f"It is {article} {name}.", f"The kind is {name}.")
    return Item("kind", f"kind of {word}", question, f"the kind of {word}", statements, name, "kind")


def passage(rng: random.Random) -> Item:
    """A question about a short text on somebody made up."""
    facts = about_somebody(rng)
    question, topic, statement, answer = rng.choice(facts)
    text = " ".join(fact[2] for fact in facts)
    statements = (statement, f"It is {answer}, says the text.", f"The text says that {statement}")
    return Item("passage", text, f"{text}\n{question}", topic, statements, answer)


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
