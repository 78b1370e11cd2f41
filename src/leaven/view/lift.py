"""The report of a lift: one page made from the files of its folder alone, as `view/page.py` makes that of a study."""

import json
import random
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from leaven.llm.trust import KINDS
from leaven.runs import folder as runs
from leaven.view import charts
from leaven.view.page import templates

FILE = "report.html"
SAMPLES = 6
LARGE = 5000
"""From so many rows on, samples are drawn from some fifty rows of each stage."""
VERDICTS = alt.Scale(domain=["dropped", "kept"], range=[charts.INTERVAL, charts.SEED])
"""The colours of rows that are kept and dropped."""
COLUMNS = (
    ("rows", "rows", "{:,}"),
    ("nearest_cosine", "cosine to the nearest row", "{:.3f}"),
    ("near_copies", "with one above 0.95", "{:.1%}"),
    ("novelsum", "NovelSum", "{:.3f}"),
    ("vendi", "Vendi score", "{:.1f}"),
    ("median_length", "median answer, characters", "{:,.0f}"),
)
"""The figures of a set: key, heading, how it is written."""


def read(folder: Path) -> dict[str, Any]:
    """The summary of a finished lift; those of earlier versions open with no verdict.

    Raises UserError for a folder that holds none.
    """
    path = folder / "summary.json"
    if not (folder / "audit.parquet").is_file() or not path.is_file():
        raise runs.unfinished(folder, "lift")
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {"verdict": {"lines": [], "judges": [], "tactics": [], "rewritings": []}, "controls": [], **summary}


def text(folder: Path) -> str:
    """The sets side by side, for the terminal."""
    summary = read(folder)
    head = ["set", *(heading for _, heading, _ in COLUMNS)]
    lines = [[one["set"], *cells(one)] for one in summary["sets"]]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    table = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *lines])
    drops = "; ".join(f"{one['rows']:,} {one['stage']}: {one['reason']}" for one in summary["stages"])
    opening = [
        f"{one['asks']} {one['says']}" + (f"\n  {one['detail']}" if one["detail"] else "")
        for one in summary["verdict"]["lines"]
    ]
    head = [f"{summary['headline']}.", *opening, f"Dropped: {drops or 'none'}."]
    return "\n".join([*head, *(line.rstrip() for line in table)])


def about_sets(summary: dict[str, Any]) -> str:
    """What the sets are, and which way their figures are better."""
    sentence = (
        "Random, length matched and longest are controls: as many rows, from all that were there to select; at a "
        "stage, from those that it was given (controls.parquet has their numbers). Rows that left before any was "
        "embedded have no figures of embeddings. NovelSum and Vendi are higher, the cosine to the nearest row is "
        "lower, where a set is more varied. NovelSum and the cosines come from equally many rows of every set, at most "
        "2,000."
    )
    if not (variety := summary.get("variety")):
        return sentence
    return (
        f"{sentence} LIFT's variety ({variety}) is the distance from the middle of the rows: it does not remove near "
        "copies, so look at the redundancy that is left."
    )


def cells(one: dict[str, Any]) -> list[str]:
    """A set's figures as they are written, with a 95 % interval where its nearest rows are those of a sample."""
    lines = [form.format(one[key]) if one.get(key) is not None else "–" for key, _, form in COLUMNS]
    if one.get("error"):
        lines[1] += f" ± {1.96 * one['error']:.3f}"
    return lines


def kept(folder: Path) -> int:
    """How many rows are kept."""
    return int(next((one["rows"] for one in read(folder)["sets"] if one["set"] == "kept"), 0))


def page(folder: Path) -> Path:
    """The path of the page, which is drawn unless it is there and newer than what it is made of."""
    path = folder / FILE
    is_new = path.is_file() and path.stat().st_mtime >= (folder / "summary.json").stat().st_mtime
    return path if is_new else write(folder)


def write(folder: Path) -> Path:
    """Write `report.html`, and the charts as SVG and PNG into `charts/`; return the page's path."""
    summary = read(folder)
    drawings = charts.of_page(
        folder, marks=marks(summary), map=data_map(summary), redundancy=redundancy(summary), lengths=lengths(summary)
    )
    html = (
        templates()
        .get_template("lift.html.jinja")
        .render(
            summary=summary,
            headings=[heading for _, heading, _ in COLUMNS],
            lines=[(one["set"], cells(one)) for one in summary["sets"]],
            about_sets=about_sets(summary),
            charts=drawings,
            bundle=charts.bundle() if drawings else "",
            samples=_samples(folder),
            kinds=KINDS,
            told={one[name] for one in summary["verdict"]["judges"] for name in ("verdict", "sentence")},
            signed=lambda points: "–" if points is None else f"{points:+.1f}".replace("-", "−"),
            recipe=(folder / "recipe.yaml").read_text(encoding="utf-8"),
        )
    )
    path = folder / FILE
    path.write_text(html, encoding="utf-8")
    return path


