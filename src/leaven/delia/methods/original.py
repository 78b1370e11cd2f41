"""The untouched model: what it does with the token before anything was learnt."""

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """Nothing to set."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """The base model with the token's untrained row."""
    return bench.base()
