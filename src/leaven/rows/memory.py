"""Rows that are in memory already, as records: dicts, conversations, texts, frames, a `datasets.Dataset`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from leaven.errors import UserError
from leaven.rows.example import Example, Message
from leaven.rows.records import Record, is_whole
from leaven.rows.turns import HALF, openai


def records(rows: Any) -> list[Record]:
    """A record for each row, in order; its place is "rows[3]". Raises UserError for what holds no rows.

    A row is a dict, a list of messages, an Example, or a text (a question without an answer). A table is taken row by
    row; null and NaN are no field.
    """
    return [_whole(_record(f"rows[{number}]", row)) for number, row in enumerate(_each(rows))]


def _whole(record: Record) -> Record:
    """The record, or in its place the fault of one that no file can hold."""
    if record.row is None or is_whole(record.row):
        return record
    return Record(record.place, None, json.dumps(record.row, default=str), *HALF)


def _each(rows: Any) -> Iterable[Any]:
    kind = type(rows)
    if kind.__module__.startswith("polars"):
        frame = rows.collect() if kind.__name__ == "LazyFrame" else rows
        return frame.iter_rows(named=True)  # type: ignore[no-any-return]
    if kind.__module__.startswith("pandas"):
        return rows.to_dict("records")  # type: ignore[no-any-return]
    if kind.__name__ in ("DatasetDict", "IterableDatasetDict"):
        raise UserError(f"these are {len(rows)} datasets: {', '.join(rows)}", f"Name one: rows[{next(iter(rows))!r}].")
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise UserError(
            f"{kind.__name__} is no list of rows", "Rows are dicts, or lists of messages: leaven.read([{…}])."
        )
    if (
        isinstance(rows, list)
        and rows
        and all(isinstance(row, Mapping) and {"role", "content"} <= set(row) for row in rows)
    ):
        raise UserError("these are the messages of one row, not rows", "Put them into a list: leaven.read([messages]).")
    return rows


def _record(place: str, row: Any) -> Record:
    if isinstance(row, Example):
        turns = [openai(message) for message in row.messages]
        return Record.of(place, {**row.meta, "messages": turns})
    if isinstance(row, Mapping):
        return Record.of(place, {str(key): _plain(cell) for key, cell in row.items() if not _is_null(cell)})
    if isinstance(row, str):
        return Record(place, {"messages": [{"role": "user", "content": row}]})
    if isinstance(row, (list, tuple)):
        return Record(place, {"messages": [_turn(turn) for turn in row]})
    return Record(place, None, repr(row), "not an object", f"it is {type(row).__name__}")


def _turn(turn: Any) -> Any:
    return openai(turn) if isinstance(turn, Message) else turn


def _is_null(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 (NaN alone differs from itself)


def _plain(cell: Any) -> Any:
    """Arrays of numpy as lists, since frames hold conversations in them, and its numbers as Python's."""
    plain = cell.tolist() if hasattr(cell, "tolist") and hasattr(cell, "shape") else cell
    return [_plain(item) for item in plain] if plain is not cell and isinstance(plain, list) else plain
