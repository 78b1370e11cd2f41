"""The report: one self-contained HTML page made from the files of a run alone; it opens offline and fetches nothing.

Rows are other people's text: the template escapes all of it, JSON inside scripts has no `<`, and a content security
policy forbids the page to load anything.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaven.errors import UserError
from leaven.study import headline
from leaven.study.headline import percent
from leaven.view import forgetting, plain, samples, tables


def write(folder: Path) -> Path:
    """Write `report.html`, and the charts as SVG and PNG into `charts/`; return the page's path."""
    try:
        from leaven.view import charts
    except ImportError:
        raise UserError("the report needs altair and vl-convert", "pip install 'leaven[report]'") from None
    summary = tables.read_summary(folder)
    cells = [about for _, about in tables.cells(folder)]
    names = {method: plain.name(method) for method in summary["methods"]}
    scores = pl.read_parquet(folder / "scores.parquet").with_columns(pl.col("method").replace(names))
    trials = summary.get("trials", [])
    claim, loss = plain.parts(plain.sentence(summary))
    named = {**summary, "methods": list(names.values()), "rows": _named(summary["rows"])}
    drawings = charts.of_page(
        folder,
        headline=charts.headline(named),
        layers=charts.layers(scores),
        swaps=charts.swaps(scores),
        losses=charts.losses(_named(cells)),
    )
    html = templates().get_template("page.html.jinja").render(
        summary=summary,
        claim=claim,
        loss=loss,
        name=plain.name,
        cells=cells,
        best=tables.best(summary),
        lines=list(tables.lines(summary)),
        ceilings=tables.ceilings(summary),
        spent=lambda method, size: tables.spent(summary, method, size),
        testable=lambda metric: headline.testable(summary, metric),
        in_plain_words=tables.IN_PLAIN_WORDS,
        costs=tables.COSTS,
        trials=trials,
        searched=list(dict.fromkeys(name for trial in trials for name in trial["settings"])),
        main=headline.main(summary["methods"]),
        percent=percent,
        charts=drawings,
        bundle=charts.bundle() if drawings else "",
        samples=samples.choose(folder, summary),
        forgetting=[(head, head in forgetting.WORDS) for head in forgetting.HEADS],
        forgotten=list(forgetting.lines(summary.get("forgotten", ()))),
        dropped=_dropped(folder),
        recipe=(folder / "recipe.yaml").read_text(encoding="utf-8"),
        environment=json.loads((folder / "env.json").read_text(encoding="utf-8")),
    )  # fmt: skip
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def _named(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their methods by name, as charts say them."""
    return [{**row, "method": plain.name(row["method"])} for row in rows]


def _dropped(folder: Path) -> dict[str, Any]:
    frame = pl.read_parquet(folder / "dropped.parquet")
    counts = frame.group_by("where", "reason").len("rows").sort("rows", descending=True)
    return {"counts": counts.to_dicts(), "rows": frame.head(20).to_dicts(), "total": frame.height}


def templates() -> Environment:
    """The templates of the reports: they escape all text, and a name that is not there is an error."""
    return Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
