"""The study in one JSON: every mean with its interval, the comparisons that matter, and the headline in a sentence."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from leaven import plugs
from leaven.study import statistics
from leaven.study.recipe import Recipe
from leaven.study.statistics import Difference
from leaven.task.test import Test

MAIN = "delia"


def summary(recipe: Recipe, scores: pl.DataFrame, tests: Sequence[Test], notes: list[str]) -> dict[str, Any]:
    """What the report shows and `summary.json` keeps."""
    headline_metrics = [f"{test.name}/{plugs.load('metrics', test.metric).HEADLINE}" for test in tests]
    rows = statistics.summarise(scores)
    found = _comparisons(recipe, scores, headline_metrics)
    return {
        "headline": _headline(found, headline_metrics),
        "headline_metrics": headline_metrics,
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
        "comparisons": [_as_row(difference) for difference in found],
        "notes": notes,
    }


def _comparisons(recipe: Recipe, scores: pl.DataFrame, metrics: list[str]) -> list[Difference]:
    """The main method (delia, or the last) against every other, at every size, on the headline metrics."""
    labels = [method.label for method in recipe.methods]
    main = MAIN if MAIN in labels else labels[-1]
    there = set(scores.select("method", "size", "metric").unique().iter_rows())
    return [
        statistics.compare(scores, main, other, metric, size)
        for size in scores["size"].unique().sort().to_list()
        for metric in metrics
        for other in labels
        if other != main and {(main, size, metric), (other, size, metric)} <= there
    ]


def _headline(found: list[Difference], metrics: list[str]) -> str:
    """The first comparisons that can be told from noise; else that none can."""
    told = [difference for difference in found if difference.distinguishable and difference.metric in metrics]
    said = [f"On {difference.metric}, {statistics.sentence(difference)}" for difference in told]
    if not found:
        return "One method alone: there is nothing to compare."
    return f"{'. '.join(said[:2])}." if said else "No difference between the methods can be told from noise."


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
        "distinguishable": difference.distinguishable,
        "sentence": statistics.sentence(difference),
    }
