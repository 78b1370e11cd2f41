"""The study in one JSON: every mean with its interval, the comparisons that matter, and the headline in a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from leaven import plugs
from leaven.study import columns, headline, statistics
from leaven.study.columns import Column
from leaven.study.recipe import Recipe
from leaven.study.statistics import Difference
from leaven.task.test import Test


def summary(
    recipe: Recipe,
    scores: pl.DataFrame,
    tests: Sequence[Test],
    notes: Sequence[str],
    cells: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What the report shows and `summary.json` keeps; `cells` is what each cell tells of itself."""
    words = [column for test in tests for column in _columns(test)]
    metrics = [column.metric for column in words]
    measured = {
        "headline_metrics": metrics,
        "columns": [asdict(column) for column in words],
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
            for row in statistics.summarise(scores)
        ],
        "comparisons": [_as_row(difference) for difference in _comparisons(recipe, scores, metrics)],
        "notes": list(notes),
    }
    return headline.tell(measured, cells)


def _columns(test: Test) -> Iterator[Column]:
    """The headline measures of a test, in words."""
    metric = plugs.load("metrics", test.metric)
    measures = (metric.HEADLINE,) if isinstance(metric.HEADLINE, str) else metric.HEADLINE
    for measure in measures:
        lower_is_better = measure in getattr(metric, "LOWER_IS_BETTER", ())
        yield columns.column(f"{test.name}/{measure}", plugs.summary(metric), lower_is_better)


def _comparisons(recipe: Recipe, scores: pl.DataFrame, metrics: list[str]) -> list[Difference]:
    """The main method (delia, or the last) against every other, at every size, on the headline metrics."""
    labels = [method.label for method in recipe.methods]
    main = headline.main(labels)
    there = set(scores.select("method", "size", "metric").unique().iter_rows())
    return [
        statistics.compare(scores, main, other, metric, size)
        for size in scores["size"].unique().sort().to_list()
        for metric in metrics
        for other in labels
        if other != main and {(main, size, metric), (other, size, metric)} <= there
    ]


def _as_row(difference: Difference) -> dict[str, Any]:
    return {
        "a": difference.method_a,
        "b": difference.method_b,
        "metric": difference.metric,
        "size": difference.size,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p_value,
        "seed_p": difference.seed_p_value,
        "distinguishable": difference.distinguishable,
        "sentence": statistics.sentence(difference),
    }
