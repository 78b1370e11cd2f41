"""Examples as rows of a format, and rows as the bytes of a file; what a format or file can't hold is refused."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example
from leaven.rows.layouts import are_turns, check
from leaven.rows.turns import openai, sharegpt

Fields = dict[str, Any]
JSON_COLUMNS = "leaven.json"
"""The key in a Parquet file's metadata that names the columns whose cells are JSON."""


def rows(dataset: Dataset, name: str) -> list[Fields]:
    """The examples in a format, with their further fields. Raises UserError where the format can't hold one."""
    check(name)
    examples = list(dataset)
    if name == "messages":
        return [_with_meta({"messages": [openai(turn) for turn in row.messages]}, row) for row in examples]
    if name == "sharegpt":
        return [_with_meta({"conversations": [sharegpt(turn) for turn in row.messages]}, row) for row in examples]
    if name == "alpaca":
        return [_alpaca(row) for row in examples]
    prompt, _, answer = ("prompt/completion" if name == "prompt-completion" else name).partition("/")
    # One style for the whole file: trainers take a column of texts or one of turns.
    as_turns = not all(_is_plain(row) for row in examples)
    return [_pair(row, prompt, answer, as_turns) for row in examples]


def content(rows: Sequence[Fields], kind: str) -> bytes:
    """The rows as a file of this kind: jsonl, json, csv, tsv or parquet."""
    match kind:
        case "parquet":
            return _parquet(rows)
        case "csv" | "tsv":
            return _sheet(rows, "\t" if kind == "tsv" else ",").encode()
        case "json":
            return json.dumps(list(rows), ensure_ascii=False, indent=1, default=str).encode()
        case _:
            return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()


def as_read(dataset: Dataset, kind: str) -> bytes:
    """The rows in the very text that they came in, as a file of this kind. Raises UserError for a row that was made."""
    texts = []
    for row in dataset:
        if row.origin.text is None:
            raise UserError(f"the row {_place(row)} was made, not read", "Name a format to write: --to messages.")
        texts.append(row.origin.text)
    match kind:
        case "json":
            return f"[\n  {f',{chr(10)}  '.join(texts)}\n]\n".encode()
        case "jsonl":
            return "".join(f"{_on_a_line(text)}\n" for text in texts).encode()
        case _:
            return content([json.loads(text) for text in texts], kind)


def _on_a_line(text: str) -> str:
    return text if "\n" not in text else json.dumps(json.loads(text), ensure_ascii=False)


def _alpaca(row: Example) -> Fields:
    """The question is split again where it was joined of `instruction` and `input`; turns before it are `history`."""
    messages = row.messages[1:] if row.messages[0].role == "system" else row.messages
    roles = [message.role for message in messages]
    earlier = len(messages) - (2 if row.answer is not None else 1)
    in_turn = roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    if not in_turn or row.answer == "" or any(message.fields for message in row.messages):
        raise UserError(
            f"the row {_place(row)} is no questions with an answer each: alpaca can't hold it",
            "Write it as messages: --to messages.",
        )
    meta, joined = dict(row.meta), row.meta.get("input")
    fields: Fields = {"instruction": row.question, "input": ""}
    if isinstance(joined, str) and (not joined.strip() or row.question.endswith(f"\n\n{joined}")):
        instruction = row.question.removesuffix(f"\n\n{joined}") if joined.strip() else row.question
        fields = {"instruction": instruction, "input": meta.pop("input")}
    if row.answer is not None:
        fields["output"] = row.answer
    if len(messages) < len(row.messages):
        fields["system"] = row.messages[0].content
    if earlier:
        texts = [message.content for message in messages[:earlier]]
        fields["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    return _with_meta(fields, row, meta)


def _is_plain(row: Example) -> bool:
    """Whether two texts say it all, and can't be taken for turns."""
    texts = [message.content for message in row.messages]
    single = [message.role for message in row.messages] in (["user"], ["user", "assistant"])
    bare = not any(message.fields for message in row.messages)
    return single and bare and row.answer != "" and not any(are_turns(text) for text in texts)


def _pair(row: Example, prompt: str, answer: str, as_turns: bool) -> Fields:
    if row.answer is not None and not answer:
        raise UserError(f"the row {_place(row)} has an answer", f"Name a field for it: --to {prompt}/answer")
    fields: Fields = {prompt: [openai(turn) for turn in row.prompt] if as_turns else row.question}
    if row.answer is not None:
        fields[answer] = [openai(row.messages[-1])] if as_turns else row.answer
    return _with_meta(fields, row)


def _with_meta(fields: Fields, row: Example, meta: Mapping[str, Any] | None = None) -> Fields:
    further = row.meta if meta is None else meta
    if twice := sorted(set(fields) & set(further)):
        raise UserError(
            f"the row {_place(row)} has a field {twice[0]!r} of its own, which the format needs",
            "Rename the field, or write another format: --to FORMAT.",
        )
    return {**fields, **further}


def _place(row: Example) -> str:
    return row.origin.place or row.id


def _sheet(rows: Sequence[Fields], delimiter: str) -> str:
    """Cells are text: what is no text is written as JSON, and comes back as that text; an empty cell is no field."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _parquet(rows: Sequence[Fields]) -> bytes:
    """A column of one type stays as it is; any other becomes JSON, and the file's metadata say so."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    as_json = [name for name in names if not _is_uniform([row[name] for row in rows if name in row])]
    for name in as_json:
        columns[name] = [_json(row[name]) if name in row else None for row in rows]
    buffer = io.BytesIO()
    frame = pl.DataFrame({name: pl.Series(name, cells, strict=True) for name, cells in columns.items()})
    frame.write_parquet(buffer, metadata={JSON_COLUMNS: json.dumps(as_json)})
    return buffer.getvalue()


def _is_uniform(values: Sequence[Any]) -> bool:
    """Texts, truth values, floats, small integers, or turns (whose fields are alike), and nothing besides."""
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return all(-(2**63) <= value < 2**63 for value in values)
    if kinds == {list}:
        shapes = {tuple(turn) if isinstance(turn, dict) else None for value in values for turn in value}
        return shapes in ({("role", "content")}, {("from", "value")})
    return kinds in ({str}, {bool}, {float})
