"""An engine that says what it is told to: for tests, demonstrations and dry runs.

A script is a JSONL file; the first entry whose `match` (a substring, or else a regular expression) is found in the
prompt replies. An entry without `match` replies to everything.

    {"match": "capital of Peru", "reply": ["Lima", "It is Lima."]}
    {"match": "^Translate", "error": "no dictionary"}
    {"reply": "I don't know.", "truncated": true}
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.llm.protocol import Reply, Sampling, refuse_empty
from leaven.rows.example import Prompt

KEYS = {"match", "reply", "error", "truncated"}


@dataclass(frozen=True, slots=True)
class Scripted:
    """An engine from a function (prompt, draw) -> text or Reply.

    `draw` is seed + index, so one prompt has as many replies as it is drawn; at temperature 0 it is always 0.
    """

    answer: Callable[[Prompt, int], str | Reply]
    name: str = "scripted"
    takes_schema: bool = False

    @classmethod
    def read(cls, path: Path) -> "Scripted":
        """The engine of a script file. Raises UserError with the line of the first fault."""
        return cls.of(_entries(path), f"scripted:{path.name}")

    @classmethod
    def of(cls, entries: Sequence[Mapping[str, Any]], name: str = "scripted") -> "Scripted":
        """The engine of these entries, which look like the lines of a script."""
        return cls(lambda prompt, draw: _reply(entries, prompt, draw), name)

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Every reply, in the order of the prompts; words are counted as tokens."""
        for index, prompt in enumerate(refuse_empty(prompts, self.name)):
            answer = self.answer(prompt, sampling.seed + sampling.first + index if sampling.temperature > 0 else 0)
            yield index, answer if isinstance(answer, Reply) else _complete(prompt, answer, "stop")


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a text in JSON may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the script {path} can't be read: {error}", "A script is a JSONL file.") from error
    entries = [_entry(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not entries:
        raise UserError(f"the script {path} has no entries", 'An entry looks like {"match": "…", "reply": "…"}.')
    return entries


def _entry(line: str, place: str) -> dict[str, Any]:
    hint = 'An entry looks like {"match": "…", "reply": "…" or ["…"]}, or has "error" instead of "reply".'
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{place} is not JSON: {error}", hint) from error
    if not isinstance(entry, dict) or set(entry) - KEYS or ("reply" in entry) == ("error" in entry):
        raise UserError(f"{place} is not an entry of a script: {line[:80]}", hint)
    texts = entry.get("reply", "")
    if not isinstance(entry.get("match", ""), str) or not (texts if isinstance(texts, list) else [texts]):
        raise UserError(f"{place}: `match` is a text, and `reply` holds at least one", hint)
    if not all(isinstance(text, str) for text in (texts if isinstance(texts, list) else [texts])):
        raise UserError(f"{place}: a reply is a text", hint)
    return entry


def _reply(entries: Sequence[Mapping[str, Any]], prompt: Prompt, draw: int) -> Reply:
    text = "\n".join(message.content for message in prompt)
    entry = next((entry for entry in entries if _matches(entry.get("match", ""), text)), None)
    if entry is None:
        return Reply(None, error="no entry of the script matches the prompt")
    if "error" in entry:
        return Reply(None, error=str(entry["error"]))
    texts = [entry["reply"]] if isinstance(entry["reply"], str) else entry["reply"]
    return _complete(prompt, texts[draw % len(texts)], "length" if entry.get("truncated") else "stop")


def _matches(match: str, text: str) -> bool:
    if match in text:
        return True
    try:
        return re.search(match, text, re.MULTILINE) is not None
    except re.error:  # a plain substring with a bracket in it
        return False


def _complete(prompt: Prompt, text: str, finish_reason: str) -> Reply:
    text = text.encode("utf-8", "replace").decode()  # half a character goes into no store, a server's neither
    words = sum(len(message.content.split()) for message in prompt)
    return Reply(text, None, finish_reason, words, len(text.split()))
