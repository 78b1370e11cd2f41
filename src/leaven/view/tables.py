"""The main table of a study, for the terminal and for Markdown: methods down, headline measures and cost across."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from shlex import quote
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.study import headline
from leaven.study.headline import percent

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

Summary = Mapping[str, Any]

NEEDED = frozenset({"headline_metrics", "methods", "rows", "comparisons", "notes"})
COSTS = (("steps", "optimiser steps"), ("tokens", "tokens trained"), ("secs", "seconds without answering"))
"""Heading and explanation of what a method takes; the mean over its seeds."""
WIDEST = 1000
"""Columns of a console that no table fills."""
IN_PLAIN_WORDS = "in plain words"
"""The row of the ceilings: the untouched model, when the request says in plain words what the token means."""


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a run, told in today's words. Raises UserError for a folder that holds none that can be read."""
    path = folder / "summary.json"
    if not path.is_file():
        raise runs.unfinished(folder, "study")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        missing = sorted(NEEDED - set(summary))
    except ValueError:
        raise UserError(
            f"{path} is not JSON", "Remove it, and run the same command again: it is written anew."
        ) from None
    if missing:
        raise UserError(f"{path} is not a study of this version: it has no {missing[0]}", "Run the study anew.")
    return summary if "findings" in summary else headline.tell(summary, [about for _, about in cells(folder)])


