"""What a model forgets of what it knew beside its task: public benchmarks before and after tuning, item by item.

Before is the untouched model, after is each method's, on the same items: so that the difference is paired, as all
differences of a study are. Where the untouched model answers no better than a guess, there is nothing to lose, and a
benchmark tells nothing: it is at the floor.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import polars as pl

from leaven.rows.example import Measure
from leaven.runs import folder as runs
from leaven.runs.progress import Progress
from leaven.study import statistics
from leaven.study.headline import UNTOUCHED, percent
from leaven.task.settings import EvaluateSection

if TYPE_CHECKING:
    from leaven.models.load import Loaded

FLOOR = 0.05
"""Where a guess gets nothing, an untouched model that may get no more than this share has nothing to lose."""
DOUBT = 0.05
"""It is better than a guess where chance alone would do as well in fewer than one of twenty."""


def check(name: str, config: EvaluateSection) -> str:
    """What there is to say of a benchmark before it is asked. Raises UserError where it can't be."""
    from leaven.harness.benchmark import open_benchmark

    return open_benchmark(name, config.benchmark_data, config.benchmark_limit).note


def ask(
    config: EvaluateSection, model: Callable[[], "Loaded"], folder: Path, progress: Progress, whose: str
) -> list[Measure]:
    """The value of each item of each benchmark. The answers are left in a file for each; one that is there is read.

    The model is called for when there is something to ask.
    """
    missing = [name for name in config.benchmarks if not (folder / f"{name}.parquet").exists()]
    if missing:
        from leaven.harness.benchmark import open_benchmark
        from leaven.harness.measure import measure

        loaded = model()
        for name in missing:
            benchmark = open_benchmark(name, config.benchmark_data, config.benchmark_limit)
            answers = measure(benchmark, loaded, config.max_new_tokens, progress, whose)
            runs.write(folder / f"{name}.parquet", answers.write_parquet)
    return [
        Measure(metric(name, answers), item, value)
        for name, answers in read(config, folder).items()
        for item, value in answers.select("item", "value").iter_rows()
    ]


def read(config: EvaluateSection, folder: Path) -> dict[str, pl.DataFrame]:
    """The answers to each benchmark, from the files that `ask` left."""
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in config.benchmarks}


def metric(name: str, answers: pl.DataFrame) -> str:
    """What a benchmark's values are called in a table of scores: `mmlu/acc`."""
    return f"{name}/{answers['measure'][0]}"


def scores(untouched: Mapping[str, pl.DataFrame], cells: Sequence[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
    """The untouched model's values as rows of scores, once for each (size, seed) that they are compared with."""
    for name, answers in untouched.items():
        for size, seed in cells:
            for item, value in answers.select("item", "value").iter_rows():
                yield UNTOUCHED, size, seed, metric(name, answers), item, value


def compare(table: pl.DataFrame, untouched: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """A row for each benchmark, size and trained method: before, after, the paired difference and what it says.

    `table` are the scores of a study; `floor` says why a benchmark can't be tested ("" where it can).
    """
    rows = []
    for name, answers in untouched.items():
        of_metric = table.filter(pl.col("metric") == metric(name, answers))
        tuned = of_metric.filter(pl.col("method") != UNTOUCHED).select("method", "size").unique(maintain_order=True)
        means = {(row.method, row.size): row.mean for row in statistics.estimates(of_metric)}
        for method, size in tuned.iter_rows():
            gap = statistics.compare(of_metric, method, UNTOUCHED, metric(name, answers), size)
            row = {
                "benchmark": name,
                "method": method,
                "size": size,
                "before": means[UNTOUCHED, size],
                "after": means[method, size],
                **gap.row,
                "guess": fmean(answers["chance"]),
                "floor": floor(answers),
            }
            rows.append({**row, "verdict": verdict(row)})
    return rows


def shares(untouched: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """A row for each benchmark of a model that is compared with no other: the share that is right, and its interval."""
    table = pl.DataFrame(
        list(scores(untouched, [(0, 0)])),
        schema=("method", "size", "seed", "metric", "item", "value"),
        orient="row",
    )
    means = {row.metric: row for row in statistics.estimates(table)}
    return [
        {
            "benchmark": name,
            "items": len(answers),
            "share": means[metric(name, answers)].mean,
            "low": means[metric(name, answers)].low,
            "high": means[metric(name, answers)].high,
            "guess": fmean(answers["chance"]),
            "floor": floor(answers),
        }
        for name, answers in untouched.items()
    ]


def floor(answers: pl.DataFrame) -> str:
    """Why a benchmark can tell nothing of this model: it is not better than a guess; "" where it is.

    A one-sided binomial test against the mean chance of a guess, which is careful where items differ in their number
    of choices. Only for answers that are right or wrong.
    """
    from scipy.stats import binomtest

    values, chance = answers["value"], fmean(answers["chance"])
    if not values.is_in([0.0, 1.0]).all():
        return ""
    right = int(values.sum())
    if binomtest(right, len(values), max(chance, FLOOR), alternative="greater").pvalue < DOUBT:
        return ""
    return f"{right} of {len(values)} right, a guess {percent(chance)} %"


def verdict(row: Mapping[str, Any]) -> str:
    """What the difference of a row says, in words."""
    if row["floor"]:
        return "at the floor, not testable"
    if not row["distinguishable"]:
        return "no difference can be told"
    return "worse than before" if row["difference"] < 0 else "better than before"
