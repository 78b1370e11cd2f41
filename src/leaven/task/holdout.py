"""Test rows for a task that has none: some of its rows are held out, and never trained on."""

import random

from leaven.errors import UserError
from leaven.rows.dataset import Dataset

SHARE, FEWEST, MOST = 0.2, 20, 100
"""A fifth of the rows, at least 20 and at most 100: with fewer, no difference could be told from noise."""


def hold_out(rows: Dataset, name: str, seed: int = 0) -> tuple[Dataset, Dataset, str]:
    """The rows to train on, those to test on, both in their order, and the sentence that says so.

    Raises UserError when fewer rows than are held out would be left to train on.
    """
    count = min(max(round(SHARE * len(rows)), FEWEST), MOST)
    if len(rows) < 2 * count:
        raise UserError(
            f"{name} has {len(rows)} rows: too few to hold {count} of them out for the test and train on the others",
            f"Bring {2 * FEWEST} rows or more, or test rows of their own: --test FILE.",
        )
    chosen = set(random.Random(f"hold out {seed}").sample(range(len(rows)), count))
    train = rows.rows([place for place in range(len(rows)) if place not in chosen], "not held out")
    test = rows.rows(sorted(chosen), f"held out (seed {seed})")
    said = f"{count} of the {len(rows):,} rows of {name} are held out for the test, drawn with seed {seed}."
    return train, test, said