def cells(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file of each cell of a run, and what it tells."""
    paths = sorted(folder.glob("cells/*/cell.json"))
    return [(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def terminal(summary: Summary) -> "RenderableType":
    """What was found, and the table: means in percent, the range over seeds under them. Fits 80 columns."""
    from rich.console import Group
    from rich.text import Text

    warnings = [Text(warning, style="yellow") for warning in summary["warnings"]]
    findings = [Text(finding) for finding in summary["findings"]]
    head = Text(summary["headline"], style="bold")
    return Group(*warnings, head, *findings, _TableByWidth(summary), Text(_legend(summary), style="dim"))


@dataclass(frozen=True, slots=True)
class _TableByWidth:
    """The table of a study; where the console is too narrow for all measures the sentences alone tell of content."""

    summary: Summary

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator["RenderableType"]:
        whole = _table(self.summary)
        if console.measure(whole, options=options.update(max_width=WIDEST)).minimum <= options.max_width:
            yield whole
        else:
            columns = [column for column in self.summary["columns"] if not column["metric"].endswith("/content")]
            yield _table({**self.summary, "columns": columns})


def _table(summary: Summary) -> "Table":
    from rich import box
    from rich.table import Table

    sizes = {row["size"] for row in summary["rows"]}
    names = {(method, size): f"{method}, n={size}" if len(sizes) > 1 else method for method, size, _ in lines(summary)}
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    longest = max(map(len, (IN_PLAIN_WORDS, *names.values())))
    table.add_column("method", min_width=min(18, longest), max_width=24, overflow="fold")
    for column in summary["columns"]:
        heading = column["heading"] + ("" if headline.testable(summary, column["metric"]) else " †")
        narrow = wrap(heading, max(6, *map(len, heading.split())))
        table.add_column("\n".join(narrow), justify="right", no_wrap=True)
    for name, _ in COSTS:
        table.add_column(name, justify="right", style="dim", no_wrap=True)
    if ceiling := ceilings(summary):
        table.add_row(IN_PLAIN_WORDS, *(percent(value) for value in ceiling), *("" for _ in COSTS), style="italic")
    for method, size, row in lines(summary):
        table.add_row(names[method, size], *map(_short, row), *spent(summary, method, size))
    return table


def _legend(summary: Summary) -> str:
    """What the columns mean, in a line or two."""
    lower = [column["heading"] for column in summary["columns"] if column["lower_is_better"]]
    untestable = any(not headline.testable(summary, column["metric"]) for column in summary["columns"])
    parts = [
        "Percent: the mean, and the range of the seeds",
        f"{' and '.join(lower)}: lower is better" if lower else "",
        "tokens: those trained on; secs: without answering",
        "†: not testable with this model" if untestable else "",
    ]
    return ". ".join(part for part in parts if part) + "."


def markdown(summary: Summary) -> str:
    """The same table in Markdown, with the 95 % interval and every seed."""
    heads = [f"{column['heading']} ({column['metric']})" for column in summary["columns"]]
    costs = [name for name, _ in COSTS]
    text = [
        f"{' '.join([*summary['warnings'], summary['headline'], *summary['findings']])}\n",
        "| method | n | " + " | ".join([*heads, *costs]) + " |",
        "|---|--:|" + "--:|" * (len(heads) + len(costs)),
    ]
    if ceiling := ceilings(summary):
        text.append(f"| {IN_PLAIN_WORDS} | | {' | '.join(percent(value) for value in ceiling)} |{' |' * len(costs)}")
    for method, size, row in lines(summary):
        texts = [*map(_long, row), *spent(summary, method, size)]
        text.append(f"| {method} | {size} | " + " | ".join(texts) + " |")
    return "\n".join(text) + "\n"


def ending(folder: Path, summary: Summary, seconds: float) -> str:
    """The last lines of a run: where the report is, how answers are looked at, and how its adapter is served."""
    text = [f"Finished in {seconds:,.0f} s."]
    if "model" in summary:
        text.append(f"Model:   {summary['model']}")
    text += [f"Report:  {folder / 'report.html'}", f"Answers: leaven view {quote(str(folder))}"]
    method = headline.main(summary["methods"])
    adapters = [path.parent / "adapter" for path, about in cells(folder) if about["method"] == method]
    if adapter := next((path for path in adapters if path.is_dir()), None):
        text += [
            f"Adapter: {adapter}",
            "         Its README.md shows how plain peft loads it; for every engine, merged and as GGUF:",
            f"         leaven export-adapter {quote(str(folder))} -o serving",
        ]
    return "\n".join(text)


def lines(summary: Summary) -> Iterator[tuple[str, int, list[Summary | None]]]:
    """(method, size, its rows on the headline metrics) for every line of the table."""
    by_key = {(row["method"], row["size"], row["metric"]): row for row in summary["rows"]}
    for size in sorted({row["size"] for row in summary["rows"]}):
        for method in summary["methods"]:
            row = [by_key.get((method, size, column["metric"])) for column in summary["columns"]]
            if any(row):
                yield method, size, row


def spent(summary: Summary, method: str, size: int) -> list[str]:
    """Steps, trained tokens and seconds of a method, as they are written; a dash where nothing is known."""
    for cost in summary["costs"]:
        if (cost["method"], cost["size"]) == (method, size):
            tokens = cost["trained_tokens"]
            written = f"{tokens / 1000:,.1f}k" if tokens >= 1000 else f"{tokens:,.0f}"
            return [f"{cost['steps']:,.0f}", written, f"{cost['seconds']:,.0f}"]
    return ["–" for _ in COSTS]


def ceilings(summary: Summary) -> list[float | None]:
    """The ceiling of each headline measure; empty where no test has one."""
    values = []
    for column in summary["columns"]:
        test, _, measure = column["metric"].partition("/")
        values.append((summary["tests"].get(test, {}).get("ceiling") or {}).get(measure))
    return values if any(value is not None for value in values) else []


def best(summary: Summary) -> frozenset[tuple[str, str, int]]:
    """(method, metric, size) of the means that are better than every other method's, and told from the next one's."""
    leaders = set()
    for column in summary["columns"]:
        side = 1 if column["lower_is_better"] else -1
        for size in {row["size"] for row in summary["rows"]}:
            rows = [row for row in summary["rows"] if row["metric"] == column["metric"] and row["size"] == size]
            ranked = sorted(rows, key=lambda row: side * row["mean"])
            if len(ranked) > 1 and headline.testable(summary, column["metric"]) and _told_apart(summary, *ranked[:2]):
                leaders.add((ranked[0]["method"], column["metric"], size))
    return frozenset(leaders)


def _told_apart(summary: Summary, first: Summary, second: Summary) -> bool:
    pairs = permutations((first["method"], second["method"]))
    gaps = (headline.comparison_of(summary, a, b, first["metric"], first["size"]) for a, b in pairs)
    return any(gap["distinguishable"] for gap in gaps if gap)


def _short(row: Summary | None) -> str:
    if row is None:
        return "–"
    least, most = (f"{100 * end(row['by_seed'].values()):.0f}" for end in (min, max))
    return percent(row["mean"]) + (f"\n{least}–{most}" if least != most else "")


def _long(row: Summary | None) -> str:
    if row is None:
        return "–"
    interval = f" ({percent(row['low'])} to {percent(row['high'])})" if row["low"] is not None else ""
    seeds = " · ".join(percent(value) for value in row["by_seed"].values())
    return f"{percent(row['mean'])}{interval}; {seeds}"
