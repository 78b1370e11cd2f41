"""Find rows that give a benchmark away: the same question, one alike, one with most of its words, one that means it.

The words are compared as the guard of a study does (`rows/leaks.py`): exact, normalised, line and n-gram. Rows that say
it otherwise are found by the cosine of embeddings, where these are brought. Benchmark files come in shapes that are no
training rows (a question in a column of its own, turns, a task with its instances), so they are read here.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from leaven.errors import UserError
from leaven.lift.neighbours import nearest
from leaven.lift.vectors import Array
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin
from leaven.rows.leaks import LeaksSection

ASKED = ("instruction", "prompt", "question", "query", "problem", "turns", "text", "input")
EMBEDDING = "embedding"


class Match(NamedTuple):
    """Row number `row` of the data overlaps with the question at `source` of a benchmark; `share` is 1 where equal."""

    row: int
    benchmark: str
    kind: str
    source: str
    share: float
    evidence: str


def benchmark(path: str | Path) -> Dataset:
    """The questions of a benchmark file, each with its place; several where a row has turns or instances.

    Raises UserError when no row holds a question.
    """
    name, records = files.raw(path)
    rows = [
        Example((Message("user", text),), Origin("benchmark", record.place))
        for record in records
        for text in questions(record.row or {})
        if text.strip()
    ]
    if not rows:
        raise UserError(f"{path} holds no questions", f"A question stands in one of the fields {', '.join(ASKED)}.")
    return Dataset.of(rows, (f"benchmark {name}",))


def questions(row: Mapping[str, Any]) -> Iterator[str]:
    """The questions of a benchmark's row, each with its input where it has one; names of fields in any case."""
    fields = {name.casefold(): value for name, value in row.items()}
    turns = fields.get("messages") or fields.get("conversations")
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in ("user", "human"):
            yield str(turn.get("content", turn.get("value")))
    question = next((fields[name] for name in ASKED if isinstance(fields.get(name), (str, list))), None)
    if isinstance(question, str):
        instances = fields.get("instances")
        inputs = [fields.get("input")] if "input" in fields and fields["input"] != question else []
        listed = instances if isinstance(instances, list) else ()
        inputs += [one.get("input") for one in listed if isinstance(one, Mapping)]
        whole = [f"{question}\n\n{text}" for text in inputs if isinstance(text, str) and text.strip()]
        yield from whole or [question]
    elif question:
        yield from (text for text in question if isinstance(text, str))


def by_words(data: Dataset, benchmarks: Mapping[str, Dataset], config: LeaksSection) -> list[Match]:
    """The rows that share their words with a question: for each row the first overlap with each benchmark."""
    matches = []
    whole = Dataset.of(map(_with_input, data))
    for name, questions in benchmarks.items():
        guarded = leaks.guard(questions, {"data": whole}, None, config)
        matches += [Match(m.row, name, m.kind, m.source, m.share, m.evidence) for m in guarded.matches]
    return sorted(matches)


def by_meaning(name: str, rows: Array, questions: Dataset, vectors: Array, threshold: float) -> list[Match]:
    """The rows whose embedding is within the cosine of a question's; both tables have rows of length one."""
    cosines, positions = nearest(rows, vectors, 1)
    places = [question.origin.place or question.id for question in questions]
    texts = [question.question for question in questions]
    return [
        Match(row, name, EMBEDDING, places[positions[row, 0]], float(cosines[row, 0]), texts[positions[row, 0]])
        for row in (cosines[:, 0] >= threshold).nonzero()[0].tolist()
    ]


def _with_input(row: Example) -> Example:
    """The row with the input of its first instance, where it is a task with instances."""
    question = next(questions({"instruction": row.question, "instances": row.meta.get("instances")}), row.question)
    return row if question == row.question else replace(row, messages=(Message("user", question),))


def table(data: Dataset, matches: list[Match]) -> str:
    """The matches as JSON lines: place and benchmark, how they overlap, and both texts."""
    lines = [
        {
            "place": data[match.row].origin.place,
            "benchmark": match.benchmark,
            "source": match.source,
            "kind": match.kind,
            "share": round(match.share, 4),
            "evidence": match.evidence,
            "question": data[match.row].question,
        }
        for match in matches
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
