"""What a method may use, handed to it: the base model, diverse rows, other phrasings, tuning, a seed, a folder.

A method in two lines:

    def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
        diverse = bench.diverse(20 * len(train))
        return bench.tune(bench.mix(bench.diversify(train), diverse))
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from leaven import plugs
from leaven.delia import buffer
from leaven.delia.fitted import Fitted
from leaven.delia.ledger import Ledger
from leaven.delia.makers import diversify, openings
from leaven.delia.settings import DiversifyChanges, Settings, with_changes
from leaven.llm.protocol import LLM
from leaven.rows.dataset import Dataset
from leaven.task.format import Format
from leaven.task.insertion import add_prohibitions, in_one_phrasing, in_other_words
from leaven.task.token import TokenSection

if TYPE_CHECKING:  # what needs torch: a recipe's methods are checked without it
    from leaven.delia.choice import Choice
    from leaven.delia.pool import Pool
    from leaven.delia.tuner import Tuner
    from leaven.models.base import Base

__all__ = ["Bench", "Fitted", "fit"]

PASS = 1_000_003
"""The seeds of the passes over a mixture are so far apart: further than those of a study."""


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
            return in_one_phrasing(train, self.token.text) if changes.one_phrasing else train
        config, token = changes.apply(self.settings.diversify), self.token.text
        if not any(token in row.question for row in train):
            return self.ledger.keep(openings.make(train, self.teacher, self.seed, config.count or openings.COUNT))
        return self.ledger.keep(diversify.make(train, self.teacher, config, token, self.seed))

    def at_ratio(self, ratio: float, task_rows: int) -> int:
        """How many diverse rows a ratio stands for, which is said where it is none."""
        return self.ledger.counted("ratio", ratio, task_rows, buffer.diverse_rows(task_rows, ratio))

    def diverse(self, n: int, passes: int = 1) -> Dataset:
        """`n` rows that the base model sampled from itself on the pool's queries; shared by all cells of a seed.

        A pool that is too small for all passes is asked again, once a pass at most. A note says how many of the rows
        are in the format that the token means, unasked or not: the model is trained to say it there too.
        """
        with self.ledger.timed("sample"):
            rows = self.ledger.keep(self.pool.own(n, self.seed, passes))
        in_format = sum(self.format.detect(row.answer or "") for row in rows) if self.format.testable else 0
        if in_format:
            self.ledger.notes.append(f"{in_format:,} of {len(rows):,} diverse rows answer in the format.")
        return rows

    def choose(self, n: int, passes: int, choice: "Choice", task: Dataset) -> Dataset:
        """`n` rows of `diverse`, chosen from several times as many, or answers to queries that are chosen before."""
        from leaven.delia import choice as choices

        around = choices.Circumstances(task, self.token.text, self.seed, self.model.path, self.teacher)
        several = round(choice.of * n)
        with self.ledger.timed("sample"):
            if choice.rows == "samples":
                candidates = self.ledger.keep(self.pool.own(several, self.seed, passes))
                rows = choices.choose(candidates, n, choice, around)
            else:
                candidates = self.pool.queries.take(min(several, len(self.pool.queries)), self.seed)
                chosen_queries = choices.choose(candidates, n, choice, around)
                rows = self.ledger.keep(replace(self.pool, queries=chosen_queries).own(n, self.seed, passes))
                rows = Dataset(rows.frame, (*chosen_queries.made_by, *rows.made_by))
        note = f"Of {len(candidates):,} {choice.rows}, {choice.selector} chose the buffer's {len(rows):,}."
        few = f" {several:,} were meant: bring more queries." if len(candidates) < several else ""
        self.ledger.notes.append(note + few)
        return rows

    def external(self, n: int, passes: int = 1) -> Dataset:
        """The rows of `diverse`, each with the answer that the pool has for its query: not the model's own words."""
        with self.ledger.timed("sample"):
            own = self.ledger.keep(self.pool.own(n, self.seed, passes))
        external = self.pool.external(own)
        self.ledger.substitutes.append((own, external))
        return external

    def dialogues(self, n: int) -> Dataset:
        """`n` rows in which the base model asks and answers, whatever queries the pool has."""
        with self.ledger.timed("sample"):
            return self.ledger.keep(replace(self.pool, queries=Dataset.of([])).own(n, self.seed))

    def contrast(self, n: int, after: int, passes: int = 1) -> Dataset:
        """`n` rows that forbid the token, with the model's own plain answers: `diverse` beyond the first `after`.

        Their phrasings are the phrasebook's for contrast, which no test uses. An answer in the format is left out.
        """
        if not n:
            return Dataset.of([])
        with self.ledger.timed("sample"):
            own = self.pool.own(after + n, self.seed, passes).kept
        places = [place for place in range(after, len(own)) if not self.format.detect(own[place].answer or "")]
        rows = buffer.contrast(add_prohibitions(own.rows(places), self.token.text, self.seed))
        self.ledger.notes.append(f"{len(rows)} rows of contrast forbid the token, and are answered plainly.")
        return rows

    def mix(
        self,
        task: Dataset,
        diverse: Dataset,
        passes: int = 1,
        *,
        contrast: Dataset | None = None,
        reword: bool = False,
        **changes: Any,
    ) -> Dataset:
        """Both shuffled together; with `tune.step_task_rows`, the diverse rows spread evenly over the steps.

        In each of several passes stand all task rows, in an order of its own, and an equal share of the diverse rows,
        and of the rows of `contrast` among them; with `reword`, later ones ask for the token in other words where the
        phrasebook's do. `changes` override `tune` settings, as those of `tune` do.
        """
        mix = buffer.spread if with_changes(self.settings.tune, changes).step_task_rows else buffer.mix
        mixtures = []
        for number in range(passes):
            seed = self.seed + PASS * number
            rows = in_other_words(task, self.token.text, seed) if number and reword else task
            beside = [_share(each, number, passes) for each in (diverse, contrast or Dataset.of([]))]
            mixtures.append(mix(rows, reduce(operator.add, beside), seed))
        return reduce(operator.add, mixtures)

    def tune(self, mixture: Dataset, **changes: Any) -> Fitted:
        """The base model tuned on these rows, in their order, as `Tuner.tune` says; `changes` override `tune` settings.

        `after=`, `objective=` and `rollouts=` are the tuner's own.
        """
        with self.ledger.timed("fit"):
            return self.tuner.tune(mixture, **changes)


def fit(method: ModuleType, train: Dataset, bench: Bench, settings: Mapping[str, Any]) -> Fitted:
    """The model that a method makes of these rows. Raises UserError for a method that returns anything else."""
    fitted: Fitted = method.fit(train, bench, method.Config.model_validate(settings))
    return plugs.returned(method, "fit", fitted, Fitted, "It ends with a model: return bench.tune(rows)")


def _share(rows: Dataset, number: int, passes: int) -> Dataset:
    """The rows that stand in one of several passes."""
    first, end = (len(rows) * place // passes for place in (number, number + 1))
    return rows.rows(list(range(first, end)))
