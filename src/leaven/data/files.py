"""Read and write rows: JSONL, JSON, CSV, TSV, Parquet, gzipped or not, and `-` for pipes; no row is lost in silence."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from leaven.data import formats
from leaven.dataset import Dataset
from leaven.errors import UserError
from leaven.types import Drop, Example, Message, Origin, Outcome

KINDS = ("jsonl", "json", "csv", "tsv", "parquet")
SHOWN = 200
LOOKED_AT = 100


def read(path: str | Path, format: str = "auto", step: str = "read") -> Outcome:
    """The usable rows of a file, and the others with their reason and place; a note says which format was read.

    Raises UserError when the file can't be read at all or no row of it is usable.
    """
    formats.check(format)
    name = "standard input" if str(path) == "-" else Path(path).name
    raw = list(_rows(path, name))
    whole = [row for _, row in raw if isinstance(row, dict)]
    if not raw:
        raise UserError(f"{path} is empty", "It should hold one row a line.")
    if not whole:
        raise UserError(f"{path} holds no usable row: {raw[0][0]}: {raw[0][1]}", "A row is a JSON object.")
    chosen = formats.detect(whole[:LOOKED_AT]) if format == "auto" else format
    kept: list[Example] = []
    dropped: list[Drop] = []
    for place, row in raw:
        try:
            if not isinstance(row, dict):
                raise formats.RowFault(str(row))
            kept.append(formats.example(row, chosen, Origin(step, place)))
        except formats.RowFault as fault:
            text = json.dumps(row, ensure_ascii=False, default=str) if isinstance(row, dict) else row.text
            dropped.append(Drop(Example((Message("user", text),), Origin(step, place)), str(fault), detail=place))
    if not kept:
        raise UserError(
            f"{path} holds no usable row as {chosen}: {dropped[0].detail}: {dropped[0].reason}",
            f"Known formats: {', '.join(formats.FORMATS)}; say another with --format.",
        )
    said = f"{name}: {len(kept):,} rows, format {chosen} ({'detected' if format == 'auto' else 'given'})"
    lost = f"; {len(dropped):,} can't be used, the first at {dropped[0].detail}: {dropped[0].reason}" if dropped else ""
    return Outcome(Dataset.of(kept, (f"{step} {name}",)), tuple(dropped), (said + lost,))


def write(dataset: Dataset, path: str | Path, format: str = "messages") -> None:
    """Write the rows, whole or not at all; every field that they came in with goes out again."""
    rows = [formats.row(example, format) for example in dataset]
    if str(path) == "-":
        sys.stdout.write(_jsonl(rows))
        return
    target = Path(path)
    kind, zipped = _kind(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    content = _bytes(rows, kind)
    partial.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    partial.replace(target)


def write_rejects(outcome: Outcome, path: Path) -> None:
    """Write the dropped rows as JSONL: reason, detail, place, and the text as it came."""
    rows = [
        {"reason": d.reason, "detail": d.detail, "place": d.example.origin.place, "text": d.example.question}
        for d in outcome.dropped
    ]
    path.write_text(_jsonl(rows), encoding="utf-8")


class Broken:
    """A piece of a file that is not a row: why, and its text as it came."""

    def __init__(self, why: str, text: str) -> None:
        self.why, self.text = why, text

    def __str__(self) -> str:
        return self.why


def _rows(path: str | Path, name: str) -> Iterator[tuple[str, dict[str, Any] | Broken]]:
    """(place, row) for every row, broken ones too."""
    if str(path) == "-":
        yield from _json(_decoded(sys.stdin.buffer.read(), "standard input"), name)
        return
    target = Path(path).expanduser()
    content, kind = _content(target)
    if kind == "parquet":
        try:
            frame = pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{path} is not a Parquet file: {error}", "Check how it was written.") from error
        yield from ((f"{name}:{number}", row) for number, row in enumerate(frame.iter_rows(named=True), 1))
        return
    text = _decoded(content, str(path))
    if kind in ("csv", "tsv"):
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == "tsv" else ",")
        for row in reader:
            yield f"{name}:{reader.line_num}", {key: value for key, value in row.items() if key is not None}
        return
    yield from _json(text, name)


def _json(text: str, name: str) -> Iterator[tuple[str, dict[str, Any] | Broken]]:
    """A list of rows, an object that wraps one, or an object a line; only line feeds end lines (U+2028 may be text)."""
    if text.lstrip()[:1] in ("[", "{"):
        try:
            whole = json.loads(text)
        except ValueError:
            whole = None
        if isinstance(whole, dict) and (lists := [v for v in whole.values() if _is_table(v)]) and len(whole) < 4:
            whole = lists[0]
        if isinstance(whole, list):
            yield from ((f"{name}:row {i}", _row(row, json.dumps(row))) for i, row in enumerate(whole, 1))
            return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"{name}:{number}", _row(json.loads(line), line)
            except ValueError as error:
                yield f"{name}:{number}", Broken(f"broken JSON ({error})", line[:SHOWN])


def _row(value: Any, text: str) -> dict[str, Any] | Broken:
    return value if isinstance(value, dict) else Broken("not a JSON object", text[:SHOWN])


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and not {"role", "from"} & set(row) for row in value)
    )


def _content(path: Path) -> tuple[bytes, str]:
    kind, zipped = _kind(path)
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if zipped else content), kind
    except FileNotFoundError:
        raise UserError(f"{path} does not exist", "Check the path.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder", "Name a file of rows.") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} is not a whole gzip file: {error}", "Check how it was written.") from error


def _kind(path: Path) -> tuple[str, bool]:
    zipped = path.suffix == ".gz"
    kind = (path.with_suffix("") if zipped else path).suffix.lstrip(".").lower()
    if kind not in KINDS and not path.is_dir():
        raise UserError(f"{path} is no kind of file that leaven knows", f"Known: {', '.join(KINDS)}, and .gz of each.")
    return kind, zipped


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} is not UTF-8: byte {error.start}, line {line}", "Convert it: iconv -f latin1 -t utf-8."
        ) from error


def _bytes(rows: list[dict[str, Any]], kind: str) -> bytes:
    if kind == "jsonl":
        return _jsonl(rows).encode()
    if kind == "json":
        return json.dumps(rows, ensure_ascii=False, indent=1, default=str).encode()
    buffer = io.BytesIO()
    if kind == "parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(buffer)
        return buffer.getvalue()
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, delimiter="\t" if kind == "tsv" else ",")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def _jsonl(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
