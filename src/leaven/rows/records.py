"""The bytes of a file as records: rows with their place, and whatever is no row with the reason and its own text."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from leaven.errors import UserError, first_line
from leaven.rows.layouts import is_row
from leaven.rows.turns import HALF
from leaven.rows.writer import JSON_COLUMNS

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NO_NUMBER = re.compile(r"NaN|Infinity|[eE]\+?\d{3}")
_BLANKS = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_LARGEST_CELL = 2**31 - 1


class Record(NamedTuple):
    """A row and where it stands; or, with `row` None, a text that is none: `fault` says why.

    NaN and infinity, which frames and Python's `json` have and JSON has not, are null in a row, and `has_nan` is true.
    """

    place: str
    row: dict[str, Any] | None
    text: str | None = None
    fault: str = ""
    detail: str = ""
    is_json: bool = True
    has_nan: bool = False

    @classmethod
    def of(cls, place: str, row: dict[str, Any], text: str | None = None) -> "Record":
        """The record of a row, with its text where that is JSON."""
        if (text is not None and not _NO_NUMBER.search(text)) or not _has_nan(row):
            return cls(place, row, text)
        return cls(place, _without_nan(row), text, is_json=False, has_nan=True)

    @property
    def json(self) -> str:
        """The row as JSON: every byte as it came, where it came so."""
        return self.original if self.is_json else json.dumps(self.row, ensure_ascii=False)

    @property
    def original(self) -> str:
        """The text as it came, or as near to it as the kind of file allows."""
        return self.text if self.text is not None else json.dumps(self.row, ensure_ascii=False, default=str)


def parse(content: bytes, kind: str, name: str, format: str = "auto") -> list[Record]:
    """All records of a file; `name` stands in their places. Raises UserError where it is not of its kind at all."""
    if kind == "parquet":
        return list(_parquet(content, name))
    text = _decoded(content, name)
    if kind in ("csv", "tsv"):
        return list(_sheet(text, kind, name))
    return _json(text, kind, name, format)


def _decoded(content: bytes, name: str) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{name} is UTF-16, not UTF-8", f"Convert it: iconv -f utf-16 -t utf-8 {name} > new-{name}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{name} is not UTF-8: line {line}, byte {error.start:,} of the file is {content[error.start]:#04x}",
            f"Convert it, for example: iconv -f latin1 -t utf-8 {name} > new-{name}",
        ) from error


def _json(text: str, kind: str, name: str, format: str) -> list[Record]:
    """A list of rows, an object that holds one, or an object a line, whatever the suffix says."""
    try:
        whole = _loaded(text) if text.strip() else []
    except ValueError as error:
        records = list(_lines(text, name))
        if kind == "json" and all(record.row is None for record in records):
            raise UserError(f"{name} is not JSON: {error}", "A JSON file is a list of objects: [{…}, {…}]") from None
        return records
    if isinstance(whole, dict) and not is_row(whole, format):
        whole = _table(whole, name)
    elif not isinstance(whole, list):
        return list(_lines(text, name)) if text.strip().count("\n") == 0 else [_record(f"{name}:1", whole, None)]
    sources = _elements(text) if text.lstrip().startswith("[") else [None] * len(whole)
    pairs = zip(whole, sources, strict=True)
    return [_record(f"{name}:row {number}", value, source) for number, (value, source) in enumerate(pairs, 1)]


def _elements(text: str) -> list[str]:
    """The text of each value in a list of JSON that was read already."""
    decoder, place, values = json.JSONDecoder(), text.index("[") + 1, list[str]()
    while True:
        place = _BLANKS.match(text, place).end()  # type: ignore[union-attr]
        if text[place] == "]":
            return values
        _, end = decoder.raw_decode(text, place)
        values.append(text[place:end])
        place = end


def _lines(text: str, name: str) -> Iterator[Record]:
    # Not splitlines: U+2028 and U+0085 may stand inside a row.
    return lines(enumerate(text.split("\n"), 1), name)


def lines(numbered: Iterable[tuple[int, str]], name: str) -> Iterator[Record]:
    """The records of lines of JSON, each with its number; a blank line is none."""
    for number, line in numbered:
        if line.strip():
            try:
                yield _record(f"{name}:{number}", _loaded(line), line)
            except ValueError as error:
                yield Record(f"{name}:{number}", None, line, "broken JSON", str(error))


def _record(place: str, value: Any, text: str | None) -> Record:
    source = json.dumps(value) if text is None else text
    if not isinstance(value, dict):
        return Record(place, None, source, "not an object", f"it is {type(value).__name__}")
    if _SURROGATE.search(source) and not is_whole(value):
        return Record(place, None, source, *HALF)
    return Record.of(place, value, text)


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, (dict, list)) and any(map(_has_nan, value.values() if isinstance(value, dict) else value))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if _has_nan(value) else value


def is_whole(value: Any) -> bool:
    """Whether every character of a row can be written: half of one can stand in JSON and in memory, but in no file."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _table(whole: Mapping[str, Any], name: str) -> list[Any]:
    """The rows in an object: one list of objects among its values, or all its values columns."""
    lists = {key: value for key, value in whole.items() if isinstance(value, list)}
    tables = [key for key, value in lists.items() if value and all(isinstance(row, dict) for row in value)]
    if len(lists) == len(whole) > len(tables) and len({len(column) for column in lists.values()}) == 1:
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if len(tables) == 1:
        return lists[tables[0]]
    if len(tables) > 1:
        raise UserError(
            f"{name} holds more than one list of rows: {', '.join(tables)}", "Put the one you mean into its own file."
        )
    return [whole]


