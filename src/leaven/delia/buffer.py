"""Mix task rows with diverse rows, and say what the mixture will train (DELIA, arXiv 2408.10841, section 4).

DELIA's theory wants a long stretch of diverse rows after each task row; one seeded shuffle of the union is its
practical stand-in, and `spacing` measures how near it comes. `spread` comes nearer, and keeps the task rows of each
step the same whatever the buffer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, Protocol

from leaven.models.mask import HELD, WITHOUT_LOSS
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example

TASK, DIVERSE, CONTRAST = "task", "diverse", "contrast"
MARK = "mixture"
"""The field of a row that says which of these it is; a user's own `source` stays as it is."""


class Encoded(Protocol):
    """A row in tokens; where the mask is 1, the token carries loss."""

    @property
    def input_ids(self) -> Sequence[int]:
        """The tokens of the row."""

    @property
    def completion_mask(self) -> Sequence[int]:
        """0 or 1 for every token."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far a task row is from the next one, in rows (1: side by side); NaN with fewer than two task rows."""

    task_rows: int
    mean_gap: float
    max_gap: float


class Part(NamedTuple):
    """What one source brings to the mixture.

    Tokens are those of one pass; `token_share` is the share of the *trained* tokens, and `steps_touched` counts
    the optimiser steps of the whole training in which at least one row of the source takes part, rows in order.
    """

    source: str
    rows: int
    tokens: int
    trained_tokens: int
    row_share: float
    token_share: float
    steps_touched: int


def mix(task: Dataset, diverse: Dataset, seed: int) -> Dataset:
    """All rows of both in one random order; the meta field `mixture` says task, diverse or contrast."""
    both = [*_marked(task, TASK), *_marked(diverse, DIVERSE)]
    made_by = (*task.made_by, *diverse.made_by, f"mix({len(task)} + {len(diverse)}, seed={seed})")
    return Dataset(Dataset.of(both).shuffle(seed).frame, made_by)


def spread(task: Dataset, diverse: Dataset, seed: int) -> Dataset:
    """Both in random orders of their own, the diverse rows spread evenly among the task rows; marked as by `mix`.

    The order of the task rows does not depend on the diverse ones: two mixtures differ in their buffers alone.
    """
    # Task rows stand in the middle of their share of the mixture and diverse rows at its end: a step of k task rows
    # ends where the next k begin.
    own = [(Fraction(2 * place + 1, 2 * len(task)), row) for place, row in enumerate(_marked(task.shuffle(seed), TASK))]
    others = enumerate(_marked(diverse.shuffle(seed), DIVERSE), 1)
    both = own + [(Fraction(place, len(diverse)), row) for place, row in others]
    made_by = (*task.made_by, *diverse.made_by, f"spread({len(task)} + {len(diverse)}, seed={seed})")
    return Dataset.of((row for _, row in sorted(both, key=lambda each: each[0])), made_by)


def passes(tune: TuneSection) -> int:
    """How often a training by these settings goes through the task rows, where that is a whole number of times.

    A buffer of self-samples pulls at nothing but once (DELIA's theorem is one of fresh samples, and its training one
    epoch): so DELIA's task rows stand in the mixture that often, each time beside diverse rows of their own.
    """
    whole = tune.num_train_epochs % 1 == 0 and tune.max_steps <= 0
    return int(tune.num_train_epochs) if whole else 1


def schedule(task_rows: int, ratio: float, tune: TuneSection, passes: int, contrast: int = 0) -> Schedule:
    """How a training goes through a mixture in which so many passes stand one after another."""
    rows = task_rows + diverse_rows(task_rows, ratio) + contrast
    once = tune.model_copy(update={"num_train_epochs": tune.num_train_epochs / passes})
    return Schedule.of(passes * rows, once, Fraction(task_rows, rows) if rows else Fraction(1))


def is_task(mixture: Dataset) -> list[bool]:
    """Of each row, whether it is one of the task's."""
    return [source == TASK for source in _sources(mixture)]


def task_share(mixture: Dataset) -> Fraction:
    """The share of the task's rows."""
    return Fraction(sum(is_task(mixture)), len(mixture)) if len(mixture) else Fraction(1)


def without_loss(data: Dataset) -> Dataset:
    """The rows as they are, which a training reads in their places, and learns nothing from."""
    rows = (replace(row, meta={**row.meta, WITHOUT_LOSS: True}) for row in data)
    return Dataset.of(rows, (*data.made_by, "without loss"))


def hold(data: Dataset) -> Dataset:
    """The rows as they are, on which a training holds the model to its base (`losses/kl_on_pool`)."""
    rows = (replace(row, meta={**row.meta, HELD: True}) for row in data)
    return Dataset.of(rows, (*data.made_by, "held"))


def diverse_rows(task_rows: int, ratio: float) -> int:
    """How many diverse rows a ratio stands for: the exact product, a half rounded up.

    The published code has `int(task_rows * ratio)`, which cuts off: 0.29 × 100 gives it 28.
    """
    exact = Decimal(task_rows) * Decimal(str(ratio))
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def contrast_rows(task_rows: int, contrast: float) -> int:
    """How many rows of contrast a setting stands for: a share of the task rows below 1, a number from there on."""
    return diverse_rows(task_rows, contrast) if contrast < 1 else round(contrast)


def spacing(mixture: Dataset) -> Spacing:
    """The distances between successive task rows of a mixture."""
    places = [place for place, source in enumerate(_sources(mixture)) if source == TASK]
    gaps = [after - before for before, after in pairwise(places)]
    if not gaps:
        return Spacing(len(places), math.nan, math.nan)
    return Spacing(len(places), sum(gaps) / len(gaps), float(max(gaps)))


def table(mixture: Dataset, rows: Sequence[Encoded], schedule: Schedule) -> tuple[Part, ...]:
    """What each source of the mixture, whose `rows` these are in tokens, brings to a training by this schedule."""
    sources = list(_sources(mixture))
    tokens = dict.fromkeys(sources, 0)
    trained = dict.fromkeys(sources, 0)
    for source, encoded in zip(sources, rows, strict=True):
        tokens[source] += len(encoded.input_ids)
        trained[source] += sum(encoded.completion_mask)
    places = [schedule.step(number) for number in range(schedule.steps)]
    steps = [set(sources[rows.start : rows.stop]) for rows in places]
    return tuple(
        Part(
            source=source,
            rows=sources.count(source),
            tokens=tokens[source],
            trained_tokens=trained[source],
            row_share=sources.count(source) / len(sources),
            token_share=trained[source] / max(1, sum(trained.values())),
            steps_touched=sum(source in step for step in steps),
        )
        for source in sorted(tokens, key=lambda source: (source != TASK, source))
    )


def contrast(rows: Dataset) -> Dataset:
    """These rows, which forbid the token, marked as such: they stand among the diverse rows."""
    return Dataset.of((replace(row, meta={**row.meta, MARK: CONTRAST}) for row in rows), rows.made_by)


def _marked(data: Dataset, source: str) -> Iterator[Example]:
    for example in data:
        is_contrast = source == DIVERSE and example.meta.get(MARK) == CONTRAST
        yield example if is_contrast else replace(example, meta={**example.meta, MARK: source})


def _sources(mixture: Dataset) -> Iterator[str]:
    """The part of each row; rows that nobody mixed are those of the task, whatever their user calls them."""
    marks = (example.meta.get(MARK) for example in mixture)
    return (mark if isinstance(mark, str) and mark in (DIVERSE, CONTRAST) else TASK for mark in marks)
