"""Columns of your own: which field of a row is the question, the answer, the system message, or all messages.

>>> parse("question=prompt, answer=reply")
{'question': 'prompt', 'answer': 'reply'}
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from leaven.errors import UserError, nearest
from leaven.rows.layouts import Layout, Row

PARTS = ("question", "answer", "system", "messages")


def parse(value: Any) -> Any:
    """The columns of a flag's text, PART=FIELD with commas between; a mapping as it is. Raises UserError."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",")]
        if broken := [part for part, equals, field in pairs if not (part.strip() and equals and field.strip())]:
            raise UserError(
                f"--columns has {broken[0]!r} without a field", "Say --columns question=FIELD,answer=FIELD."
            )
        value = {part.strip(): field.strip() for part, _, field in pairs}
    if isinstance(value, Mapping):
        for part in value:
            if part not in PARTS:
                raise UserError(f"columns: a row has no {part!r}", f"{nearest(str(part), PARTS)}")
        if value and ("question" in value) == ("messages" in value):
            raise UserError("columns: say which field is the question", "--columns question=FIELD, or messages=FIELD.")
    return value


Columns = Annotated[dict[str, str], BeforeValidator(parse)]
"""The type of `columns` in a recipe: a mapping, or a flag's text."""


def layout(columns: Mapping[str, str], rows: Sequence[Row]) -> Layout:
    """The layout of these columns. Raises UserError for a field that no row has, with the nearest that there is."""
    fields = sorted({field for row in rows for field in row})
    for part, field in columns.items():
        if rows and field not in fields:
            raise UserError(f"no row has the field {field!r} (columns: {part}={field})", nearest(field, fields))
    if "messages" in columns:
        return Layout("messages", columns["messages"], system=columns.get("system"))
    return Layout("prompt-completion", columns["question"], columns.get("answer"), system=columns.get("system"))
