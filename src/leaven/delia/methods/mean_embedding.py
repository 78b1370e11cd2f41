"""The token's row as the mean of the rows of its description, and no training (papers.md 4.1)."""

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """What the row is made of."""

    description: str = ""
    """What the token stands for; without it, the recipe's `token.means`."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """The untouched model, the token's row the mean over the description's tokens."""
    return bench.base(init=f"copy:{config.description}" if config.description else "mean")
