"""Rows from and to files: JSONL, JSON, CSV, TSV, Parquet, also gzipped, and `-` for pipes; none is lost in silence.

`read` takes rows from memory and from the hub as well: whatever a user has.
"""

import gzip
import json
import math
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leaven.errors import UserError, nearest
from leaven.rows import columns as named
from leaven.rows import hub, memory, records
from leaven.rows import layouts as formats
from leaven.rows import writer as render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin
from leaven.rows.outcomes import Outcome
from leaven.rows.records import Record
from leaven.rows.turns import RowFault
from leaven.runs import folder as runs

KINDS = {"jsonl": "jsonl", "ndjson": "jsonl", "json": "json", "csv": "csv", "tsv": "tsv", "parquet": "parquet"}
PACKED = {"zst": "zstd -d", "xz": "unxz -k", "bz2": "bunzip2 -k", "zip": "unzip"}
"""What is packed otherwise than by gzip, and how it is unpacked."""
WORKBOOKS = ("xlsx", "xls", "ods")
BINARY = {
    b"PK\x03\x04": "a zip file, or a workbook of Excel",
    b"(\xb5/\xfd": "packed by zstd",
    b"\xfd7zXZ": "packed by xz",
    b"BZh": "packed by bzip2",
}
"""How files begin that are no rows as they stand, though their suffix may say so."""
SAME = "same"
"""The format in which rows came."""
READ = "read"
"""The step in the origin of a row that was read."""
UNREAD = "unread"
"""The step in the origin of a text that is no usable row."""
LOOKED_AT = 100
SHOWN = 80
GZIP = b"\x1f\x8b"


def read(
    source: Any,
    format: str = "auto",
    step: str = READ,
    columns: Mapping[str, str] | str | None = None,
    strict: bool = False,
) -> Outcome:
    """The usable rows in their order, and the others with their reason and place; a note says which format was read.

    `source` is a path, a dataset of the hub (`user/name:split`), or rows: dicts, lists of messages, a polars or pandas
    frame, a `datasets.Dataset`, an iterable of these. `columns` says which fields are question, answer, system or
    messages. Raises UserError when it can't be read, when no row is usable, or, `strict`, when any row is not.

    >>> read([{"prompt": "Name a fish.", "completion": "- cod"}]).kept[0].answer
    '- cod'
    """
    if isinstance(source, Outcome):
        return source
    if isinstance(source, Dataset):
        return Outcome(source)
    formats.check(format)
    name, entries = _records(source, format)
    rows = [record.row for record in entries if record.row is not None]
    columns = dict(named.parse(columns))
    if columns and format != "auto":
        raise UserError(f"--columns goes without --format {format}", "The columns say where everything is.")
    try:
        layout = named.layout(columns, rows) if columns else formats.detect(rows[:LOOKED_AT], format) if rows else None
    except UserError as error:
        raise UserError(f"{name}: {error.problem}", error.hint) from None
    examples: list[Example] = []
    dropped: list[Drop] = []
    others = None if columns or format != "auto" else Counter[str]()
    for record in entries:
        result = example(record, layout, step, others)
        examples.append(result) if isinstance(result, Example) else dropped.append(result)
    if not examples:
        raise _useless(name, layout, dropped, rows)
    if strict and dropped:
        raise UserError(left_out(dropped), f"Mend it: {dropped[0].detail}. Or leave strict out.")
    with_nan = [record.place for record in entries if record.has_nan]
    summary = note(name, len(examples), dropped, layout, others, with_nan)
    return Outcome(Dataset.of(examples, (f"{step} {name}",)), tuple(dropped), (summary,))


def read_beside(source: Any, format: str, columns: Mapping[str, str], strict: bool = False) -> Outcome:
    """Rows that stand beside a task's: in its format and columns where they fit, else in what their own fields tell.

    A pool of questions has no reason to name its fields as the task does. Raises UserError as `read` does.
    """
    try:
        return read(source, format, columns=columns, strict=strict)
    except UserError:
        if format == "auto" and not columns:
            raise
        return read(source, strict=strict)


def left_out(dropped: Iterable[Drop]) -> str:
    """What a run says in its last lines of the rows that could not be read, with the first one's place; "" for none."""
    unread = [drop for drop in dropped if drop.example.origin.step == UNREAD]
    if not unread:
        return ""
    rows = "1 row can't be used and is" if len(unread) == 1 else f"{len(unread):,} rows can't be used and are"
    place = f"{unread[0].example.origin.place}{'' if len(unread) == 1 else ' (the first)'}"
    return f"{rows} left out: {place}, {unread[0].reason}."


