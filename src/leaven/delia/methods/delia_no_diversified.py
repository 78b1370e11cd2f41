"""DELIA without other phrasings: the task rows as they are, buffered with diverse rows (the paper's ablation)."""

from typing import Any

from pydantic import Field

from leaven.delia import buffer
from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """What is mixed, and how it is tuned on."""

    ratio: float = Field(20, ge=0)
    """Diverse rows for each task row."""
    tune: dict[str, Any] = Field(default_factory=dict)
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Sample diverse rows, shuffle both together, tune."""
    diverse = bench.diverse(buffer.diverse_rows(len(train), config.ratio))
    return bench.tune(buffer.mix(train, diverse, seed=bench.seed), **config.tune)
