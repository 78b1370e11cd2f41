"""A buffer that is chosen, against one drawn at random, at the same size: what the right fifth of the pool does.

    python benchmarks/chosen_buffer.py runs/chosen --ratios 1 5 --seeds 0 1 2 --learning-rate 2e-2
    python benchmarks/chosen_buffer.py runs/chosen-smol --model smollm2 --ratios 1 2.5

Every cell has the same task rows in the same steps (`step_task_rows`), and for each task row as many of the model's own
answers as the ratio says, chosen from five times as many. All choices of a ratio choose from the same rows. The table
has the mean over seeds, its standard deviation, and the mean difference from `random`, with how many seeds go which
way. What is chosen by embeddings is embedded by MiniLM where it was got, and by LSA where it was not, which is said.
The same command goes on where it was stopped. At the lab's own rate nothing is forgotten, so that no buffer can help:
`--learning-rate` is for one at which the row without a buffer shows a loss.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from leaven.lift import embedding
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.recipe import Recipe
from leaven.study.run import run
from leaven.study.sources import resolve

CONTROL = "random"
CHOICES = (CONTROL, "variety", "k_center", "facility_location", "near", "far")
RECIPES = {"lab": "quickstart", "smollm2": "real"}
MEASURES = ("unseen_phrasing/format", "transfer/format", "negation/controlled", "general/leak", "general/kept")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe of the model with DELIA for every choice and ratio, and DELIA without a buffer."""
    embedder = embedding.resolved(options.embedder)
    methods: list[Any] = [{"name": "delia", "label": "no buffer", "ratio": 0}]
    methods += [
        {
            "name": "delia",
            "label": label(choice, ratio),
            "ratio": ratio,
            "choose": {"selector": choice, "of": options.of, "rows": options.rows, "embedder": embedder},
        }
        for ratio in options.ratios
        for choice in options.choices
    ]
    changes = {"methods": methods, "seeds": options.seeds, "out": str(options.folder)}
    recipe = recipes.read(recipes.shipped(RECIPES[options.model]), changes)
    tune = recipe.tune if recipe.tune.step_task_rows else recipe.tune.model_copy(update={"step_task_rows": 6})
    if options.learning_rate:
        tune = tune.model_copy(update={"learning_rate": options.learning_rate})
    evaluate = recipe.evaluate.model_copy(update={"limit_test": options.questions})
    return recipe.model_copy(update={"tune": tune, "evaluate": evaluate})


def label(choice: str, ratio: float) -> str:
    return f"{choice}, {ratio:g}"


def table(scores: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """A row for each choice and ratio: each measure's mean ± deviation over seeds, and its difference from random."""
    cells = scores.group_by("method", "seed", "metric").agg(pl.col("value").drop_nans().mean())
    values = {(method, seed, metric): value for method, seed, metric, value in cells.iter_rows()}
    rows = []
    for ratio, choice in [(0, ""), *((ratio, choice) for ratio in options.ratios for choice in options.choices)]:
        method = label(choice, ratio) if choice else "no buffer"
        row = {"ratio": f"{ratio:g}", "chosen": choice or "(no buffer)"}
        for metric in MEASURES:
            own = [values[method, seed, metric] for seed in options.seeds if (method, seed, metric) in values]
            if not own:
                continue
            series = 100 * pl.Series(own)
            row[metric] = f"{series.mean():.1f} ± {series.std() or 0:.1f}"
            if choice not in ("", CONTROL):
                others = [values[label(CONTROL, ratio), seed, metric] for seed in options.seeds]
                differences = [100 * (mine - other) for mine, other in zip(own, others, strict=True)]
                up, down = (sum(sign * each > 0 for each in differences) for sign in (1, -1))
                row[metric] += f" ({sum(differences) / len(differences):+.1f}; {up} up, {down} down)"
        rows.append(row)
    return pl.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=RECIPES, default="lab")
    parser.add_argument("--ratios", type=float, nargs="+", default=[1, 5, 20])
    parser.add_argument("--choices", nargs="+", default=list(CHOICES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--of", type=float, default=5, help="rows to choose from, for each that is kept")
    parser.add_argument("--rows", choices=["samples", "queries"], default="samples", help="what is chosen")
    parser.add_argument("--learning-rate", type=float, default=0, help="of the adapter; 0: the recipe's")
    parser.add_argument("--embedder", default=embedding.AUTO)
    parser.add_argument("--questions", type=int, default=100, help="of each test")
    options = parser.parse_args()
    progress = stderr()
    recipe, task = resolve(recipe_of(options), options.folder, progress)
    asked = {measure.partition("/")[0] for measure in MEASURES}
    tests = tuple(test for test in task.tests if test.name in asked)
    folder = run(recipe, replace(task, tests=tests), options.folder, progress)
    print(f"{options.model}: chosen of {options.of:g} times as many {options.rows}, "
          f"embedded by {embedding.resolved(options.embedder)}; {len(options.seeds)} seeds")  # fmt: skip
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=400, fmt_str_lengths=80, tbl_formatting="MARKDOWN",
                   tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):  # fmt: skip
        print(table(pl.read_parquet(folder / "scores.parquet"), options))


if __name__ == "__main__":
    main()
