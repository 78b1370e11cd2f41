"""The shapes in which rows come: messages, alpaca, sharegpt, prompt-completion; told apart by their fields.

Spreadsheets write `Question` and `ANSWER`: fields that fit no shape as they stand are compared without their case.
`question/answer`, two names of fields, is a format as well: what to say where the fields have names of their own.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any, NamedTuple

from leaven.errors import UserError, nearest
from leaven.rows.example import Example, Origin
from leaven.rows.turns import RowFault, message

Row = Mapping[str, Any]
FORMATS = ("messages", "alpaca", "sharegpt", "prompt-completion")


class Layout(NamedTuple):
    """Which fields hold the prompt (or all turns), the answer, a text to be joined to the prompt, a system message.

    `history` holds the turns before the prompt, as pairs of a question and its answer.
    """

    name: str
    prompt: str
    answer: str | None = None
    joined: str | None = None
    system: str | None = None
    history: str | None = None

    @property
    def fields(self) -> str:
        """The fields that hold question and answer, for a note; in brackets one that is joined where a row has it."""
        if self.name in ("messages", "sharegpt"):
            return ""
        asked = f"{self.prompt} (+ {self.joined})" if self.joined else self.prompt
        return f"fields {asked}/{self.answer}" if self.answer else f"field {asked}, no answers"

    def __str__(self) -> str:
        return ", ".join(part for part in (self.name, self.fields) if part)


LAYOUTS = (
    Layout("messages", "messages"),
    Layout("sharegpt", "conversations", system="system"),
    Layout("alpaca", "instruction", "output", "input", "system", "history"),
    Layout("prompt-completion", "prompt", "completion"),
    Layout("prompt-completion", "prompt", "response"),
    Layout("prompt-completion", "question", "answer"),
    Layout("prompt-completion", "query", "response"),
    Layout("prompt-completion", "instruction", "response", "input"),
)
QUERIES = (
    Layout("alpaca", "instruction", None, "input", "system", "history"),
    *(Layout("prompt-completion", field) for field in ("prompt", "question", "query")),
)


def check(name: str) -> None:
    """Raises UserError for a format that does not exist."""
    if name not in ("auto", *FORMATS) and "/" not in name:
        raise UserError(
            f"there is no format {name!r}",
            f"{nearest(name, ('auto', *FORMATS))} Fields of your own are named by --format QUESTION/ANSWER.",
        )


def detect(rows: Sequence[Row], name: str = "auto") -> Layout:
    """The layout of these rows, within the format where one is named.

    Raises UserError when no layout fits any of them, or when two fit one row and read different messages from it.
    """
    check(name)
    if "/" in name:
        prompt, _, answer = name.partition("/")
        return Layout("prompt-completion", prompt, answer or None)
    for group in (LAYOUTS, _as_spelled(rows), QUERIES):
        layouts = [layout for layout in group if name in ("auto", layout.name)]
        counts = Counter({layout: sum(_fits(layout, row) for row in rows) for layout in layouts})
        fitting = [layout for layout in layouts if counts[layout]]
        for row in rows if name == "auto" else ():
            _check_clear(row, [layout for layout in fitting if _fits(layout, row)])
        if fitting:
            return max(fitting, key=lambda layout: counts[layout])
    if name != "auto":
        return next(layout for layout in LAYOUTS if layout.name == name)
    question, answer = _likely(rows)
    raise UserError(
        f"no known format has the fields {_listed({field for row in rows for field in row})}",
        f"Known: {', '.join(FORMATS)}. Name yours, for example: "
        f"--columns {quote(f'question={question},answer={answer}')}, or --format QUESTION/ANSWER.",
    )


def _likely(rows: Sequence[Row]) -> tuple[str, str]:
    """Which fields may be the question and the answer: the two with the longest texts, in their order."""
    lengths = Counter[str]()
    for row in rows:
        lengths.update({field: len(value) for field, value in row.items() if isinstance(value, str)})
    longest = {field for field, _ in lengths.most_common(2)}
    question, answer, *_ = *(field for field in lengths if field in longest), "FIELD", "FIELD"
    return question, answer


def own(row: Row) -> Layout | None:
    """The layout of a row without its file's fields: a known one that its own tell, where there is one reading."""
    fitting = [layout for layout in LAYOUTS if _fits(layout, row)]
    return fitting[0] if len({_read(row, layout) for layout in fitting}) == 1 else None


def is_row(value: Row, name: str = "auto") -> bool:
    """Whether an object is a row by itself, and not a table of rows."""
    fields = {name.partition("/")[0], *(layout.prompt for layout in (*LAYOUTS, *QUERIES))} & set(value)
    return any(isinstance(value[field], str) or _like_turns(value[field]) for field in fields)


def _like_turns(value: Any) -> bool:
    """Whether this is meant as turns, faulty ones included, and not as a table of rows."""
    meant = isinstance(value, list) and all(
        isinstance(turn, Mapping) and {"role", "from"} & set(turn) for turn in value
    )
    return meant or are_turns(value)


