"""What is learnt against what is lost, on a real model: rate × buffer, and the usual recipe among them.

    leaven model get smollm2
    python benchmarks/frontier.py runs/frontier --figure docs/figures/frontier

Every point is a model that is tuned on the same 100 rows (recipe `real`): DELIA at two rates and five ratios, of which
0 is the same schedule without a buffer, and what tutorials do. Plain questions that none of them trains on show what is
lost: how many are answered in the new format though nobody asks for it, and how much of the model's own answers is
still said. The report of all cells is RUNS/report.html; the same command goes on where it was stopped.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.recipe import Recipe
from leaven.study.run import run
from leaven.study.sources import resolve
from leaven.view import charts, page, tables

RATES = {3e-4: "rate 3e-4", 1e-3: "rate 1e-3"}
RATIOS = (0, 0.25, 0.5, 1.25, 2.5)
USUAL, UNTOUCHED = "usual recipe", "original"
TESTS = ("unseen_phrasing", "general")
LEARNT, LEAK, KEPT = "unseen_phrasing/format", "general/leak", "general/kept"
BUFFERS = ("none", *(f"{ratio:g}" for ratio in RATIOS[1:]))
PANELS = {
    "learnt": ["Learnt: new phrasings", "answered in the format"],
    "leak": ["Leak: plain questions", "answered in the format, unasked"],
    "kept": ["Kept: of the model’s own answers", "to plain questions (F1 of words)"],
}
"""The measure of each panel, and its heading."""
COLOURS = {"rate 3e-4": "#2f9e6e", "rate 1e-3": "#2f7fb8", USUAL: "#d9532e"}
GREY = "#808890"
"""All colours can be read on white and on black: the figure has no background of its own."""


def recipe_of(folder: Path, questions: int) -> Recipe:
    """The recipe `real` with a method for every point, one seed."""
    usual = next(method for method in recipes.read(recipes.shipped("real")).methods if method.label == USUAL)
    methods: list[Any] = [{"name": UNTOUCHED}, {"name": usual.name, "label": usual.label, **usual.config}]
    methods += [
        {
            "name": "delia",
            "label": label(rate, ratio),
            "ratio": ratio,
            "tune": {"learning_rate": rate, "num_train_epochs": 1},
        }
        for rate in RATES
        for ratio in RATIOS
    ]
    changes = {"methods": methods, "seeds": [0], "out": str(folder)}
    recipe = recipes.read(recipes.shipped("real"), changes)
    return recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"limit_test": questions})})


def label(rate: float, ratio: float) -> str:
    return f"rate {rate:g}, ratio {ratio:g}"


def points(summary: dict[str, Any]) -> pl.DataFrame:
    """A row for each point: its series, the buffer, what is learnt, leaks and is kept."""
    means = {(row["method"], row["metric"]): row["mean"] for row in summary["rows"]}
    rows = [(name, BUFFERS[0], *_values(means, name)) for name in (UNTOUCHED, USUAL)]
    for rate, series in RATES.items():
        rows += [
            (series, buffer, *_values(means, label(rate, ratio))) for ratio, buffer in zip(RATIOS, BUFFERS, strict=True)
        ]
    return pl.DataFrame(rows, ["series", "buffer", "learnt", "leak", "kept"], orient="row")


def _values(means: dict[tuple[str, str], float], method: str) -> Iterator[float]:
    return (means[method, metric] for metric in (LEARNT, LEAK, KEPT))


def figure(table: pl.DataFrame) -> alt.TopLevelMixin:
    """A panel for what is learnt, what leaks and what is kept, over the size of the buffer; a line for each rate."""
    panels = [_panel(table, measure, heading) for measure, heading in PANELS.items()]
    title = alt.TitleParams(
        "What tuning SmolLM2-135M on 100 rows does to questions that the rows are not about",
        subtitle=["Over rows of the model’s own words beside each task row (the buffer). Each dot: the same 25 steps.",
                  "The usual recipe: LoRA on all linear layers, rate 2e-4, three epochs of 8 rows, no buffer."],
        anchor="start", color=GREY, subtitleColor=GREY, fontSize=16, subtitleFontSize=13, offset=14,
    )  # fmt: skip
    return (
        alt.hconcat(*panels, spacing=28)
        .properties(title=title, background="transparent")
        .configure_axis(labelColor=GREY, titleColor=GREY, domainColor=GREY, tickColor=GREY, gridColor=GREY,
                        titleFontWeight="normal", titleFontSize=13, labelFontSize=12)
        .configure_view(stroke=None)
    )  # fmt: skip


def _panel(table: pl.DataFrame, measure: str, heading: list[str]) -> alt.TopLevelMixin:
    """One measure; the dashed line is the untouched model, which is asked again like every other."""
    x = alt.X("buffer:O", sort=None, title="rows in the buffer for each task row",
              axis=alt.Axis(labelAngle=0, grid=False))  # fmt: skip
    y = alt.Y(f"{measure}:Q", title=None, scale=alt.Scale(domain=[-0.02, 1.05], nice=False),
              axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], gridOpacity=0.2))  # fmt: skip
    legend = alt.Legend(title=None, orient="top", labelFontSize=13, labelColor=GREY, symbolSize=140)
    colour = alt.Color("series:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())), legend=legend)
    base = alt.Chart(table).encode(x=x, y=y)
    tuned = base.encode(color=colour).transform_filter(alt.FieldOneOfPredicate("series", list(RATES.values())))
    usual = base.encode(color=colour).transform_filter(alt.datum.series == USUAL)
    rule = base.transform_filter(alt.datum.series == UNTOUCHED).mark_rule(strokeDash=[4, 4], color=GREY).encode(y=y)
    layers = [
        rule.encode(x=alt.X()),
        rule.encode(x=alt.X()).mark_text(x="width", align="right", dy=-8, color=GREY, text="untouched", fontSize=13),
        tuned.mark_line(strokeWidth=2.5),
        tuned.mark_circle(size=80, opacity=1),
        usual.mark_point(shape="diamond", size=170, filled=True, opacity=1),
    ]
    title = alt.TitleParams(heading, anchor="start", color=GREY, fontSize=13, offset=8)
    return alt.layer(*layers).properties(width=270, height=250, title=title)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/frontier"), help="where, without .svg")
    parser.add_argument("--questions", type=int, default=48, help="of each test")
    options = parser.parse_args()
    progress = stderr()
    recipe, task = resolve(recipe_of(options.folder, options.questions), options.folder, progress)
    # Two tests of five: the others cost time and are no axis.
    run(recipe, replace(task, tests=tuple(task.test(name) for name in TESTS)), options.folder, progress)
    page.write(options.folder)
    table = points(tables.read_summary(options.folder))
    charts.draw(figure(table), options.figure)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(table)


if __name__ == "__main__":
    main()
