"""The untouched model: what it does with the token before anything was learnt."""

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """The token's first row."""

    init: str | None = None
    """How it is made: random, mean, copy:TEXT or reserved:TOKEN; null: as the recipe's `token.init` says."""
    description: str = ""
    """For mean: what the token stands for; without it, the recipe's `token.means`."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the token stands for, whose words' mean is asked for."""
    if config.init == "mean":
        task.token.meaning(config.description)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """The base model with the token's untrained row (random and mean are rows of DELIA's Table 1, 2408.10841)."""
    described = config.init == "mean" and config.description
    return bench.base(init=f"copy:{config.description}" if described else config.init)
