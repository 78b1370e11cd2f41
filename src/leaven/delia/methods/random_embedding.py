"""The token with a random first row and no training: the floor of DELIA's Table 1 (papers.md 4.1)."""

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """Nothing to set."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """The untouched model, the token's row drawn at random with the spread of the other rows."""
    return bench.base(init="random")
