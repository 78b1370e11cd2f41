"""Common instruction tuning: the task rows alone (papers.md 4.2)."""

from typing import Any

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """How the task rows are tuned on."""

    diversify: bool = False
    """Say the instructions in many ways first, as DELIA does."""
    tune: dict[str, Any] = Field(default_factory=dict)
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the task rows."""
    rows = bench.diversify(train) if config.diversify else train
    return bench.tune(rows.shuffle(bench.seed), **config.tune)
