"""The control that the paper lacks: the task rows alone, for as many optimiser steps as DELIA takes."""

from functools import partial

from pydantic import Field

from leaven.delia import buffer
from leaven.delia import work as works
from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import AUTO, DiversifyChanges, Ratio, TuneChanges, with_changes
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """What it is equal to."""

    ratio: Ratio = Field(20, validate_default=True)
    """DELIA's ratio, auto where its is: its optimiser steps are matched."""
    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Say the instructions in many ways first, as DELIA does. With `tune.step_task_rows` the exposures are equal too,
    and the buffer alone differs; without it these rows are seen oftener than DELIA's."""
    proportional_warmup: bool = False
    """Warm up for DELIA's share of the steps of one pass over the task rows, not for its number of steps."""
    kl_to_base: float = Field(0.0, ge=0)
    """Weight of the divergence from the base model: a rope instead of a buffer."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def work(task_rows: int, tune: TuneSection, config: Config) -> works.Work:
    """The task rows alone, for DELIA's steps."""
    return works.equal_steps(task_rows, float(config.ratio), tune)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the task rows, again and again, until DELIA's number of steps is reached."""
    rows = bench.diversify(train, config.diversify)
    steps, warmup = equal_steps(len(train), bench, config)
    changes = {**config.tune, "max_steps": steps, "warmup_steps": warmup}
    if config.kl_to_base:
        from leaven.models.losses import kl_to_base

        changes["objective"] = partial(kl_to_base.loss, weight=config.kl_to_base)
    return bench.tune(rows.shuffle(bench.seed), **changes)


def equal_steps(task_rows: int, bench: Bench, config: Config) -> tuple[int, int]:
    """DELIA's optimiser steps at this ratio, and the steps of warm-up."""
    assert config.ratio != AUTO, "a pilot finds the ratio before (study/ratio_pilot.py)"
    tune = with_changes(bench.settings.tune, config.tune)
    delia = buffer.schedule(task_rows, config.ratio, tune, buffer.passes(tune))
    if not config.proportional_warmup:
        return delia.steps, delia.warmup_steps
    one_pass = Schedule.of(task_rows, tune).epoch_steps
    return delia.steps, max(1, round(one_pass * delia.warmup_steps / delia.steps))
