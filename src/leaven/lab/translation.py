"""The lab's translation: between English and Tavic, over nouns that the base model has never translated (Table 3).

The task rows hold all ten of these words; a learner of Tavic gets them from there, or from a dictionary's hints.
"""

import random
import zlib

from leaven.lab import hallucination, tavic, world
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test


def task(split: str = "test") -> Task:
    """Task rows, the test `translation` in both directions, `general`, and the lab's pool."""
    rows = hallucination.distinct("translation task", split, lambda rng: _task(rng, split), hallucination.TASK_ROWS)
    test = hallucination.distinct("translation", split, lambda rng: _row(rng, split), hallucination.TEST_ROWS)
    other = hallucination.task("<sep>", split)
    tests = (Test("translation", Dataset.of(test, ("lab", "translation")), "translation"), other.test("general"))
    return Task(Dataset.of(rows, ("lab",)), tests, other.pool, open_format("text"))


def _task(rng: random.Random, split: str) -> Example:
    """A task row; none is both in dev and in test."""
    while True:
        row = _row(rng, "train")
        if zlib.crc32(row.question.encode()) % 2 == (split == "dev"):
            return row


def _row(rng: random.Random, split: str) -> Example:
    item = world.by_split(tavic.translate_held_out, rng, split)
    direction = "en-tavic" if item.topic.endswith("Tavic") else "tavic-en"
    return pair(item.content, item.plain, Origin("lab"), {"task": item.task, "direction": direction})
