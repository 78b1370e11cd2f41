"""The common shapes of a line of JSON: what polars' kernels read as Python would; any other line is read by itself.

A shape is the fields of a row in their order, and the kind of value that each has. A line that its pattern matches is
an object of just these fields, each once, whose texts JSON allows: there is one way to read it. So it is with a line
without escapes that is, letter for letter, what its fields make when they are written again, which is quicker to tell.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import polars as pl

from leaven.rows.dataset import FIELDS
from leaven.rows.layouts import Layout

_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_TEXT = rf'"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"'
_BLANK = "[ \t]*"
_TURN = rf'\{{{_BLANK}"role"{_BLANK}:{_BLANK}"(?:system|developer|user|assistant|tool)"{_BLANK},'
_TURN += rf'{_BLANK}"content"{_BLANK}:{_BLANK}{_TEXT}{_BLANK}\}}'
KINDS: dict[str, tuple[str, pl.DataType]] = {
    "text": (_TEXT, pl.String()),
    "integer": (r"-?(?:0|[1-9][0-9]{0,14})", pl.Int64()),
    "float": (r"-?(?:0|[1-9][0-9]{0,7})\.[0-9]{1,7}", pl.Float64()),
    "truth": ("(?:true|false)", pl.Boolean()),
    "null": ("null", pl.String()),
    "turns": (
        rf"\[{_BLANK}{_TURN}(?:{_BLANK},{_BLANK}{_TURN})*{_BLANK}\]",
        pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
    ),
}
"""For each kind of value its pattern, and the type that holds it without loss."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]*")
SPACED, DENSE = (", ", ": "), (",", ":")
"""What stands between fields, and before a value: as Python writes JSON, and as most others do."""
_SAYS = r"[!-~\p{L}\p{N}]"
"""A character that is no blank, whoever is asked."""
_BRACKET = r"^[\s\x00-\x20]*\["


class Shape(NamedTuple):
    """The fields of a row in their order, each with its kind."""

    fields: tuple[tuple[str, str], ...]

    @property
    def pattern(self) -> str:
        """What a line of this shape matches."""
        parts = (f'"{name}"{_BLANK}:{_BLANK}{KINDS[kind][0]}' for name, kind in self.fields)
        return rf"^{_BLANK}\{{{_BLANK}{f'{_BLANK},{_BLANK}'.join(parts)}{_BLANK}\}}{_BLANK}\r?$"

    @property
    def type(self) -> pl.Struct:
        """What holds a row of this shape."""
        return pl.Struct({name: KINDS[kind][1] for name, kind in self.fields})

    def kind(self, field: str | None) -> str:
        """The kind of a field, "" where the shape has none of this name."""
        return dict(self.fields).get(field or "", "")


def of(row: Mapping[str, Any], layout: Layout) -> Shape | None:
    """The shape of a row that such a layout reads; None for a row that has to be read by itself."""
    shape = Shape(tuple((name, _kind(value)) for name, value in row.items()))
    if not all(kind and _NAME.fullmatch(name) for name, kind in shape.fields):
        return None
    if layout.system in row or layout.history in row:
        return None
    if layout.name == "messages":
        return shape if shape.kind(layout.prompt) == "turns" else None
    if layout.name == "sharegpt" or shape.kind(layout.prompt) != "text":
        return None
    usual = shape.kind(layout.answer) in ("", "text", "null") and shape.kind(layout.joined) in ("", "text")
    return shape if usual else None


Select = Callable[[pl.DataFrame, Shape], pl.LazyFrame]


def matching(lines: pl.DataFrame, shape: Shape) -> pl.LazyFrame:
    """The lines that match the shape's pattern, and their fields."""
    return lines.lazy().filter(pl.col("line").str.contains(shape.pattern)).with_columns(_decoded(shape))


def plain(lines: pl.DataFrame, shape: Shape) -> pl.LazyFrame:
    """The lines without escapes that are what their fields make, with gaps as in the first line."""
    line, start = pl.col("line"), f'{{"{shape.fields[0][0]}":'
    first = lines["line"][0] if lines.height and all(kind != "turns" for _, kind in shape.fields) else ""
    gaps = SPACED if first.startswith(f"{start} ") else DENSE
    bare = line.str.starts_with(start) & line.str.ends_with("}") & ~line.str.contains("\\", literal=True)
    fields = lines.lazy().filter(bare if first else pl.lit(False)).with_columns(_decoded(shape))
    return fields.filter(line == _written(shape, *gaps)) if first else fields


def _decoded(shape: Shape) -> pl.Expr:
    """The fields of a line of this shape, each under its name behind an underscore."""
    return pl.col("line").str.json_decode(shape.type).struct.unnest().name.prefix("_")


