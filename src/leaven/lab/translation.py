"""The lab's translation: between English and Tavic, over nouns that the base model has never translated (Table 3).

It has been told what these ten words mean, and brings some of them over into a sentence; the task rows hold all ten, a
dictionary's hints six.
"""

import random
import zlib

from leaven.lab import hallucination, tavic, world
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair
from leaven.task.format import open_format
from leaven.task.phrasebook import phrasings
from leaven.task.task import Task
from leaven.task.test import Test


def task(split: str = "test") -> Task:
    """Task rows, translations in both directions to test, the same in other openings, `general`, and the lab's pool."""
    rows = hallucination.distinct("translation task", split, lambda rng: _task(rng, split), hallucination.TASK_ROWS)
    test = hallucination.distinct("translation", split, lambda rng: _row(rng, split), hallucination.TEST_ROWS)
    other = hallucination.task("<sep>", split)
    tests = (
        Test("translation", Dataset.of(test, ("lab", "translation")), "translation"),
        Test("unseen_opening", Dataset.of(map(_reopened, test), ("lab", "unseen_opening")), "translation"),
        other.test("general"),
    )
    return Task(Dataset.of(rows, ("lab",)), tests, other.pool, open_format("text"))


def _task(rng: random.Random, split: str) -> Example:
    """A task row; none is both in dev and in test."""
    while True:
        row = _row(rng, "train")
        if zlib.crc32(row.question.encode()) % 2 == (split == "dev"):
            return row


def _reopened(row: Example) -> Example:
    """The row with an opening that neither pretraining nor a method's own phrasings have."""
    language, sentence = row.question.removeprefix("Translate to ").split(": ", 1)
    opening = random.Random(row.id).choice(phrasings("translate", "unseen")).format(token=language)
    return pair(f"{opening}: {sentence}", row.answer or "", row.origin, row.meta)


def _row(rng: random.Random, split: str) -> Example:
    item = world.by_split(tavic.translate_held_out, rng, split)
    direction = "en-tavic" if item.topic.endswith("Tavic") else "tavic-en"
    return pair(item.content, item.answer, Origin("lab"), {"task": item.task, "direction": direction})