def raw(path: str | Path, format: str = "auto") -> tuple[str, list[Record]]:
    """The name of a file in places, and its records, whatever they hold. Raises UserError where it has none."""
    content, kind, name = _content(path)
    rows = records.parse(content, kind, name, format)
    if not rows:
        raise UserError(f"{path} is empty: it holds no rows", "Name a file of rows.")
    return name, rows


def write(dataset: Dataset, path: str | Path, format: str = "messages") -> None:
    """Write the rows, whole or not at all; every field that they came in with goes out again.

    The format `same` is that in which they came: of JSON, each row goes out byte for byte. Raises UserError for a row
    that the format can't hold. In CSV and TSV, further fields come back as text.
    """
    piped = str(path) == "-"
    kind, zipped = ("jsonl", False) if piped else kind_of(Path(path))
    content = render.as_read(dataset, kind) if format == SAME else render.content(render.rows(dataset, format), kind)
    if piped:
        sys.stdout.write(content.decode())
        sys.stdout.flush()
        return
    _put(gzip.compress(content, mtime=0) if zipped else content, Path(path))


def check_format(dataset: Dataset, format: str = "messages") -> None:
    """Raises UserError for a row that the format can't hold, as `write` would: for whoever pays before he writes."""
    if format == SAME:
        render.as_read(dataset, "jsonl")
    else:
        render.rows(dataset, format)


def write_rejects(outcome: Outcome, path: str | Path) -> None:
    """Write the dropped rows as JSONL: reason, detail, place, score, the text as it came, the row's other fields.

    A conversation, or a row with tool calls, is there as it came too (`row`).
    """
    rows = [
        {
            "reason": reason,
            "detail": detail,
            "place": example.origin.place,
            **({} if score is None or math.isnan(score) else {"score": score}),
            "text": example.question,
            **({} if example.answer is None else {"answer": example.answer}),
            **({"fields": dict(example.meta)} if example.meta else {}),
            **({"row": json.loads(example.origin.text)} if example.origin.text and not _is_pair(example) else {}),
        }
        for example, reason, score, detail in outcome.dropped
    ]
    _put(render.content(rows, "jsonl"), Path(path))


def _is_pair(row: Example) -> bool:
    """Whether a question and an answer are all that is said."""
    return len(row.messages) <= 2 and row.messages[0].role == "user" and not any(turn.fields for turn in row.messages)


def example(
    record: Record, layout: formats.Layout | None, step: str, others: Counter[str] | None = None
) -> Example | Drop:
    """The row of a record, or why it is none, with its place and the beginning of its text.

    Rows of several formats may lie in one file: with `others`, a row that lacks the layout's field is read in the
    format that its own fields tell, and counted there.
    """
    reason, detail = record.fault, record.detail
    if record.row is not None and layout is not None:
        own = formats.own(record.row) if others is not None and layout.prompt not in record.row else None
        try:
            row = formats.example(record.row, own or layout, Origin(step, record.place, text=record.json))
        except RowFault as fault:
            reason, detail = fault.reason, fault.detail
        else:
            if others is not None and own is not None:
                others[own.name] += 1
            return row
    text = record.original
    start = text.strip()[:SHOWN] + ("…" if len(text.strip()) > SHOWN else "")
    sentence = ": ".join(part for part in (record.place, detail, start) if part)
    return Drop(Example((Message("user", text),), Origin(UNREAD, record.place)), reason, detail=sentence)


def _records(source: Any, format: str) -> tuple[str, list[Record]]:
    """The name of what is read, and its records: of a file, the hub, or memory."""
    if not isinstance(source, (str, Path)):
        rows = memory.records(source)
        if not rows:
            raise UserError("there are no rows", "Bring at least one.")
        return "rows", rows
    path = Path(source).expanduser()
    if hub.is_id(str(source)) and not path.exists() and path.suffix not in (*(f".{kind}" for kind in KINDS), ".gz"):
        return str(source), hub.read(str(source))
    return raw(source, format)


