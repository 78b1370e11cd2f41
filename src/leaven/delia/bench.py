"""What a method may use, handed to it: the base model, diverse rows, other phrasings, tuning, a seed, a folder.

A method in two lines:

    def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
        diverse = bench.diverse(20 * len(train))
        return bench.tune(bench.mix(bench.diversify(train), diverse))
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.delia import buffer
from leaven.delia.fitted import Fitted
from leaven.delia.ledger import Ledger
from leaven.delia.makers import diversify, openings
from leaven.delia.settings import DiversifyChanges, Settings
from leaven.llm.protocol import LLM
from leaven.rows.dataset import Dataset
from leaven.task.format import Format
from leaven.task.token import TokenSection

if TYPE_CHECKING:  # what needs torch: a recipe's methods are checked without it
    from leaven.delia.pool import Pool
    from leaven.delia.tuner import Tuner
    from leaven.models.base import Base

__all__ = ["Bench", "Fitted"]


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench of one cell of a study: parts that stand alone, and the short calls of a method."""

    model: "Base"
    pool: "Pool"
    tuner: "Tuner"
    ledger: Ledger
    token: TokenSection
    format: Format
    settings: Settings
    seed: int
    folder: Path
    teacher: LLM | None = None

    def base(self, init: str | None = None) -> Fitted:
        """The untouched model, its vocabulary longer by the token; `init` overrides how its first row is made."""
        return self.tuner.answerer.fitted(self.model.lend(self.token, self.seed, init))

    def diversify(self, train: Dataset, changes: DiversifyChanges | None = None) -> Dataset:
        """The task rows with their instructions said in many ways; rows that vary already are kept.

        A task without the token is known by the words that its questions begin with. `changes` are a method's own.
        """
        changes = changes or DiversifyChanges()
        if not changes.on:
            return train
        config, token = changes.changed(self.settings.diversify), self.token.text
        if not any(token in row.question for row in train):
            return self.ledger.keep(openings.make(train, self.teacher, self.seed, config.count or openings.COUNT))
        return self.ledger.keep(diversify.make(train, self.teacher, config, token, self.seed))

    def diverse(self, n: int) -> Dataset:
        """`n` rows that the base model sampled from itself on the pool's queries; shared by all cells of a seed."""
        with self.ledger.timed("sample"):
            return self.ledger.keep(self.pool.own(n, self.seed))

    def external(self, n: int) -> Dataset:
        """The rows of `diverse(n)`, each with the answer that the pool has for its query: not the model's own words."""
        with self.ledger.timed("sample"):
            return self.ledger.keep(self.pool.external(n, self.seed))

    def mix(self, task: Dataset, diverse: Dataset) -> Dataset:
        """Both shuffled together; with `tune.step_task_rows`, the diverse rows spread evenly over the steps."""
        mix = buffer.spread if self.settings.tune.step_task_rows else buffer.mix
        return mix(task, diverse, self.seed)

    def tune(self, mixture: Dataset, *, after: Fitted | None = None, kl_to_base: float = 0.0, **changes: Any) -> Fitted:
        """The base model tuned on these rows, in their order (see `Tuner.tune`); `changes` override `tune` settings."""
        with self.ledger.timed("fit"):
            return self.tuner.tune(mixture, after=after, kl_to_base=kl_to_base, **changes)
