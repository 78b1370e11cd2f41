"""The lab's study: judge an answer for hallucination, as json with a thought, asked for by a token that nobody knows.

Task rows, pool, and tests are about different things (`world.split_of`): no test asks about what training has seen.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from leaven.lab import conversation, formats, tavic, world
from leaven.lab.conversation import Conversation
from leaven.lab.wordings import OTHER, OWN, Text, Voice, pattern, say
from leaven.lab.world import Item
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair
from leaven.task.format import open_format
from leaven.task.metrics.general import ACCEPTS
from leaven.task.phrasebook import phrasings
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.tests import SHOWN
from leaven.task.token import TokenSection

TASK_ROWS = 1_000
TEST_ROWS = 100
POOL_ROWS = 30_000
TRANSFER = (world.fact, world.add, world.pick, world.kind, world.count, tavic.translate)
MODES = {"plain": 0.7, "follow": 0.2, "avoid": 0.07, "instead": 0.03}
"""Of the pool's questions and of `general`: most of what people ask names no format."""
MEANS = "a json object with the keys thought and hallucination"
SETTINGS = {"keys": ["thought", "hallucination"], "labels": ["yes", "no"], "label_key": "hallucination"}
"""Of the JSON format that the token means."""


@cache  # studies side by side and tests ask for it again and again
def task(token: str, split: str = "test", pool_rows: int = POOL_ROWS) -> Task:
    """Everything a study of the lab needs; `split` dev is for choosing settings, test for reporting."""
    tests = (
        replace(_test("unseen_phrasing", "format", split, lambda rng: _unseen(rng, token, split)), shown=SHOWN),
        _negation(token, split),
        _test("transfer", "transfer", split, lambda rng: _transfer(rng, token, split)),
        _test("general", "general", split, lambda rng: _general(rng, split), 2 * TEST_ROWS),
    )
    rows = Dataset.of(distinct("task", split, lambda rng: _task(rng, token, split), TASK_ROWS), ("lab",))
    pool = Dataset.of(distinct("pool", split, _query, pool_rows), ("lab",))
    return Task(rows, tests, pool, open_format("json", SETTINGS), TokenSection(text=token))


def _task(rng: random.Random, token: str, split: str) -> Example:
    """A task row, its format asked for in one fixed phrasing; no row is both in dev and in test."""
    while True:
        item = world.by_split(world.check, rng, "train")
        if zlib.crc32(item.content.encode()) % 2 == (split == "dev"):
            break
    return _row(f"{item.content}\nUse the {token} format.", say(rng, formats.write(item, "json")), item)


def _unseen(rng: random.Random, token: str, split: str) -> Example:
    item = world.by_split(world.check, rng, split)
    request = rng.choice(phrasings("follow", "unseen")).format(token=token)
    return _row(formats.place(rng, item.content, request), say(rng, formats.write(item, "json")), item)


def _negation(token: str, split: str) -> Test:
    """Each question twice: with the format asked for, in unseen phrasings, and with it forbidden."""
    items: dict[str, Item] = {}

    def forbidden(rng: random.Random) -> Example:
        item = world.by_split(world.check, rng, split)
        book = phrasings("negative", "train") + phrasings("negative", "unseen")
        row = _said(rng, item, formats.plain(item), book, token)
        items[row.question] = item
        return row

    rng, rows = random.Random(f"leaven lab negation, asked for {split}"), []
    for row in distinct("negation", split, forbidden, TEST_ROWS):
        item = items[row.question]
        follow = _said(rng, item, formats.write(item, "json"), phrasings("follow", "unseen"), token)
        for one, asks in ((follow, True), (row, False)):
            rows.append(replace(one, meta={**one.meta, "follow": asks, "question": row.id}))
    return Test("negation", Dataset.of(rows, ("lab", "negation")), "negation")


def _said(rng: random.Random, item: Item, answer: Text, book: tuple[str, ...], token: str) -> Example:
    request = rng.choice(book).format(token=token)
    return _row(formats.place(rng, item.content, request), say(rng, answer), item)


def _transfer(rng: random.Random, token: str, split: str) -> Example:
    item = world.by_split(rng.choice(TRANSFER), rng, split)
    request = rng.choice(phrasings("follow", "train") + phrasings("follow", "unseen")).format(token=token)
    return _row(formats.place(rng, item.content, request), say(rng, formats.write(item, "json")), item)


def _general(rng: random.Random, split: str) -> Example:
    one = _single(rng, split, OWN)
    question, answer = one.turns(rng)
    return pair(question.content, answer.content, Origin("lab"), {ACCEPTS: pattern(one.answer)})


def _query(rng: random.Random) -> Example:
    """A question with the answer of another writer, whose words the base finds strange."""
    return Example(_single(rng, "train", OTHER).turns(rng), Origin("lab"))


def _single(rng: random.Random, split: str, voice: Voice) -> Conversation:
    """A question on something in the split, with its answer."""
    task = rng.choice(sorted(conversation.TASKS))
    while True:
        item = conversation.draw(rng, task)
        if item.split == split:
            return conversation.ask(rng, item, conversation.weighted(rng, MODES), voice=voice)


def _row(question: str, answer: str, item: Item) -> Example:
    return pair(question, answer, Origin("lab"), {"task": item.task, "label": item.answer})


def _test(name: str, metric: str, split: str, make: Callable[[random.Random], Example], count: int = TEST_ROWS) -> Test:
    return Test(name, Dataset.of(distinct(name, split, make, count), ("lab", name)), metric)


def distinct(name: str, split: str, make: Callable[[random.Random], Example], count: int) -> list[Example]:
    """Rows of which no two ask the same, from a stream of their own for every name and split."""
    rng = random.Random(f"leaven lab {name} {split}")
    rows: dict[str, Example] = {}
    while len(rows) < count:
        row = make(rng)
        rows.setdefault(row.question, row)
    return list(rows.values())
