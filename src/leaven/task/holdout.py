"""Test rows for a task that has none: some of its rows are held out, and never trained on.

Rows that overlap with each other, such as a question that is asked twice, are held out together or not at all: a test
row that training has seen would have to leave the test.
"""

import random
from collections.abc import Callable, Sequence

from leaven.errors import UserError
from leaven.rows import leaks
from leaven.rows.dataset import Dataset
from leaven.rows.leaks import LeaksSection

SHARE, FEWEST, MOST = 0.2, 20, 100
"""A fifth of the rows are held out, at least 20 and at most 100: with fewer no difference is told from noise."""


def hold_out(
    rows: Dataset, name: str, seed: int = 0, config: LeaksSection | None = None, content: Callable[[str], str] = str
) -> tuple[Dataset, Dataset, str]:
    """The rows to train on, those to test on, both in their order, and the sentence that says so.

    What overlaps is told by the leak guard (`rows/leaks.py`), by its settings and the `content` of a question.
    Raises UserError when fewer rows than are held out would be left to train on, and when all overlap.
    """
    count = count_of(len(rows))
    if len(rows) < 2 * count:
        raise UserError(
            f"{name} has {_rows(len(rows))}: too few to hold {count} of them out for the test and train on the others",
            f"Bring {2 * FEWEST} rows or more, or test rows of their own: --test FILE.",
        )
    order = random.Random(f"hold out {seed}").sample(range(len(rows)), len(rows))
    groups = [{place} for place in range(len(rows))]
    while True:
        drawing = _draw(order, groups, count)
        places = [place for place in range(len(rows)) if place not in drawing]
        train = rows.rows(places, "not held out")
        test = rows.rows(sorted(drawing), f"held out (seed {seed})")
        matches = leaks.guard(train, {"test": test}, None, config or LeaksSection(), content).matches
        if not matches:
            break
        for match in matches:
            _join(groups, sorted(drawing)[match.row], places[match.other])
    if not drawing:
        raise UserError(
            f"the questions of {name} overlap so much that none can be held out for the test",
            "Bring test rows of their own: --test FILE.",
        )
    fewer = f" (not {count}: many ask the same)" if len(drawing) < count else ""
    sentence = (
        f"{len(drawing)}{fewer} of the {len(rows):,} rows of {name} are held out for the test, drawn with seed {seed}."
    )
    return train, test, sentence


def count_of(rows: int) -> int:
    """How many of so many rows are held out."""
    return min(max(round(SHARE * rows), FEWEST), MOST)


def _draw(order: Sequence[int], groups: Sequence[set[int]], count: int) -> set[int]:
    """The first rows of the order, each with its group, as long as they are no more than `count`."""
    places: set[int] = set()
    for place in order:
        if place not in places and len(places) + len(groups[place]) <= count:
            places |= groups[place]
    return places


def _join(groups: list[set[int]], one: int, other: int) -> None:
    """Make one group of the groups of two rows."""
    groups[one] |= groups[other]
    for place in groups[one]:
        groups[place] = groups[one]


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
