"""The token put into questions that do not name it: each asks for it in one of the phrasebook's many ways.

>>> add_request("List three birds.", "<x>", random.Random(0))
'List three birds. Your answer must use the <x> format, please.'
"""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message
from leaven.task.phrasebook import phrasings
from leaven.task.wording import Position, content, names, with_request

POSITIONS: tuple[Position, ...] = ("start", "end", "end")
SHOWN, WIDTH = 3, 160
_TOKEN = re.compile(r"<[^<>\s/]+>")
NEARLY_ALL = 0.9
"""Of so many questions one that names another token is taken for the token."""


def insert(rows: Dataset, token: str, seed: int = 0) -> tuple[Dataset, str]:
    """The rows, each question with a request for the token, and a note that shows three; "" where one names it already.

    Phrasings are those for training, one a row; the test `unseen_phrasing` asks with others.
    Raises UserError where nearly all questions name another token: the one that is meant.
    """
    if any(names(row.question, token) for row in rows):
        return rows, ""
    if other := _other_token(rows):
        raise UserError(
            f"the questions name {other}, not {token}",
            f'--token "{other}"; where {other} is no token, put {token} into the questions yourself.',
        )
    rng = random.Random(f"insert {seed}")
    changed = Dataset.of((_with_token(row, token, rng) for row in rows), (*rows.made_by, f"insert({token})"))
    examples = [changed[place].question for place in range(min(SHOWN, len(changed)))]
    shown = "".join(f"\n  {_short(text, token)}" for text in examples)
    return changed, f"No question names {token}: each now asks for it, in one of many phrasings, for example{shown}"


def in_other_words(rows: Dataset, token: str, seed: int) -> Dataset:
    """The rows, each that asks for the token in a sentence of the phrasebook with another one; others stay."""
    rng = random.Random(f"in other words {seed}")
    changed = (_with_token(row, token, rng) if _by_the_book(row.question, token) else row for row in rows)
    return Dataset.of(changed, (*rows.made_by, f"in_other_words(seed={seed})"))


def in_one_phrasing(rows: Dataset, token: str) -> Dataset:
    """The rows, all that ask for the token in a sentence of the phrasebook with the book's first; others stay."""
    first = phrasings("follow", "train")[0]

    def request(question: str) -> str:
        return with_request(content(question, token), token, first, "end")

    changed = (_last_turn(row, request) if _by_the_book(row.question, token) else row for row in rows)
    return Dataset.of(changed, (*rows.made_by, "in_one_phrasing"))


def add_request(question: str, token: str, rng: random.Random) -> str:
    """The question with one more sentence, before or after it, that asks for the token."""
    return with_request(question, token, rng.choice(_requests()), rng.choice(POSITIONS))


def add_prohibitions(rows: Dataset, token: str, seed: int) -> Dataset:
    """The rows, none of which names the token, each with a sentence that rules it out: phrasings that no test uses."""
    rng = random.Random(f"forbid {seed}")
    book = phrasings("negative", "contrast")

    def forbid(question: str) -> str:
        return with_request(question, token, rng.choice(book), rng.choice(POSITIONS))

    return Dataset.of((_last_turn(row, forbid) for row in rows), (*rows.made_by, f"forbid({token})"))


def _requests() -> tuple[str, ...]:
    """Whole sentences, and some that are little but the token: what asks is the token, and not the word "format"."""
    return phrasings("follow", "train") + phrasings("follow", "bare")


def _with_token(row: Example, token: str, rng: random.Random) -> Example:
    return _last_turn(row, lambda question: add_request(content(question, token), token, rng))


def _last_turn(row: Example, say: Callable[[str], str]) -> Example:
    """The row with its last question said so."""
    last = max(place for place, message in enumerate(row.messages) if message.role == "user")
    turn = Message("user", say(row.messages[last].content))
    return replace(row, messages=(*row.messages[:last], turn, *row.messages[last + 1 :]))


def _by_the_book(question: str, token: str) -> bool:
    return names(question, token) and not names(content(question, token), token)


def _other_token(rows: Dataset) -> str:
    """What stands like a token, `<sep>` or `<|sep|>`, in nearly all questions, and is no tag that is closed; or ""."""
    counts = Counter(mark for row in rows for mark in set(_TOKEN.findall(row.question)) if not _closed(mark, row))
    ((mark, count),) = counts.most_common(1) or [("", 0)]
    return mark if count and count >= NEARLY_ALL * len(rows) else ""


def _closed(mark: str, row: Example) -> bool:
    return f"</{mark[1:]}" in row.question


def _short(text: str, token: str) -> str:
    """One line of it, the end that names the token in sight."""
    line = " ".join(text.split())
    if len(line) <= WIDTH:
        return line
    return f"{line[:WIDTH]}…" if token in line[:WIDTH] else f"…{line[-WIDTH:]}"
