"""A test of a study: rows to be answered, and the metric that scores the answers."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from leaven import plugs
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.task.format import Format
from leaven.task.scoring import Judge, Metric, Scoring, question_of
from leaven.task.settings import OLD_METRICS


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """Rows by a name, which comes before each measure (`transfer/format`); two tests may share a metric.

    `metric` is a file of `task/metrics/`, or one of your own by its path, with `settings` of its own. `ceiling` are the
    same questions in plain words, which the untouched model is asked: what it can't do so, no token can elicit. `shown`
    are the measures that tables show, where they are not the metric's `HEADLINE`.
    """

    __test__ = False  # pytest takes every class called Test for one of its own

    name: str
    rows: Dataset
    metric: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ceiling: Dataset | None = None
    shown: tuple[str, ...] = ()

    def limited(self, n: int | None) -> "Test":
        """At most `n` questions at random, each with all the rows that ask it."""
        questions = list(dict.fromkeys(map(question_of, self.rows)))
        if n is None or n >= len(questions):
            return self
        sample = set(random.Random(0).sample(questions, n))
        places = [place for place, row in enumerate(self.rows) if question_of(row) in sample]
        return replace(self, rows=self.rows.rows(places, f"limited({n})"))


def metric(name: str) -> Metric:
    """The metric of this name, or at this path. Raises UserError for an unknown one, or a file that is no metric."""
    module = plugs.load("metrics", OLD_METRICS.get(name, name))
    if absent := [part for part in ("HEADLINE", "LOWER_IS_BETTER") if not hasattr(module, part)]:
        raise UserError(
            f"the metric {name} has no {absent[0]}",
            'Beside score stand HEADLINE = ("exact",), the measures to show, and LOWER_IS_BETTER = frozenset().',
        )
    return cast(Metric, module)


def score(test: Test, answers: Sequence[str], form: Format, judge: Judge | None = None) -> Iterator[Measure]:
    """The measures of the answers to a test, by the test's name: `transfer/format`."""
    module = metric(test.metric)
    for measure in module.score(answers, test.rows, Scoring(form, test.settings, judge)):
        plugs.returned(module, "score", measure, Measure, "yield Measure(NAME, row.id, NUMBER)")
        yield measure._replace(metric=f"{test.name}/{measure.metric}")


def headline(test: Test) -> tuple[str, ...]:
    """The measures of a test that tables show."""
    return tuple(f"{test.name}/{name}" for name in test.shown or metric(test.metric).HEADLINE)


def lower_is_better(test: Test) -> tuple[str, ...]:
    """The measures of a test that are better when low."""
    return tuple(f"{test.name}/{name}" for name in sorted(metric(test.metric).LOWER_IS_BETTER))
