"""A Markdown table anywhere in the answer: a header between bars, a line of dashes, rows."""

import re
from collections import Counter
from collections.abc import Sequence

from leaven.section import Section
from leaven.task.formats._labels import SHARE, series

SHORT = "columns"

_DASHES = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
MAX_LINE = 5_000

Table = list[list[str]]


class Config(Section):
    """Which columns the table has."""

    columns: tuple[str, ...] = ()
    """The names in its header; none: any."""


def detect(text: str, config: Config) -> bool:
    """A header and its dashes, whatever is said around them."""
    return bool(_table(text))


def valid(text: str, config: Config) -> bool:
    """There is a row, every row has as many cells as the header, and the header is that of the settings."""
    table = _table(text)
    even = len(table) > 1 and all(len(row) == len(table[0]) for row in table)
    return even and (not config.columns or _header(table) == tuple(map(str.casefold, config.columns)))


def value(text: str, config: Config) -> Table | None:
    """The cells, row by row, without the header."""
    return _table(text)[1:] or None


def infer(answers: Sequence[str]) -> Config | None:
    """The header, where the tables share one."""
    tables = [table for answer in answers if len(table := _table(answer)) > 1]
    if not tables or len(tables) < SHARE * len(answers):
        return None
    header, count = Counter(tuple(table[0]) for table in tables).most_common(1)[0]
    return Config(columns=header if count >= SHARE * len(tables) else ())


def describe(config: Config) -> str:
    """The table and its columns."""
    return "a Markdown table" + _clause(config)


def predicate(config: Config) -> str:
    """What several answers are."""
    return "are Markdown tables" + _clause(config)


def word(config: Config) -> str:
    """Its name."""
    return "Markdown table"


def start(config: Config) -> tuple[str, ...]:
    """The bar."""
    return ("|",)


def _clause(config: Config) -> str:
    return f" with the column{'s' * (len(config.columns) > 1)} {series(config.columns)}" if config.columns else ""


def _header(table: Table) -> tuple[str, ...]:
    return tuple(map(str.casefold, table[0]))


def _table(text: str) -> Table:
    """The cells of the first table, its header first; empty where there is none."""
    lines = text.split("\n")
    for number, line in enumerate(lines[1:], start=1):
        header = lines[number - 1]
        if "|" in line and "|" in header and max(len(line), len(header)) <= MAX_LINE and _DASHES.fullmatch(line):
            rows = [header]
            for row in lines[number + 1 :]:
                if "|" not in row:
                    break
                rows.append(row)
            return [_cells(row) for row in rows] if len(_cells(header)) == len(_cells(line)) else []
    return []


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", inner)]
