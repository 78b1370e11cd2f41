"""What rows say, as columns: question, answer, whole text, lengths and ids; no `Example` is made for it.

Polars says it of the common rows; a row with tool calls, parts or an unusual order of turns is asked as an `Example`.
"""

import hashlib
import json
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven.rows import dataset
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin

Part = Literal["all", "question", "answer"]
"""What of a row is looked at: all (instruction, input, output; the system text too), the question, or the answer."""


def batches(data: Dataset, part: Part = "all") -> Iterator[pl.Series]:
    """The texts of the rows in their order, a few thousand at a time; null for an answer that is not there."""
    return (of(frame["messages"], part) for frame in data.batches(["messages"]))


def strings(data: Dataset, part: Part = "all") -> Iterator[str]:
    """The text of each row in their order; "" for an answer that is not there."""
    return (text or "" for texts in batches(data, part) for text in texts)


def of(messages: pl.Series, part: Part = "all") -> pl.Series:
    """The texts of the rows with these messages."""
    turns = pl.col("messages")
    contents = turns.list.eval(pl.element().struct.field("content"))
    last, before = turns.list.get(-1, null_on_oob=True), turns.list.get(-2, null_on_oob=True)
    words = {
        "all": contents.list.join("\n"),
        "question": pl.when(_said_by(last, "user")).then(_content(last))
        .when(_said_by(before, "user")).then(_content(before)),
        "answer": pl.when(_said_by(last, "assistant")).then(_content(last)),
    }[part]  # fmt: skip
    further = turns.list.eval(pl.element().struct.field("fields").is_not_null()).list.any()
    unusual = further | (turns.list.len() == 0) | (words.is_null() if part == "question" else pl.lit(False))
    texts, by_hand = messages.to_frame("messages").select(words.alias("text"), unusual.alias("unusual"))
    places = by_hand.arg_true()
    if len(places):
        rows = (_of_row(dataset.messages(turns), part) for turns in messages.gather(places))
        texts = texts.scatter(places, pl.Series(list(rows), dtype=pl.String))
    return texts.alias(part)


def _of_row(messages: tuple[Message, ...], part: Part = "all") -> str | None:
    """The text of one row; None for an answer that is not there."""
    row = Example(messages, Origin("texts"))
    if part == "all":
        return "\n".join(message.text for message in row.messages)
    return row.question if part == "question" else row.answer


def present(texts: pl.Series) -> pl.Series:
    """Whether each of the texts says something; one that is not there and one of blanks do not."""
    return (texts.str.strip_chars() != "").fill_null(False)


def lengths(data: Dataset, part: Part = "answer") -> npt.NDArray[np.float64]:
    """The characters of each row's answer (or another part), (rows,); 0 where there is none."""
    parts = [texts.str.len_chars().fill_null(0).to_numpy() for texts in batches(data, part)]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def ids(data: Dataset) -> pl.Series:
    """The id of each row (`Example.id`)."""
    parts = [pl.Series(_ids(frame["messages"]), dtype=pl.String) for frame in data.batches(["messages"])]
    return (pl.concat(parts) if parts else pl.Series([], dtype=pl.String)).alias("id")


def places(data: Dataset) -> pl.Series:
    """What each row is called: its place, or its id where it has none."""
    origins = [frame["origin"].struct.field("place") for frame in data.batches(["origin"])]
    named = pl.concat(origins) if origins else pl.Series()
    return named if not named.null_count() else pl.select(pl.coalesce(named, ids(data))).to_series()


def meta(data: Dataset, field: str) -> Iterator[Any]:
    """The value of a further field in each row, None where it has none."""
    name = json.dumps(field, ensure_ascii=False)
    for frame in data.batches(["meta"]):
        for text in frame["meta"]:
            yield json.loads(text).get(field) if name in text or "\\" in text else None


def _said_by(turn: pl.Expr, role: str) -> pl.Expr:
    return turn.struct.field("role") == role


def _content(turn: pl.Expr) -> pl.Expr:
    return turn.struct.field("content")


def _ids(messages: pl.Series) -> Iterator[str]:
    """As `Example.id` has it: the hash of the turns as JSON, which is put together here turn by turn."""
    turns = messages.explode(empty_as_null=False, keep_nulls=False)
    parts = [turns.struct.field(name).to_list() for name in ("role", "content", "fields")]
    written = [
        f'["{role}", {encode_basestring(content)}' + (f", {encode_basestring(fields)}]" if fields else "]")
        for role, content, fields in zip(*parts, strict=True)
    ]
    start = 0
    for count in messages.list.len():
        text = f"[{', '.join(written[start : start + count])}]"
        yield hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        start += count
