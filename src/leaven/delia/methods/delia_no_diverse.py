"""DELIA without the diverse rows: instructions said in many ways, and nothing else (the paper's ablation)."""

from typing import Any

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """How it is tuned."""

    tune: dict[str, Any] = Field(default_factory=dict)
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Diversify the instructions, tune."""
    return bench.tune(bench.diversify(train).shuffle(bench.seed), **config.tune)