def _sheet(text: str, kind: str, name: str) -> Iterator[Record]:
    """CSV: the first line names the fields; an empty cell is no field. A record's place is its first line."""
    lines = text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+", text)
    header = lines[0] if lines else ""
    semicolons = kind == "csv" and "," not in header and ";" in header
    limit = csv.field_size_limit(_LARGEST_CELL)
    try:
        reader = csv.reader(iter(lines), delimiter="\t" if kind == "tsv" else ";" if semicolons else ",", strict=True)
        fields = _header(next(reader, []), name)
        start = reader.line_num + 1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                source = "".join(lines[start - 1 : reader.line_num])
                yield Record(f"{name}:{start}", None, source, "broken CSV", str(error))
            else:
                source = "".join(lines[start - 1 : reader.line_num])
                if cells:
                    yield _sheet_record(f"{name}:{start}", fields, cells, source)
            start = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _header(fields: list[str], name: str) -> list[str]:
    if twice := sorted({field for field in fields if fields.count(field) > 1}):
        raise UserError(f"{name}: the first line names the field {twice[0]!r} twice", "Rename one of them.")
    return fields


def _sheet_record(place: str, fields: list[str], cells: list[str], source: str) -> Record:
    if len(cells) > len(fields):
        return Record(place, None, source, "too many cells", f"{len(cells)} in a table of {len(fields)} fields")
    row = {field: cell for field, cell in zip(fields, cells, strict=False) if cell != ""}
    return Record(place, row, source, is_json=False)


def _parquet(content: bytes, name: str) -> Iterator[Record]:
    """Null is no field: a column has a cell for every row."""
    try:
        frame = pl.read_parquet(io.BytesIO(content))
        as_json = json.loads(pl.read_parquet_metadata(io.BytesIO(content)).get(JSON_COLUMNS, "[]"))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{name} is not a Parquet file: {first_line(error)}", "Write it again.") from error
    for number, cells in enumerate(frame.iter_rows(named=True), 1):
        row = {key: json.loads(cell) if key in as_json else cell for key, cell in cells.items() if cell is not None}
        yield Record.of(f"{name}:row {number}", row)