def _written(shape: Shape, comma: str, colon: str) -> pl.Expr:
    """A line of this shape, written again from its fields."""
    parts: list[pl.Expr] = []
    for place, (name, kind) in enumerate(shape.fields):
        quote, value = '"' * (kind == "text"), pl.col(f"_{name}")
        value = pl.lit("null") if kind == "null" else value if kind == "text" else value.cast(pl.String)
        parts += [pl.lit(f'{comma if place else "{"}"{name}"{colon}{quote}'), value, pl.lit(quote)]
    return pl.concat_str(*parts, pl.lit("}"))


def read(lines: pl.DataFrame, select: Select, shape: Shape, layout: Layout, step: str, name: str) -> pl.DataFrame:
    """Those of the lines (`number`, `line`) that are selected, as a dataset has them; unusual ones left out.

    Unusual is what `layouts.example` looks at more closely: no question, or a text that may be a list of turns. A line
    that is no JSON at all leaves nothing that could be selected by its fields.
    """
    origin = pl.struct(
        step=pl.lit(step),
        place=pl.format(f"{name.replace('{', '{{').replace('}', '}}')}:{{}}", "number"),
        parents=pl.lit([], pl.List(pl.String)),
        model=pl.lit(None, pl.String),
        prompt=pl.lit(None, pl.String),
        seed=pl.lit(None, pl.Int64),
        text=pl.col("line"),
    ).alias("origin")
    fields = {field: pl.col(f"_{field}") for field, _ in shape.fields}
    usual, messages = _turns(fields, layout) if layout.name == "messages" else _pair(fields, shape, layout)
    rows = (
        select(lines, shape)
        .filter(usual)
        .select(
            "number", messages.cast(FIELDS["messages"]).alias("messages"), origin, _meta(fields, layout).alias("meta")
        )
    )
    try:
        return rows.collect(engine="streaming")
    except pl.exceptions.ComputeError:
        return pl.DataFrame(schema={"number": lines.schema["number"], **FIELDS})


def _kind(value: Any) -> str:
    """The kind of a value; "" for a list or an object that holds no plain turns."""
    if isinstance(value, list):
        plain = all(isinstance(turn, dict) and list(turn) == ["role", "content"] for turn in value)
        return "turns" if value and plain else ""
    return {str: "text", bool: "truth", int: "integer", float: "float", type(None): "null"}.get(type(value), "")


def _turns(fields: Mapping[str, pl.Expr], layout: Layout) -> tuple[pl.Expr, pl.Expr]:
    """Whether a user says something, and the messages."""
    turns, turn = fields[layout.prompt], pl.element().struct
    asks = (turn.field("role") == "user") & turn.field("content").str.contains(_SAYS)
    empty = pl.lit(None, pl.String).alias("fields")
    whole = pl.struct(turn.field("role"), turn.field("content"), empty)
    return turns.list.eval(asks).list.any(), turns.list.eval(whole)


def _pair(fields: Mapping[str, pl.Expr], shape: Shape, layout: Layout) -> tuple[pl.Expr, pl.Expr]:
    """Whether the texts are texts and nothing else, and the messages: a question, and its answer where there is one."""
    prompt, joined = fields[layout.prompt], fields.get(layout.joined or "", pl.lit(""))
    answer = fields[layout.answer] if shape.kind(layout.answer) == "text" and layout.answer else pl.lit("")
    usual = prompt.str.contains(_SAYS) & ~prompt.str.contains(_BRACKET) & ~answer.str.contains(_BRACKET)
    usual &= (joined == "") | joined.str.contains(_SAYS)
    question = pl.when(joined == "").then(prompt).otherwise(pl.concat_str(prompt, pl.lit("\n\n"), joined))
    user, assistant = (
        pl.struct(pl.lit(role).alias("role"), text.alias("content"), pl.lit(None, pl.String).alias("fields"))
        for role, text in (("user", question), ("assistant", answer))
    )
    both = pl.concat_arr(user, assistant).arr.to_list()  # seven times as quick as concat_list
    return usual, both.list.head(1 + (answer != "").cast(pl.Int64))


def _meta(fields: Mapping[str, pl.Expr], layout: Layout) -> pl.Expr:
    """The further fields as JSON; what is joined to the prompt stays among them, unless it is empty."""
    further = {name: value for name, value in fields.items() if name not in (layout.prompt, layout.answer)}
    if layout.joined not in further:
        return _json(further)
    without = {name: value for name, value in further.items() if name != layout.joined}
    return pl.when(further[layout.joined] == "").then(_json(without)).otherwise(_json(further))


def _json(fields: Mapping[str, pl.Expr]) -> pl.Expr:
    named = [value.alias(name) for name, value in fields.items()]
    return pl.struct(named).struct.json_encode() if fields else pl.lit("{}")
