"""The main table of a study, for the terminal and for Markdown."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

Summary = Mapping[str, Any]


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a run. Raises UserError for a folder that holds none."""
    path = folder / "summary.json"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no finished study", "Run it to its end first: leaven study RECIPE --out FOLDER."
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def terminal(summary: Summary) -> "Table":
    """Methods down, headline metrics across; each a mean in percent with its range over seeds."""
    from rich.table import Table

    table = Table(title=summary["headline"], title_justify="left", title_style="bold")
    table.add_column("method", no_wrap=True)
    for metric in summary["headline_metrics"]:
        table.add_column(metric.replace("/", "\n"), justify="right", no_wrap=True)
    sizes = {row["size"] for row in summary["rows"]}
    for method, size, cells in lines(summary):
        table.add_row(f"{method}, n={size}" if len(sizes) > 1 else method, *(_short(cell) for cell in cells))
    return table


def markdown(summary: Summary) -> str:
    """The same table in Markdown, with the 95 % interval and every seed."""
    metrics = summary["headline_metrics"]
    text = ["| method | n | " + " | ".join(metrics) + " |", "|---|--:|" + "--:|" * len(metrics)]
    for method, size, cells in lines(summary):
        text.append(f"| {method} | {size} | " + " | ".join(_long(cell) for cell in cells) + " |")
    return "\n".join(text) + "\n"


def percent(value: float | None) -> str:
    """A fraction in percent, with a decimal only where there is one."""
    return "–" if value is None else f"{100 * value:.1f}".removesuffix(".0")


def best(summary: Summary) -> frozenset[tuple[str, str, int]]:
    """(method, metric, size) of the means that are above every other method's and can be told from the next one's."""
    found = set()
    for metric in summary["headline_metrics"]:
        for size in {row["size"] for row in summary["rows"]}:
            rows = [row for row in summary["rows"] if row["metric"] == metric and row["size"] == size]
            ranked = sorted(rows, key=lambda row: -row["mean"])
            if len(ranked) > 1 and _told_apart(summary, ranked[0], ranked[1]):
                found.add((ranked[0]["method"], metric, size))
    return frozenset(found)


def _told_apart(summary: Summary, first: Summary, second: Summary) -> bool:
    pair = {first["method"], second["method"]}
    return any(
        row["distinguishable"]
        for row in summary["comparisons"]
        if {row["a"], row["b"]} == pair and row["metric"] == first["metric"] and row["size"] == first["size"]
    )


def lines(summary: Summary) -> Iterator[tuple[str, int, list[Summary | None]]]:
    """(method, size, its rows on the headline metrics) for every line of the table."""
    found = {(row["method"], row["size"], row["metric"]): row for row in summary["rows"]}
    for size in sorted({row["size"] for row in summary["rows"]}):
        for method in summary["methods"]:
            yield method, size, [found.get((method, size, metric)) for metric in summary["headline_metrics"]]


def _short(row: Summary | None) -> str:
    if row is None:
        return "–"
    seeds = row["by_seed"].values()
    spread = f"\n{percent(min(seeds))}–{percent(max(seeds))}" if len(seeds) > 1 else ""
    return percent(row["mean"]) + spread


def _long(row: Summary | None) -> str:
    if row is None:
        return "–"
    interval = f" ({percent(row['low'])} to {percent(row['high'])})" if row["low"] is not None else ""
    seeds = " · ".join(percent(value) for value in row["by_seed"].values())
    return f"{percent(row['mean'])}{interval}; {seeds}"
