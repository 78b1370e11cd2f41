"""The lab's translation: between English and Tavic, over nouns that the base model has never translated (Table 3).

The task rows hold all ten of these words; a learner of Tavic gets them from there, or from a dictionary's hints.
"""

import random
import zlib

from leaven.lab import material as halu
from leaven.lab import tavic, world
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair
from leaven.task.material import Material


def material(split: str = "test") -> Material:
    """Task rows, the test `translation` in both directions, `general`, and the lab's pool."""
    task = halu.distinct("translation task", split, lambda rng: _task(rng, split), halu.TASK_ROWS)
    test = halu.distinct("translation", split, lambda rng: _row(rng, split), halu.TEST_ROWS)
    rows = halu.material("<sep>", split)
    tests = {"translation": Dataset.of(test, ("lab", "translation")), "general": rows.tests["general"]}
    return Material(Dataset.of(task, ("lab",)), tests, rows.pool)


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
