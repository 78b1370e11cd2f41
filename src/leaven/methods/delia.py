"""DELIA: task rows said in many ways, buffered with diverse rows that the model sampled from itself (2408.10841)."""

from typing import Any

from pydantic import Field

from leaven.bench import Bench, Fitted
from leaven.dataset import Dataset
from leaven.mix import buffer
from leaven.sections import Section


class Config(Section):
    """What is mixed, and how it is tuned on."""

    ratio: float = Field(20, ge=0)
    """Diverse rows for each task row; the paper goes from 0 to 520."""
    tune: dict[str, Any] = Field(default_factory=dict)
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Diversify the instructions, sample diverse rows, shuffle both together, tune."""
    varied = bench.diversify(train)
    diverse = bench.diverse(buffer.diverse_rows(len(train), config.ratio))
    return bench.tune(buffer.mix(varied, diverse, seed=bench.seed), **config.tune)