def _useless(
    path: str | Path, layout: formats.Layout | None, dropped: Sequence[Drop], rows: Sequence[formats.Row]
) -> UserError:
    first = f"{dropped[0].reason}: {dropped[0].detail}"
    count = "the row" if len(dropped) == 1 else f"none of the {len(dropped):,} rows"
    problem = (
        f"{path}: {count} can{'not' if len(dropped) == 1 else ''} be used{f' as {layout}' if layout else ''}; {first}"
    )
    fields = ", ".join(sorted({field for row in rows[:LOOKED_AT] for field in row}))
    if not fields:
        return UserError(problem, 'A row is a JSON object, for example {"prompt": "…", "completion": "…"}')
    if dropped[0].reason == "not a text":
        return UserError(
            problem, "Questions and answers are texts: write an object as JSON (json.dumps), a number in quotes."
        )
    return UserError(problem, f"Its fields: {fields}. Known formats: {', '.join(formats.FORMATS)}; say --format.")


def note(
    name: str,
    usable: int,
    dropped: Sequence[Drop],
    layout: formats.Layout | None,
    others: Mapping[str, int] | None,
    with_nan: Sequence[str] = (),
) -> str:
    """What was read, in a sentence; `others`, by format, the rows that came in another one, None where one was given.

    `with_nan` are the places of rows whose NaN is null.
    """
    how = "given" if others is None else "detected"
    count = f"{usable:,} of {usable + len(dropped):,} rows" if dropped else f"{usable:,} rows"
    text = f"{name}: {count}, format {layout.name if layout else '?'} ({how})"
    if layout and layout.fields:
        text += f", {layout.fields}"
    text += "".join(f", and {number:,} of {other}" for other, number in (others or {}).items())
    if with_nan:
        rows = "1 row" if len(with_nan) == 1 else f"{len(with_nan):,} rows"
        text += f"; NaN or infinity, which JSON has not, is null in {rows}, the first at {with_nan[0]}"
    if dropped:
        place, reason = dropped[0].example.origin.place, dropped[0].reason
        text += f"; {len(dropped):,} can't be used, the first at {place}: {reason}"
    return text


def _content(path: str | Path) -> tuple[bytes, str, str]:
    """The bytes of a file, unzipped; its kind; and its name in places."""
    if str(path) == "-":
        return _unzipped(sys.stdin.buffer.read(), "stdin", False), "jsonl", "stdin"
    target = Path(path).expanduser()
    if target.is_dir():
        inside = sorted(file.name for file in target.iterdir() if file.suffix != ".gz" and file.suffix[1:] in KINDS)
        inside.sort(key=lambda name: not name.startswith("kept."))  # of a lift's folder what it kept
        hint = f"Name a file in it, for example {target / inside[0]}" if inside else "Name a file of rows."
        if len(inside) > 1 and all(KINDS[name.rpartition(".")[2]] == "jsonl" for name in inside):
            hint += f"; or all of them as one: cat {target}/*.{inside[0].rpartition('.')[2]} | leaven … -"
        raise UserError(f"{path} is a folder", hint)
    try:
        content = target.read_bytes()
    except FileNotFoundError:
        siblings = [file.name for file in target.parent.iterdir()] if target.parent.is_dir() else []
        hint = nearest(target.name, siblings) if 0 < len(siblings) < 20 else "Check the path."
        raise UserError(f"{path} does not exist", hint) from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}", "Check its permissions.") from error
    kind, zipped = kind_of(target)
    return _unzipped(content, str(path), zipped), kind, target.name


def _unzipped(content: bytes, name: str, zipped: bool) -> bytes:
    for start, what in BINARY.items():
        if content.startswith(start):
            raise UserError(f"{name} is {what}", "Unpack it; of a workbook save the sheet as CSV, in UTF-8.")
    if not zipped and content[:2] != GZIP:
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name} is not a whole gzip file: {error}", f"Check it: gzip -t {name}") from error


def kind_of(path: Path) -> tuple[str, bool]:
    """The kind of a file by its suffix, and whether it is zipped. Raises UserError."""
    zipped = path.suffix.lower() == ".gz"
    suffix = (path.with_suffix("") if zipped else path).suffix.lstrip(".").lower()
    if suffix in PACKED:
        raise UserError(f"{path} is packed in a way that leaven does not read", f"Unpack it: {PACKED[suffix]} {path}")
    if suffix in WORKBOOKS:
        raise UserError(f"{path} is a workbook", "Save its sheet as CSV, in UTF-8.")
    if suffix not in KINDS:
        raise UserError(
            f"{path} has no suffix that leaven knows",
            f"Known: {', '.join(f'.{kind}' for kind in KINDS)}, and .gz of each. Rename the file.",
        )
    return KINDS[suffix], zipped


def _put(content: bytes, path: Path) -> None:
    try:
        runs.write(path, lambda partial: partial.write_bytes(content))
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}", "Name another file: -o FILE") from error
