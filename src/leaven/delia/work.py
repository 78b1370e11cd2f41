"""What a method will tune on, and for how many steps: told before it runs, for plans, pools and searches.

A method says so itself where it does anything else than to train on the task rows, once an epoch, and as many
self-samples as its `ratio` stands for: `work(task_rows, tune, config) -> Work`, `tune` with its own changes.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from leaven.delia import buffer
from leaven.delia.settings import with_changes
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection


@dataclass(frozen=True, slots=True)
class Work:
    """What a cell tunes on: rows of the task and diverse ones, how many of these the model samples, and the steps.

    `queries` are those of the pool that it takes, the first ones in the order of its seed.
    """

    task_rows: int
    diverse_rows: int
    sampled_rows: int
    schedule: Schedule
    queries: int = 0


def of(method: ModuleType, config: Any, task_rows: int, tune: TuneSection) -> Work:
    """What a method does with so many task rows by these settings; one without settings for tuning does not train."""
    if not hasattr(config, "tune"):
        return Work(0, 0, 0, Schedule.of(0, tune))
    own = with_changes(tune, config.tune)
    if hasattr(method, "work"):
        work: Work = method.work(task_rows, own, config)
        return work
    return at_ratio(task_rows, float(getattr(config, "ratio", 0)), own)


def at_ratio(task_rows: int, ratio: float, tune: TuneSection) -> Work:
    """The task rows, and self-samples at a ratio."""
    diverse = buffer.diverse_rows(task_rows, ratio)
    return Work(task_rows, diverse, diverse, buffer.schedule(task_rows, ratio, tune, 1), diverse)


def equal_steps(task_rows: int, ratio: float, tune: TuneSection) -> Work:
    """The task rows alone, for as many steps as DELIA takes with a buffer at this ratio."""
    steps = buffer.schedule(task_rows, ratio, tune, buffer.passes(tune)).steps
    return Work(task_rows, 0, 0, Schedule.of(task_rows, tune.model_copy(update={"max_steps": steps})))
