"""The charts of a report, as Vega-Lite: headline metrics with intervals and seeds, layers, swaps, losses."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup

Summary = Mapping[str, Any]

MEAN, INTERVAL, SEED = "#2f7fb8", "#9db4c8", "#d9772e"
"""Colours that can be read on white and on black."""


def draw(chart: alt.TopLevelMixin, path: Path) -> tuple[dict[str, Any], str]:
    """Write the chart as `path`.svg and `path`.png; its Vega-Lite specification and the SVG."""
    specification = chart.to_dict()
    svg = vl_convert.vegalite_to_svg(specification)
    path.with_suffix(".svg").write_text(svg, encoding="utf-8")
    path.with_suffix(".png").write_bytes(vl_convert.vegalite_to_png(specification, scale=2))
    return specification, svg


def of_page(folder: Path, **named: alt.TopLevelMixin | None) -> dict[str, dict[str, Markup]]:
    """The charts that there are, each drawn into `charts/` of a run, and as a page takes them: `svg`, and `json`."""
    (folder / "charts").mkdir(exist_ok=True)
    drawings = {name: draw(chart, folder / "charts" / name) for name, chart in named.items() if chart is not None}
    return {name: {"svg": Markup(svg), "json": _script(spec)} for name, (spec, svg) in drawings.items()}


def _script(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element or open another."""
    text = json.dumps(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def bundle() -> Markup:
    """Vega's JavaScript, which makes the charts of a page live; whole, so that nothing is fetched."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def headline(summary: Summary) -> alt.TopLevelMixin:
    """A panel for each headline metric: the mean and its interval, and a point for every seed."""
    rows = [row for row in summary["rows"] if row["metric"] in summary["headline_metrics"]]
    names = ("method", "size", "metric", "mean", "low", "high")
    means = _by_size(pl.DataFrame([{name: row[name] for name in names} for row in rows], infer_schema_length=None))
    seeds = _by_size(
        pl.DataFrame(
            [
                {"method": row["method"], "size": row["size"], "metric": row["metric"], "seed": seed, "value": value}
                for row in rows
                for seed, value in row["by_seed"].items()
            ]
        )
    )
    places = {method: place for place, method in enumerate(summary["methods"])}
    ranked = sorted(rows, key=lambda row: (row["size"], places[row["method"]]))
    order = list(dict.fromkeys(_by_size(pl.DataFrame(ranked).select("method", "size"))["method"]))
    y = alt.Y("method:N", sort=order, title=None)
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", title=None)
    charts = []
    for column in summary["columns"]:
        metric = column["metric"]
        title = f"{column['heading']}{' (lower is better)' if column['lower_is_better'] else ''}"
        one, points = means.filter(pl.col("metric") == metric), seeds.filter(pl.col("metric") == metric)
        bars = alt.Chart(one).mark_rule(strokeWidth=3, color=INTERVAL).encode(
            y=y, x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q"
        )  # fmt: skip
        mean = alt.Chart(one).mark_point(filled=True, size=80, color=MEAN).encode(
            y=y, x=alt.X("mean:Q", scale=scale, axis=axis),
            tooltip=["method", alt.Tooltip("mean:Q", format=".1%"), alt.Tooltip("low:Q", format=".1%"),
                     alt.Tooltip("high:Q", format=".1%")],
        )  # fmt: skip
        each = alt.Chart(points).mark_tick(thickness=2, size=12, color=SEED).encode(
            y=y, x=alt.X("value:Q", scale=scale, axis=axis),
            tooltip=["method", "seed", alt.Tooltip("value:Q", format=".1%")],
        )  # fmt: skip
        charts.append((bars + each + mean).properties(title=title, width=260, height=alt.Step(24)))
    return alt.concat(*charts, columns=2)


def _by_size(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its methods told apart by size, where there are several sizes: "DELIA, n=100"."""
    if frame.is_empty() or frame["size"].n_unique() == 1:
        return frame
    return frame.with_columns(method=pl.format("{}, n={}", "method", "size"))


def layers(scores: pl.DataFrame) -> alt.TopLevelMixin | None:
    """The distance of the token to its meaning over that to control words, block by block; None without a probe."""
    parts = pl.col("metric").str.split("/")
    curve = scores.filter(pl.col("metric").str.starts_with("layers/curve/")).with_columns(
        layer=parts.list.get(2).cast(pl.Int64), kind=parts.list.get(3)
    )
    if curve.is_empty():
        return None
    wide = _by_size(curve).pivot("kind", index=["method", "seed", "layer"], values="value", aggregate_function="mean")
    relative = wide.with_columns(relative=pl.col("meaning") / pl.col("control"))
    return (
        alt.Chart(relative.group_by("method", "layer", maintain_order=True).agg(pl.col("relative").mean()))
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:O", title="block"),
            y=alt.Y("relative:Q", title="L2 to meaning / L2 to controls", scale=alt.Scale(zero=False)),
            color=alt.Color("method:N", title=None),
            tooltip=["method", "layer", alt.Tooltip("relative:Q", format=".3f")],
        )
        .properties(width=560, height=240)
    )


def swaps(scores: pl.DataFrame) -> alt.TopLevelMixin | None:
    """Answers in the format with another state in the token's or the word's place, block by block; None without."""
    parts = pl.col("metric").str.split("/")
    swapped = scores.filter(pl.col("metric").str.contains(r"^swap/.*/\d+$")).with_columns(
        swap=parts.list.get(1).str.replace_all("_", " "), block=parts.list.get(2).cast(pl.Int64)
    )
    if swapped.is_empty():
        return None
    return (
        alt.Chart(
            _by_size(swapped).group_by("method", "swap", "block", maintain_order=True).agg(pl.col("value").mean())
        )
        .mark_line(point=True)
        .encode(
            x=alt.X("block:O", title="blocks that read the text as it stands"),
            y=alt.Y(
                "value:Q", title="answers in the format", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            color=alt.Color("method:N", title=None),
            column=alt.Column("swap:N", title=None),
            tooltip=["method", "swap", "block", alt.Tooltip("value:Q", format=".0%")],
        )
        .properties(width=170, height=180)
    )


def losses(cells: list[dict[str, Any]]) -> alt.TopLevelMixin | None:
    """The loss of every cell, step by step; None where nothing was trained."""
    rows = [
        {"method": cell["method"], "size": cell["size"], "seed": str(cell["seed"]), "step": step, "loss": loss}
        for cell in cells
        for step, loss in enumerate(cell["losses"], 1)
        if loss is not None
    ]
    if not rows:
        return None
    return (
        alt.Chart(_by_size(pl.DataFrame(rows)))
        .mark_line(opacity=0.7, strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title="optimiser step"),
            y=alt.Y("loss:Q", scale=alt.Scale(type="symlog", constant=0.01)),
            color=alt.Color("method:N", title=None),
            detail="seed:N",
            tooltip=["method", "seed", "step", "loss"],
        )
        .properties(width=560, height=240)
    )