def data_map(summary: dict[str, Any]) -> alt.TopLevelMixin | None:
    """The rows on the first two principal components that variety uses: all of them, and those that are kept."""
    if not summary["map"]:
        return None
    points = pl.DataFrame(summary["map"])
    scale = {name: alt.Scale(domain=[points[name].min(), points[name].max()], nice=True) for name in ("x", "y")}
    panels = [(str(name), points.filter(pl.col("set") == name)) for name in points["set"].unique(maintain_order=True)]
    return alt.hconcat(
        *(
            alt.Chart(rows)
            .mark_circle(size=9, opacity=0.45)
            .encode(
                x=alt.X("x:Q", scale=scale["x"], title="first component"),
                y=alt.Y("y:Q", scale=scale["y"], title="second component"),
                color=alt.Color(
                    "verdict:N",
                    title=None,
                    scale=VERDICTS,
                ),
            )
            .properties(title=title, width=400, height=340)
            for title, rows in panels
        )
    )


def redundancy(summary: dict[str, Any]) -> alt.TopLevelMixin | None:
    """How alike the rows of each set are: lower is more varied."""
    rows = [one for one in summary["sets"] if "nearest_cosine" in one]
    if not rows:
        return None
    chart = alt.Chart(pl.DataFrame([{"set": one["set"], "cosine": one["nearest_cosine"]} for one in rows]))
    return (
        chart.mark_bar(color=charts.MEAN)
        .encode(
            y=alt.Y("set:N", sort=[one["set"] for one in rows], title=None),
            x=alt.X("cosine:Q", title="mean cosine to the nearest other row (lower: more varied)"),
            tooltip=["set", alt.Tooltip("cosine:Q", format=".3f")],
        )
        .properties(width=560, height=alt.Step(22))
    )


def marks(summary: dict[str, Any]) -> alt.TopLevelMixin | None:
    """How many rows got how many points from the judge, those that are kept above those that are not."""
    judges = [one for one in summary["verdict"]["judges"] if one["histogram"]]
    panels = [
        alt.Chart(pl.DataFrame([{**one, "end": one["points"] + judge["bin"]} for one in judge["histogram"]]))
        .mark_bar()
        .encode(
            x=alt.X("points:Q", bin="binned", scale=alt.Scale(domain=[0, 100]), title=f"points ({judge['stage']})"),
            x2="end:Q",
            y=alt.Y("rows:Q", title="rows"),
            color=alt.Color("verdict:N", title=None, scale=VERDICTS, legend=alt.Legend(orient="top")),
            tooltip=["points", "verdict", "rows"],
        )
        .properties(width=560, height=200)
        for judge in judges
    ]
    return alt.vconcat(*panels) if panels else None


def lengths(summary: dict[str, Any]) -> alt.TopLevelMixin | None:
    """The lengths of the answers that are kept and dropped, each as shares of its set."""
    rows = [{"set": name, **one} for name, bins in summary["lengths"].items() for one in bins]
    if not rows:
        return None
    names = list(summary["lengths"])
    colours = alt.Scale(domain=names, range=[charts.SEED if name == "kept" else charts.INTERVAL for name in names])
    return (
        alt.Chart(pl.DataFrame(rows))
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("characters:Q", scale=alt.Scale(type="symlog"), title="characters of the answer"),
            y=alt.Y("share:Q", axis=alt.Axis(format="%"), title="share of the set"),
            color=alt.Color("set:N", title=None, scale=colours, legend=alt.Legend(orient="top")),
        )
        .properties(width=560, height=220)
    )


def _samples(folder: Path) -> list[dict[str, Any]]:
    """A few rows that are kept, and a few of each stage that dropped some, drawn at random."""
    table = pl.scan_parquet(folder / "audit.parquet")
    lines = table.select("row", "stage").collect()
    rng = random.Random(0)
    draws = []
    for stage in ("", *(name for name in lines["stage"].unique(maintain_order=True) if name)):
        numbers = lines.filter(pl.col("stage") == stage)["row"]
        some = numbers if lines.height < LARGE else numbers.sample(min(50, len(numbers)), seed=0)
        draws += rng.sample(some.to_list(), min(SAMPLES if not stage else SAMPLES // 2, len(some)))
    rows = {one["row"]: one for one in table.filter(pl.col("row").is_in(draws)).collect().to_dicts()}
    return [rows[number] for number in draws]
