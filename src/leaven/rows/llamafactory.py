"""Conversations with tools as LLaMA-Factory reads them: its sharegpt format, and the entry in `dataset_info.json`.

There a call is a turn of its own (`function_call`), what tools answer is one turn (`observation`), and a system message
stands first; then human or observation, and gpt or function_call, take turns. It has no place for words beside a call.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from leaven.errors import UserError
from leaven.rows.example import Example, custom_tools
from leaven.rows.turns import CALL, Turn, sharegpt

FILE = "sharegpt.jsonl"
_BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"
_ASKING, _ANSWERING = ("human", "observation"), ("gpt", CALL)


def info(lines: Sequence[str]) -> dict[str, Any]:
    """The entry of a dataset of these lines."""
    fields = {field for line in lines for field in json.loads(line)}
    columns = {"messages": "conversations", **{name: name for name in ("system", "tools") if name in fields}}
    return {"file_name": FILE, "formatting": "sharegpt", "columns": columns}


def lines(rows: Sequence[Example]) -> list[str]:
    """The rows that it can read, a JSON object each: byte for byte as they came, where they came so."""
    return [_line(row) for row in rows if not _fault(row)]


def notes(rows: Sequence[Example]) -> list[str]:
    """What it can't read of these rows, a sentence for each reason."""
    faults = Counter(fault for row in rows if (fault := _fault(row)))
    sentences = [f"{count:,} rows are not in {FILE}, since {fault}" for fault, count in faults.items()]
    beside = sum(any(_words_beside_a_call(turn) for turn in row.messages) for row in rows)
    return [
        *sentences,
        *([f"{beside:,} rows have words beside a tool call, which {FILE} leaves out"] if beside else []),
    ]


def _line(row: Example) -> str:
    fields: dict[str, Any] = {"conversations": _turns(row)}
    if tools := row.meta.get("tools"):
        fields["tools"] = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
    own = json.loads(row.origin.text) if row.origin.text else {}
    if row.origin.text and "\n" not in row.origin.text and _said(own) == _said(fields):
        return row.origin.text
    return json.dumps(own if _said(own) == _said(fields) else fields, ensure_ascii=False)


def _said(fields: dict[str, Any]) -> object:
    """What the fields of a row say to LLaMA-Factory, however they are written; None where it would not read them."""
    turns = fields.get("conversations")
    if not set(fields) <= {"conversations", "system", "tools"} or not isinstance(turns, list):
        return None
    if not all(isinstance(turn, dict) and set(turn) == {"from", "value"} for turn in turns):
        return None
    sayings = [[turn["from"], _calls(turn["value"]) if turn["from"] == CALL else turn["value"]] for turn in turns]
    if fields.get("system") and sayings and sayings[0][0] != "system":
        sayings.insert(0, ["system", fields["system"]])
    return sayings, fields.get("tools") or ""


def _calls(text: str) -> object:
    try:
        calls = json.loads(text)
    except ValueError:  # thinking stands before them
        return text
    return calls if isinstance(calls, list) else [calls]


def _turns(row: Example) -> list[Turn]:
    turns: list[Turn] = []
    for message in row.messages:
        turn = {key: value for key, value in sharegpt(message).items() if key in ("from", "value")}
        if not message.calls:
            turn["value"] = message.content
        if message.role in ("developer", "tool"):
            turn["from"] = "system" if message.role == "developer" else "observation"
        if turns and turn["from"] == turns[-1]["from"] and turn["from"] in ("system", "observation"):
            between = "\n\n" if turn["from"] == "system" else _BETWEEN_RESULTS
            turns[-1]["value"] += between + turn["value"]
        else:
            turns.append(turn)
    return turns


def _fault(row: Example) -> str:
    """Why LLaMA-Factory would not read the row, or not all of it; "" where it does."""
    if not all(turn.is_text for turn in row.messages):
        return "they hold what is no text"
    try:
        tools = row.tools
    except UserError:
        return "their tools are no list of functions"
    if custom_tools(row.messages, tools):
        return "they have custom tools, and it knows functions alone"
    roles = [turn["from"] for turn in _turns(row)]
    roles = roles[1:] if roles[0] == "system" else roles
    alternate = all(role in (_ASKING, _ANSWERING)[place % 2] for place, role in enumerate(roles))
    return "" if alternate and len(roles) % 2 == 0 else "question and answer do not alternate"


def _words_beside_a_call(turn: Any) -> bool:
    return bool(turn.calls) and bool(sharegpt(turn).get("content"))
