"""The paper's tables and figures from a study's scores: our figures beside the paper's, and what can be said of them.

What a table is made of stands in `reproduction.yaml`, which is the lab's, and in `reproduction-SCALE.yaml` for others.
Everything here is arithmetic on scores.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl
import yaml

from leaven.errors import UserError
from leaven.study import signs, statistics
from leaven.study.signs import Alternative
from leaven.study.statistics import Difference, Estimate

Preset = Literal["ours", "faithful"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
SURE = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """A method's value in a column, the paper's and ours; `best`: above every other row's, beyond doubt."""

    paper: float | None
    ours: Estimate | None
    best: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table in one preset: its columns' names, its rows, and its verdict in a sentence."""

    name: str
    title: str
    preset: Preset
    columns: tuple[Mapping[str, Any], ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a figure: the mean at x with its 95 % interval."""

    series: str
    x: float
    mean: float
    low: float | None
    high: float | None


def names(scale: str = "lab") -> list[str]:
    """Every table and figure of a scale."""
    return list(specification(scale))


def spec(name: str, scale: str = "lab") -> dict[str, Any]:
    """What a table or figure is made of. Raises UserError for an unknown name."""
    specs = specification(scale)
    if name not in specs:
        raise UserError(f"there is no {name!r} to reproduce at scale {scale}", f"Known: {', '.join([*specs, 'all'])}.")
    return specs[name]


@cache
def specification(scale: str = "lab") -> dict[str, dict[str, Any]]:
    """All of `reproduction.yaml`, or of the file of another scale."""
    name = "reproduction.yaml" if scale == "lab" else f"reproduction-{scale}.yaml"
    specs: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return specs


def methods(name: str, scale: str = "lab") -> frozenset[str]:
    """The labels whose cells a table or figure needs."""
    table = spec(name, scale)
    rows = [row[preset] for row in table.get("rows", ()) for preset in PRESETS if preset in row]
    series = [one["method"] for one in table.get("series", ()) if "method" in one]
    compared = [claim[side] for claim in table["claims"] for side in ("a", "b")]
    return frozenset([*rows, *series, *table.get("methods", {}).values(), *compared])


def tables(name: str, scores: pl.DataFrame, scale: str = "lab", partial: bool = False) -> list[Table]:
    """The table with our settings, and where it has them, with the paper's.

    A table of several studies shows the rows and columns that this one has, and so does a `partial` one.
    """
    table = spec(name, scale)
    if partial or len(table["studies"]) > 1:
        table = _measured(table, scores)
    presets = (preset for preset in PRESETS if any(preset in row for row in table["rows"]))
    return [_table(name, table, preset, scores) for preset in presets]


def points(name: str, scores: pl.DataFrame, scale: str = "lab") -> Iterator[Point]:
    """The points of a figure; those that the scores don't have are left out."""
    figure = spec(name, scale)
    size = int(figure.get("size", largest(scores)))
    by_x, base = figure.get("methods", {}), figure.get("relative_to")
    for series in figure["series"]:
        for x in figure["x"]:
            method, metric = series.get("method") or by_x[x], series["metric"].format(x=x)
            if base is None:
                if estimate := estimate_of(scores, method, metric, size):
                    yield Point(series["name"], x, estimate.mean, estimate.low, estimate.high)
            elif x != base and (gap := difference_of(scores, method, by_x[base], metric, size)):
                yield Point(series["name"], x, gap.mean, gap.low, gap.high)
            elif x == base and estimate_of(scores, method, metric, size):
                yield Point(series["name"], x, 0.0, 0.0, 0.0)


def _table(name: str, table: Mapping[str, Any], preset: Preset, scores: pl.DataFrame) -> Table:
    rows = [row for row in table["rows"] if preset in row]
    columns = tuple(table["columns"])
    values = [[_value(scores, row, preset, column) for column in columns] for row in rows]
    best = _best(values, rows, preset, columns, scores)
    lines = [
        (
            row["name"],
            tuple(
                Entry(_paper(row, place), estimate, (number, place) in best)
                for place, estimate in enumerate(values[number])
            ),
        )
        for number, row in enumerate(rows)
    ]
    return Table(name, table["title"], preset, columns, tuple(lines), _sentence(rows, columns, best))


def _measured(table: Mapping[str, Any], scores: pl.DataFrame) -> dict[str, Any]:
    """A table without the rows, presets and columns of which these scores have nothing."""
    measured = set(scores["method"])
    rows = [
        {key: value for key, value in row.items() if key not in PRESETS or value in measured} for row in table["rows"]
    ]
    rows = [row for row in rows if any(preset in row for preset in PRESETS)]
    places = [
        place
        for place, column in enumerate(table["columns"])
        if any(
            _value(scores, row, preset, column) is not None
            for row in rows
            if not row.get("untrained")
            for preset in PRESETS
            if preset in row
        )
    ]
    figures = [{**row, "paper": [_paper(row, place) for place in places]} for row in rows]
    return {**table, "columns": [table["columns"][place] for place in places], "rows": figures}


def _best(
    values: list[list[Estimate | None]],
    rows: list[dict[str, Any]],
    preset: Preset,
    columns: tuple[Mapping[str, Any], ...],
    scores: pl.DataFrame,
) -> frozenset[tuple[int, int]]:
    """(row, column) of the means that beat every other row's over the seeds, with Holm over the columns."""
    leads: dict[tuple[int, int], float] = {}
    for place, column in enumerate(columns):
        means = [(e.mean, number) for number, line in enumerate(values) if (e := line[place])]
        if len(means) < 2:
            continue
        higher = column.get("higher", True)
        lead = (max if higher else min)(means)[1]
        rivals = {rows[number][preset]: rows[number] for _, number in means}
        del rivals[rows[lead][preset]]
        gaps = [_lead(scores, rows[lead], rivals[label], preset, column) for label in sorted(rivals)]
        side: Alternative = "greater" if higher else "less"
        doubts = [gap.p_value(side) if gap and gap.apart else 1.0 for gap in gaps]
        # Any row may have come first by chance: the doubt of the nearest rival counts once for each of them.
        if doubts:
            leads[lead, place] = min(1.0, len(doubts) * max(doubts))
    corrected = signs.holm(list(leads.values()))
    return frozenset(key for key, p in zip(leads, corrected, strict=True) if p < SURE)


def _lead(
    scores: pl.DataFrame, row: Mapping[str, Any], rival: Mapping[str, Any], preset: Preset, column: Mapping[str, Any]
) -> Difference | None:
    """A row less a rival, each at the size at which it stands in the column; None without a common seed and item."""
    size = _size(scores, row, column)
    own, other = (
        scores.filter(pl.col("method") == one[preset], pl.col("size") == _size(scores, one, column))
        for one in (row, rival)
    )
    both = pl.concat([own, other.with_columns(size=pl.lit(size, pl.Int64))])
    return difference_of(both, row[preset], rival[preset], column["metric"], size, column.get("item"))


def _sentence(
    rows: list[dict[str, Any]], columns: tuple[Mapping[str, Any], ...], best: frozenset[tuple[int, int]]
) -> str:
    if not best:
        return f"In none of {len(columns)} columns can the best row be told from all others."
    leads = [f"{rows[row]['name']} in {columns[column]['name']}" for row, column in sorted(best, key=lambda b: b[1])]
    return f"Beyond doubt the best in {len(best)} of {len(columns)} columns: {'; '.join(leads)}."


def _value(scores: pl.DataFrame, row: Mapping[str, Any], preset: Preset, column: Mapping[str, Any]) -> Estimate | None:
    return estimate_of(scores, row[preset], column["metric"], _size(scores, row, column), column.get("item"))


def _size(scores: pl.DataFrame, row: Mapping[str, Any], column: Mapping[str, Any]) -> int:
    """The column's size; a method that does not train has the same answers at every size, and is run at one."""
    return largest(scores) if row.get("untrained") else int(column.get("size", largest(scores)))


def estimate_of(scores: pl.DataFrame, method: str, metric: str, size: int, item: str | None = None) -> Estimate | None:
    """A method's mean, or None where it was not measured."""
    estimates = statistics.estimates(_part(scores, metric, size, item).filter(pl.col("method") == method))
    return estimates[0] if estimates else None


def difference_of(
    scores: pl.DataFrame,
    a: str,
    b: str,
    metric: str,
    size: int,
    item: str | None = None,
    success: float | None = None,
) -> Difference | None:
    """A less b, or None where they were not measured on a common seed and item."""
    return None if a == b else statistics.difference(_part(scores, metric, size, item), a, b, metric, size, success)


def _part(scores: pl.DataFrame, metric: str, size: int, item: str | None) -> pl.DataFrame:
    part = scores.filter(pl.col("metric") == metric, pl.col("size") == size)
    return part if item is None else part.filter(pl.col("item") == item)


def _paper(row: Mapping[str, Any], place: int) -> float | None:
    figures = row.get("paper", [])
    return float(figures[place]) if place < len(figures) and figures[place] is not None else None


def largest(scores: pl.DataFrame) -> int:
    """The largest size, which most columns and claims are about."""
    size = scores["size"].max()
    return int(size) if isinstance(size, (int, float)) and not math.isnan(size) else 0