def example(row: Row, layout: Layout, origin: Origin) -> Example:
    """The row as an example; fields that the layout does not use go into `meta`. Raises RowFault."""
    if layout.prompt not in row:
        raise RowFault("missing field", f"{layout.prompt!r}; it has {_listed(row)}")
    turns = _turns(row[layout.prompt], layout) if _holds_turns(row[layout.prompt], layout) else _asked(row, layout)
    turns = (*_history(row, layout), *turns, *_answered(row, layout))
    fields = [layout.prompt, layout.answer]
    if system := _system(row, layout, turns):
        fields.append(layout.system)
    if layout.history and row.get(layout.history):
        fields.append(layout.history)
    messages = tuple(message(turn) for turn in (*system, *turns))
    if not any(turn.role == "user" for turn in messages):
        raise RowFault("no question", "there is no user turn" if messages else f"{layout.prompt!r} is empty")
    if not any(turn.role == "user" and (turn.content.strip() or turn.fields) for turn in messages):
        raise RowFault("empty question")
    meta = {key: value for key, value in row.items() if key not in fields}
    for field in (layout.joined, layout.system, layout.history):
        if field and meta.get(field) in ("", None, []):
            meta.pop(field, None)
    return Example(messages, origin, meta)


def _as_spelled(rows: Sequence[Row]) -> list[Layout]:
    """The layouts with their fields as these rows spell them: in other case, or with a blank beside them."""
    spellings = {field.strip().lower(): field for row in rows for field in row}
    fields = ("prompt", "answer", "joined", "system", "history")
    return [
        layout._replace(**{field: spellings.get(getattr(layout, field), getattr(layout, field)) for field in fields})
        for layout in LAYOUTS
    ]


def _fits(layout: Layout, row: Row) -> bool:
    return layout.prompt in row and (layout.answer is None or layout.answer in row)


def _check_clear(row: Row, layouts: Sequence[Layout]) -> None:
    if len({_read(row, layout) for layout in layouts}) < 2:
        return
    names = sorted({layout.name for layout in layouts})
    pairs = [f"{layout.prompt}/{layout.answer or ''}" for layout in layouts]
    raise UserError(
        f"the fields {_listed(row)} fit more than one format: {'; '.join(map(str, layouts))}",
        f"Say which: --format {' or --format '.join(names if len(names) > 1 else pairs)}",
    )


def _read(row: Row, layout: Layout) -> object:
    try:
        return example(row, layout, Origin("detect")).messages
    except RowFault as fault:
        return str(fault)


def _listed(fields: Sequence[str] | set[str] | Row) -> str:
    return ", ".join(sorted(field if len(field) < 40 else f"{field[:40]}…" for field in fields)) or "(none)"


def _holds_turns(value: Any, layout: Layout) -> bool:
    return layout.name in ("messages", "sharegpt") or not isinstance(value, str) or are_turns(value)


def are_turns(value: Any) -> bool:
    """Whether this is a list of turns: as such, as JSON in a cell of a table, or column by column."""
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return False
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False
    if isinstance(value, Mapping):
        return {"role", "content"} <= set(value) or {"from", "value"} <= set(value)
    turns = value if isinstance(value, list) else []
    return bool(turns) and all(isinstance(turn, Mapping) and are_turns(turn) for turn in turns)


def _turns(value: Any, layout: Layout) -> tuple[Row, ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RowFault("no turns", f"{layout.prompt!r} is a text, and not JSON") from None
    if isinstance(value, Mapping) and value and all(isinstance(column, list) for column in value.values()):
        if len({len(column) for column in value.values()}) > 1:
            raise RowFault("no turns", f"the columns of {layout.prompt!r} differ in length")
        value = [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]
    if not isinstance(value, list):
        what = "no turns" if layout.name in ("messages", "sharegpt") else "not a text"
        raise RowFault(what, f"{layout.prompt!r} is {type(value).__name__}")
    if not all(isinstance(turn, Mapping) for turn in value):
        raise RowFault("not a turn", f"{layout.prompt!r} holds something that is no object")
    return tuple(value)


def _system(row: Row, layout: Layout, turns: Sequence[Row]) -> tuple[Row, ...]:
    """The system message of a field of its own; one among the turns stands above it."""
    text = row.get(layout.system) if layout.system else None
    above = bool(turns) and "system" in (turns[0].get("role"), turns[0].get("from"))
    return ({"role": "system", "content": text},) if text and not above else ()


def _history(row: Row, layout: Layout) -> tuple[Row, ...]:
    pairs = (row.get(layout.history) if layout.history else None) or ()
    if not isinstance(pairs, (list, tuple)) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise RowFault("no history", f"{layout.history!r} is no list of pairs")
    sayings = zip(("user", "assistant") * len(pairs), (text for pair in pairs for text in pair), strict=True)
    return tuple({"role": role, "content": text} for role, text in sayings)


def _asked(row: Row, layout: Layout) -> tuple[Row, ...]:
    text, joined = row[layout.prompt], (row.get(layout.joined) if layout.joined else None) or ""
    if not isinstance(joined, str):
        raise RowFault("not a text", f"{layout.joined!r} is {type(joined).__name__}")
    return ({"role": "user", "content": f"{text}\n\n{joined}" if joined.strip() else text},)


def _answered(row: Row, layout: Layout) -> tuple[Row, ...]:
    """The turns of the answer; an empty one is none: tables have no other way to say so."""
    value = row.get(layout.answer) if layout.answer is not None else None
    if value in ("", None):
        return ()
    if are_turns(value):
        return _turns(value, layout)
    if not isinstance(value, str):
        raise RowFault("not a text", f"{layout.answer!r} is {type(value).__name__}")
    return ({"role": "assistant", "content": value},)
