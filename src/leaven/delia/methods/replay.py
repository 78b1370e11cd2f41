"""Replay: the task rows with a small share of general rows that others wrote among them (2502.06042, 2603.04964).

A hundredth of general data is said to stop forgetting (2502.06042), and more to help the task itself (2603.04964). Both
replay texts of the pretraining; here it is rows of the pool with the pool's own answers, and the share is one of rows
(`mix.json` has that of tokens). No row is sampled: it costs nothing but its training.
"""

from dataclasses import replace

from pydantic import Field

from leaven.delia import buffer
from leaven.delia import work as works
from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import DiversifyChanges, TuneChanges
from leaven.errors import UserError
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.task import Task


class Config(Section):
    """How much is replayed, and how the mixture is tuned on."""

    share: float = Field(0.01, ge=0, lt=1)
    """The share of the mixture that is replayed, from .0025 to .3 in the papers; at least one row, unless it is 0."""
    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Whether to say the instructions in many ways first, as DELIA does."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""

    @property
    def ratio(self) -> float:
        """Replayed rows for each task row."""
        return self.share / (1 - self.share)


def check(config: Config, task: Task) -> None:
    """Raises UserError where the pool has no answers to replay."""
    if config.share and not any(query.answer is not None for query in task.pool):
        raise UserError("replay takes the pool's own answers, and no query has one", "Bring answered rows.")


def work(task_rows: int, tune: TuneSection, config: Config) -> works.Work:
    """A buffer whose rows others wrote: none is sampled."""
    return replace(works.at_ratio(task_rows, config.ratio, tune), sampled_rows=0)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Draw the rows that are replayed, shuffle both together, tune."""
    answered = [place for place, query in enumerate(bench.pool.queries) if query.answer is not None]
    wanted = max(buffer.diverse_rows(len(train), config.ratio), int(config.share > 0))
    pool = bench.pool.queries.rows(answered)
    replayed = pool.take(min(wanted, len(pool)), bench.seed)
    bench.ledger.notes.append(f"{len(replayed):,} rows are replayed beside {len(train):,} task rows.")
    varied = bench.diversify(train, config.diversify)
    return bench.tune(bench.mix(varied, replayed, **config.tune), **config.tune)
