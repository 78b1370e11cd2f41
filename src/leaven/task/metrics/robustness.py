"""The same questions asked otherwise: held-out phrasings, the token's place, capitals, typing errors."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure, Message, Origin
from leaven.task.phrasebook import phrasings
from leaven.task.scoring import PHRASING, Scoring
from leaven.task.wording import with_request

HEADLINE = ("phrasing",)
LOWER_IS_BETTER = frozenset({"spread"})
QUESTIONS = 10

_WORD = re.compile(r"[a-z]{4,}")


def rows(tests: Mapping[str, Dataset], token: str) -> Dataset:
    """The first questions of the task's test under every held-out phrasing, and with its request changed.

    Of a phrasing that a change leaves as it is there is no row of that change.
    """
    test = tests.get("task") or tests["unseen_phrasing"]
    book = phrasings("follow", "unseen")
    variants: list[Example] = []
    for number, row in enumerate(test.rows(list(range(min(QUESTIONS, len(test)))))):
        rng = random.Random(f"robustness {number}")
        variants += [
            _variant(row, with_request(row.question, token, phrasing), "phrasing", phrasing) for phrasing in book
        ]
        usual = book[number % len(book)]
        variants += [
            _variant(row, with_request(row.question, token, usual, side), side, usual) for side in ("start", "end")
        ]
        for name, change in CHANGES.items():
            wording = "{token}".join(change(part, rng) for part in usual.split("{token}"))
            if wording != usual:  # a phrasing of short words has no typing error
                variants.append(_variant(row, with_request(row.question, token, wording), name, usual))
    return Dataset.of(variants, ("robustness",))


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`phrasing` (accuracy over all held-out phrasings), their `worst` and `spread`, and one of each other way.

    An answer is right when it is in the token's format; worst and spread compare the phrasings' means.
    """
    by_phrasing: dict[str, list[float]] = defaultdict(list)
    for answer, row in zip(answers, rows, strict=True):
        right = float(scoring.format.detect(answer))
        yield Measure(str(row.meta.get("variant", "phrasing")), row.id, right)
        if row.meta.get("variant", "phrasing") == "phrasing":
            by_phrasing[str(row.meta.get(PHRASING))].append(right)
    means = [sum(values) / len(values) for values in by_phrasing.values()]
    if means:
        yield Measure("worst", "", min(means))
        yield Measure("spread", "", max(means) - min(means))


def typed_badly(text: str, rng: random.Random) -> str:
    """The text with two neighbouring letters that differ exchanged in every third long word, at least in one."""
    words = [match for match in _WORD.finditer(text) if len(set(match[0])) > 1]
    for match in words[rng.randrange(min(3, len(words))) :: 3] if words else []:
        pairs = len(match[0]) - 1
        start = rng.randrange(pairs)
        places = (match.start() + (start + step) % pairs for step in range(pairs))
        place = next(place for place in places if text[place] != text[place + 1])
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "upper": lambda text, rng: text.upper(),
    "lower": lambda text, rng: text.lower(),
    "typing_errors": typed_badly,
}


def _variant(row: Example, question: str, name: str, phrasing: str) -> Example:
    origin = Origin("robustness", parents=(row.id,))
    meta = {**row.meta, "variant": name, PHRASING: phrasing}
    messages = (*row.prompt[:-1], Message("user", question), *row.messages[len(row.prompt) :])
    return replace(row, messages=messages, origin=origin, meta=meta)
