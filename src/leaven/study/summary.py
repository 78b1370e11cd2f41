"""The study in one JSON: every mean with its interval, the comparisons that matter, and the headline in a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from leaven import plugs
from leaven.models import names
from leaven.study import ceilings as ceilings_of_study
from leaven.study import columns, headline, statistics
from leaven.study.ceilings import Ceiling
from leaven.study.columns import Column
from leaven.study.recipe import Recipe
from leaven.study.statistics import Difference, Estimate
from leaven.task import test as tests_of_task
from leaven.task.test import Test


def summary(
    recipe: Recipe,
    scores: pl.DataFrame,
    tests: Sequence[Test],
    notes: Sequence[str],
    cells: Sequence[Mapping[str, Any]],
    ceilings: Mapping[str, Ceiling],
    trials: Sequence[Mapping[str, Any]] = (),
    forgotten: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What the report shows and `summary.json` keeps; `cells` is what each cell tells of itself.

    `tests` says of each test with a ceiling what the untouched model reaches in plain words, and whether the test is
    testable with it; the comparisons leave out those that are not. `trials` are those of a search for settings,
    `forgotten` the benchmarks before and after.
    """
    rows = statistics.estimates(scores)
    metrics = {row.metric for row in rows}
    words = [column for test in tests for column in _columns(test) if column.metric in metrics]
    verdicts = ceilings_of_study.verdicts(tests, ceilings, _best_trained(rows))
    testable = [word.metric for word in words if verdicts.get(word.metric.partition("/")[0], {}).get("testable", True)]
    values = {
        "model": names.weights(recipe.model),
        "headline_metrics": [column.metric for column in words],
        "columns": [asdict(column) for column in words],
        "lower_is_better": [name for test in tests for name in tests_of_task.lower_is_better(test)],
        "tests": verdicts,
        "methods": [method.label for method in recipe.methods],
        "rows": [
            {
                "method": row.method,
                "size": row.size,
                "metric": row.metric,
                "mean": row.mean,
                "low": row.low,
                "high": row.high,
                "n_items": row.n_items,
                "n_seeds": row.n_seeds,
                "by_seed": {str(seed): value for seed, value in row.per_seed},
            }
            for row in rows
        ],
        "comparisons": [_as_row(difference) for difference in _comparisons(recipe, scores, testable)],
        "notes": list(notes),
        "trials": list(trials),
        "forgotten": list(forgotten),
    }
    return headline.tell(values, cells)


def _columns(test: Test) -> Iterator[Column]:
    """The headline measures of a test, in words."""
    low = tests_of_task.lower_is_better(test)
    for measure in tests_of_task.headline(test):
        yield columns.column(measure, plugs.summary(plugs.load("metrics", test.metric)), measure in low)


def _best_trained(rows: Sequence[Estimate]) -> dict[str, float]:
    """The highest mean of any method but the untouched one, by measure."""
    best: dict[str, float] = {}
    for row in rows:
        if row.method != headline.UNTOUCHED:
            best[row.metric] = max(row.mean, best.get(row.metric, row.mean))
    return best


def _comparisons(recipe: Recipe, scores: pl.DataFrame, metrics: list[str]) -> list[Difference]:
    """The main method (delia, or the last) against every other, at every size, on the headline metrics."""
    labels = [method.label for method in recipe.methods]
    main = headline.main(labels)
    pairs = (
        statistics.difference(scores, main, other, metric, size)
        for size in scores["size"].unique().sort().to_list()
        for metric in metrics
        for other in labels
        if other != main
    )
    return [pair for pair in pairs if pair is not None]


def _as_row(difference: Difference) -> dict[str, Any]:
    return {
        "a": difference.method_a,
        "b": difference.method_b,
        "metric": difference.metric,
        "size": difference.size,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "n_seeds": difference.n_seeds,
        "p": difference.p_value(),
        "distinguishable": difference.distinguishable,
        "sentence": statistics.sentence(difference),
    }
