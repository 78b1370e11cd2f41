"""The report: one self-contained HTML page made from the files of a run alone; it opens offline and fetches nothing.

Rows are other people's text: the template escapes all of it, JSON inside scripts has no `<`, and a content security
policy forbids the page to load anything.
"""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leaven.errors import UserError
from leaven.view import tables

SAMPLES = 3


def write(folder: Path) -> Path:
    """Write `report.html`, and the charts as SVG and PNG into `charts/`; return the page's path."""
    try:
        import vl_convert
    except ImportError:
        raise UserError("the report needs altair and vl-convert", "pip install 'leaven[report]'") from None
    summary = tables.read_summary(folder)
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("cells/*/cell.json"))]
    scores = pl.read_parquet(folder / "scores.parquet")
    drawn = _charts(summary, scores, cells, folder)
    html = templates().get_template("page.html.jinja").render(
        summary=summary,
        cells=cells,
        best=tables.best(summary),
        lines=list(tables.lines(summary)),
        percent=tables.percent,
        charts={name: {"svg": Markup(svg), "json": script(spec)} for name, (spec, svg) in drawn.items()},
        bundle=Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")) if drawn else "",
        samples=_samples(folder, summary["methods"]),
        dropped=_dropped(folder),
        recipe=(folder / "recipe.yaml").read_text(encoding="utf-8"),
        environment=json.loads((folder / "env.json").read_text(encoding="utf-8")),
    )  # fmt: skip
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def _charts(
    summary: dict[str, Any], scores: pl.DataFrame, cells: list[dict[str, Any]], folder: Path
) -> dict[str, tuple[dict[str, Any], str]]:
    """Name → (Vega-Lite specification, SVG); both also as files."""
    from leaven.view import charts

    found = {"headline": charts.headline(summary), "layers": charts.layers(scores), "losses": charts.losses(cells)}
    (folder / "charts").mkdir(exist_ok=True)
    return {name: charts.draw(chart, folder / "charts" / name) for name, chart in found.items() if chart is not None}


def _samples(folder: Path, methods: list[str]) -> list[dict[str, Any]]:
    """A few rows of each test, and what every method of the first seed answered."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(folder.glob("cells/*/cell.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        for row in pl.read_parquet(path.with_name("answers.parquet")).iter_rows(named=True):
            sample = found.setdefault((row["test"], row["item"]), {**row, "answers": {}})
            sample["answers"].setdefault(about["method"], row["answer"])
    rng = random.Random(0)
    chosen = []
    for test in dict.fromkeys(test for test, _ in found):
        rows = [sample for (name, _), sample in found.items() if name == test]
        chosen += rng.sample(rows, min(SAMPLES, len(rows)))
    for sample in chosen:
        sample["answers"] = {name: sample["answers"][name] for name in methods if name in sample["answers"]}
    return chosen


def _dropped(folder: Path) -> dict[str, Any]:
    frame = pl.read_parquet(folder / "dropped.parquet")
    counts = frame.group_by("where", "reason").len("rows").sort("rows", descending=True)
    return {"counts": counts.to_dicts(), "rows": frame.head(20).to_dicts(), "total": frame.height}


def script(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element or open another."""
    text = json.dumps(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def templates() -> Environment:
    """The templates of the reports: they escape all text, and a name that is not there is an error."""
    return Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
