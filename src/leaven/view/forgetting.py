"""What is forgotten, for the report and the terminal: each public benchmark before and after, with the difference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leaven.study.headline import percent

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]

HEADS = ("benchmark", "items", "method", "rows", "a guess", "before", "after", "difference", "what it says")
WORDS = ("benchmark", "method", "what it says")
"""Columns of words; the others are numbers."""


def lines(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The cells of each line, as they are written: shares in percent, differences in points with their interval."""
    for row in rows:
        yield (
            row["benchmark"],
            str(row["items"]),
            row["method"],
            str(row["size"] or ""),
            percent(row["guess"]),
            percent(row["before"]),
            percent(row["after"]),
            difference(row),
            f"{row['verdict']}: {row['floor']}" if row["floor"] else row["verdict"],
        )


def difference(row: Row) -> str:
    """The difference in points, with its interval.

    >>> difference({"difference": -0.031, "low": -0.052, "high": -0.01})
    '−3.1 (−5.2 to −1)'
    """
    if row["low"] is None:
        return signed(row["difference"])
    return f"{signed(row['difference'])} ({signed(row['low'])} to {signed(row['high'])})"


def signed(value: float) -> str:
    """Points with a real minus sign, and a plus where there is something.

    >>> signed(-0.031), signed(0.02), signed(0.0)
    ('−3.1', '+2', '0')
    """
    text = percent(abs(value))
    return text if text == "0" else f"{'−' if value < 0 else '+'}{text}"


def scores(rows: Sequence[Row]) -> "Table":
    """The shares of a model that is compared with no other, for a terminal."""
    cells = []
    for row in rows:
        interval = "" if row["low"] is None else f" ({percent(row['low'])} to {percent(row['high'])})"
        remark = f"at the floor: {row['floor']}" if row["floor"] else ""
        right = f"{percent(row['share'])}{interval}"
        cells.append((row["benchmark"], str(row["items"]), percent(row["guess"]), right, remark))
    return _table(("benchmark", "items", "a guess", "right, %", "what it says"), cells)


def table(rows: Sequence[Row]) -> "Table":
    """The same for a terminal."""
    return _table(HEADS, lines(rows))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head in WORDS else "right")
    for row in rows:
        table.add_row(*row)
    return table
