"""How a tuning goes through its rows: rows a step, steps, epochs, and the learning rate of each step.

Computed in one place from the number of rows and the settings; the training loop, the control of equal steps, the plan
of a study and the table of a mixture all read it.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from leaven.models.settings import TuneSection

SMALL = 256
"""Below so many rows a step holds `small_data_batch` rows (as DELIA's published code, arXiv 2408.10841)."""

Shape = Literal["constant_with_warmup", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a tuning on so many rows.

    >>> Schedule.of(900, TuneSection(per_device_train_batch_size=50))
    Schedule(rows=900, step_rows=50, pass_rows=50, steps=18, warmup_steps=1, shape='constant_with_warmup')

    An epoch ends with a smaller step where `step_rows` does not divide the rows: every row is trained once an epoch. A
    forward pass holds at most `pass_rows` (`batches.passes` says which). With `step_task_rows` the steps are those of
    the task rows alone, `step_rows` is a fraction, and the steps of an epoch differ by one row at most:

    >>> Schedule.of(130, TuneSection(step_task_rows=4), task_share=Fraction(100, 130)).step(1)
    range(5, 10)
    """

    rows: int
    step_rows: int | Fraction
    pass_rows: int
    steps: int
    warmup_steps: int
    shape: Shape

    @classmethod
    def of(cls, rows: int, config: TuneSection, task_share: Fraction = Fraction(1)) -> "Schedule":
        """The schedule of so many rows that can be trained on, of which `task_share` are rows of the task."""
        step_rows: int | Fraction = config.per_device_train_batch_size * config.gradient_accumulation_steps
        if config.step_task_rows:
            step_rows = Fraction(rows, max(1, math.ceil(rows * task_share / config.step_task_rows))) if rows else 1
        elif config.small_data_batch and rows < SMALL:
            step_rows = config.small_data_batch
        pass_rows = min(config.per_device_train_batch_size, math.ceil(step_rows))
        epoch_steps = math.ceil(rows / step_rows)
        steps = config.max_steps if config.max_steps > 0 else math.ceil(epoch_steps * config.num_train_epochs)
        warmup_steps = config.warmup_steps or math.ceil(config.warmup_ratio * steps)
        return cls(rows, step_rows, pass_rows, steps if rows else 0, warmup_steps, config.lr_scheduler_type)

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch."""
        return math.ceil(self.rows / self.step_rows)

    @property
    def trained_rows(self) -> int:
        """Rows that pass through the model in all steps, each counted as often as it does."""
        if not self.rows:
            return 0
        epochs, rest = divmod(self.steps, self.epoch_steps)
        return epochs * self.rows + min(math.floor(rest * self.step_rows), self.rows)

    def step(self, number: int) -> range:
        """The places of a step's rows in the order of its epoch; steps count from 0."""
        place = number % self.epoch_steps
        ends = (math.floor(step * self.step_rows) for step in (place, place + 1))
        return range(*(min(end, self.rows) for end in ends))

    def learning_rate(self, step: int) -> float:
        """The factor on the learning rate in a step; steps count from 0.

        A warm-up of w steps goes 1/w, 2/w, … 1, so that no step is at rate 0 (transformers' goes 0, 1/w, … (w − 1)/w,
        and of one step it makes none). Afterwards the rate stays, or falls towards 0 in the step after the last.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        share = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        if self.shape == "linear":
            return max(0.0, 1 - share)
        if self.shape == "cosine":
            return (1 + math.cos(math.pi * min(1.0, share))) / 2
        return 1.0
