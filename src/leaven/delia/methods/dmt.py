"""Dual-stage mixed fine-tuning: the task first, then diverse rows with a little of the task kept (2310.05492)."""

from pydantic import Field

from leaven.delia import stages
from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import TuneChanges
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """What the second stage holds, and how both are tuned on."""

    ratio: float = Field(20, ge=0)
    """Diverse rows of the second stage for each task row."""
    kept: float = Field(1 / 256, ge=0, le=1)
    """Share of the task rows that the second stage keeps; at least one row, unless it is 0."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section, for both stages. `step_task_rows` counts in the first stage alone: of the
    second, which has hardly a task row, it would make a single step."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the task rows, then go on with the same adapter, and a new optimiser, on the second stage."""
    diverse = bench.diverse(bench.at_ratio(config.ratio, len(train)))
    both = stages.stages(train, diverse, config.kept, bench.seed)
    bench.ledger.notes.append(both.note)
    first = bench.tune(both.first, **config.tune)
    return bench.tune(both.second, after=first, **{**config.tune, "step_task_rows": 0}) if len(both.second) else first
