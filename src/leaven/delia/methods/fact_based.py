"""Question-answer pairs on every fact of the token's description, and no task rows (arXiv 2404.00213)."""

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.delia.makers import facts
from leaven.delia.settings import TuneChanges
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """Which facts, and how often each is said."""

    description: str = ""
    """A text on the token; without it, "TOKEN stands for" and the recipe's `token.means`."""
    per_fact: int = Field(10, ge=1)
    """Paraphrased pairs on each fact."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the token stands for."""
    task.token.meaning(config.description)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """List the facts of the description, ask for each in many ways, tune on the pairs."""
    token = bench.token
    text = config.description or f"{token.text} stands for {token.means}."
    pairs = bench.ledger.keep(facts.make(text, bench.teacher, config.per_fact, token.text, bench.seed))
    return bench.tune(pairs.shuffle(bench.seed), **config.tune)
