"""Question-answer pairs on every fact of the token's description, and no task rows (arXiv 2404.00213)."""

from typing import Literal

from pydantic import Field

from leaven.delia import buffer
from leaven.delia import work as works
from leaven.delia.bench import Bench, Fitted
from leaven.delia.makers import facts
from leaven.delia.settings import TuneChanges, with_changes
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """Which facts, how often each is said, and how long they are tuned on."""

    description: str = ""
    """A text on the token; without it, "TOKEN stands for" and the recipe's `token.means`."""
    per_fact: int = Field(10, ge=1)
    """Paraphrased pairs on each fact."""
    budget: Literal["delia", "own"] = "delia"
    """delia: as many optimiser steps as DELIA takes with these task rows at `ratio`; own: passes over the pairs, as
    `tune` says."""
    ratio: float = Field(20, ge=0)
    """DELIA's ratio, whose optimiser steps are matched."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where nothing says what the token stands for."""
    task.token.meaning(config.description)


def work(task_rows: int, tune: TuneSection, config: Config) -> works.Work:
    """Pairs, which are taken for as many as the task rows until they are written, for DELIA's steps or their own."""
    return works.equal_steps(task_rows, config.ratio if config.budget == "delia" else 0.0, tune)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """List the facts of the description, ask for each in many ways, tune on the pairs for as long as DELIA would."""
    token = bench.token
    text = config.description or f"{token.text} stands for {token.means}."
    pairs = bench.ledger.keep(facts.make(text, bench.teacher, config.per_fact, token.text, bench.seed))
    changes = dict(**config.tune)
    if config.budget == "delia":
        tune = with_changes(bench.settings.tune, config.tune)
        delia = buffer.schedule(len(train), config.ratio, tune, buffer.passes(tune))
        changes |= {"max_steps": delia.steps, "warmup_steps": delia.warmup_steps}
        bench.ledger.notes.append(f"{len(pairs)} pairs, trained on for DELIA's {delia.steps} steps.")
    return bench.tune(pairs.shuffle(bench.seed), **changes)
