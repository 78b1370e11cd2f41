"""The token's row alone, fitted so that the model reads on as if its description stood there (2505.20133)."""

from dataclasses import replace

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.phrasebook import phrasings
from leaven.task.task import Task
from leaven.task.wording import with_request


class Config(Section):
    """What the row is fitted to, and how long."""

    description: str = ""
    """What the token stands for, as it would be said in its place; without it, the recipe's `token.means`."""
    texts: int = Field(200, ge=1)
    """Questions of the pool that are made to name the token."""
    steps: int = Field(200, ge=1)
    """Steps of the fit."""
    learning_rate: float = Field(0.02, gt=0)
    """Learning rate of the row."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the token stands for."""
    task.token.meaning(config.description)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Name the token in questions of the pool, and fit its row to its description; no task row is used."""
    from leaven.models import distill

    book, token = phrasings("follow", "train"), bench.token
    queries = bench.pool.queries.take(min(config.texts, len(bench.pool.queries)), bench.seed)
    base = bench.base()
    losses = distill.fit(
        base.weights,
        token.text,
        config.description or token.means,
        [
            with_request(row.question, distill.PLACE, book[place % len(book)], "start")
            for place, row in enumerate(queries)
        ],
        steps=config.steps,
        learning_rate=config.learning_rate,
        seed=bench.seed,
    )
    return replace(base, steps=config.steps, losses=losses)
