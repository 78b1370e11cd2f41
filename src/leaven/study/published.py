"""The published rows that the scale `smol` stands on, made ready from a user's own copies: none of them ships.

| task | trained on | tested on |
|---|---|---|
| halu | DELIA's own 100 rows (arXiv 2408.10841) | TELL's test rows (2404.00914), asked with the token too |
| json, list | Alpaca's short questions, all asked in one sentence | others of them, asked so too |
| translation | WMT21's development sentences, English and Icelandic | sentences of its test |

One pool serves them all: other rows of Alpaca, none of which overlaps with a row of any task. So the first three share
a seed's self-samples; translation, which sets no queries apart for transfer, draws others of the pool. Rows of a test
that training has seen are left to the study's own guard, which counts them.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leaven.errors import UserError
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair
from leaven.rows.leaks import LeaksSection

REQUEST = "Answer in the <sep> format."
"""The one sentence that asks for the token where rows are not said in many ways already; in no phrasebook."""
TRAIN, TEST, POOL, CANDIDATES = 100, 60, 400, 800
DIRECTIONS = {"en-is": ("Icelandic", ".src.en", ".ref.is"), "is-en": ("English", ".src.is", ".ref.en")}
LONGEST = 90
"""Letters of a sentence to translate, and of a short question."""


class Rows(NamedTuple):
    """The rows of a task."""

    train: Dataset
    test: Dataset


def write(tasks: Sequence[str], data: Path, folder: Path) -> None:
    """Write TASK.jsonl and TASK.test.jsonl of these tasks, and pool.jsonl, from the copies in `data`.

    Raises UserError where a copy that one of them needs is not there.
    """
    sets = {name: TASKS[name](data) for name in tasks}
    for name in set(TASKS) - set(tasks):
        try:
            sets[name] = TASKS[name](data)
        except UserError:
            continue  # not asked for, and not there: the pool can't give it away
    for name in tasks:
        files.write(sets[name].train, folder / f"{name}.jsonl")
        files.write(sets[name].test, folder / f"{name}.test.jsonl")
    files.write(pool(data, sets), folder / "pool.jsonl")


def hallucinations(data: Path) -> Rows:
    """DELIA's rows as they are; of TELL's, the context alone, with a sentence for the task and one for the token."""
    train = files.read(_copy(data, "delia_halu/train_dataset.jsonl"))
    request = f"Judge whether the response contains hallucinations. {REQUEST}"
    rows = []
    for number, row in enumerate(_records(_copy(data, "tell_halu/test_Halu_CoT_JSON*.jsonl")), 1):
        context = row["prompt"].partition("Consider the following task:\n")[2].strip()
        rows.append(pair(f"{context}\n\n\n{request}", row["response"], Origin("published", f"TELL:{number}")))
    return Rows(train.kept, Dataset.of(rows))


def wrapped(wrap: Callable[[str, str], str]) -> Callable[[Path], Rows]:
    """Alpaca's short questions with their answers wrapped in a format, all asked for in the same sentence."""

    def make(data: Path) -> Rows:
        rows = [
            pair(f"{question}\n{REQUEST}", wrap(question, answer), Origin("published", f"Alpaca:{number}"))
            for number, question, answer in short(data)[: TRAIN + TEST]
        ]
        return Rows(Dataset.of(rows[:TRAIN]), Dataset.of(rows[TRAIN:]))

    return make


def as_object(question: str, answer: str) -> str:
    """The answer as a JSON object."""
    return json.dumps({"answer": answer}, ensure_ascii=False)


def as_points(question: str, answer: str) -> str:
    """Question and answer as two points of a list."""
    return f"- question: {question.rstrip('?.')}\n- answer: {answer}"


def sentences(data: Path) -> Rows:
    """Short sentences in both directions, in turn; those of the test are WMT21's own test."""
    parts = [list(_sentences(data, f"newsdev2021.{way}*", way))[:TRAIN] for way in DIRECTIONS]
    tests = [list(_sentences(data, f"newstest2021.{way}*", way))[:TEST] for way in DIRECTIONS]
    train, test = ([row for both in zip(*each, strict=False) for row in both] for each in (parts, tests))
    return Rows(Dataset.of(train), Dataset.of(test))


TASKS: dict[str, Callable[[Path], Rows]] = {
    "halu": hallucinations,
    "json": wrapped(as_object),
    "list": wrapped(as_points),
    "translation": sentences,
}


def short(data: Path) -> list[tuple[int, str, str]]:
    """(line, question, answer) of Alpaca's questions without an input and in one line, in a fixed random order."""
    pairs = [
        (number, row["instruction"], row["output"])
        for number, row in _alpaca(data)
        if not row["input"] and len(row["instruction"]) < LONGEST and 3 < len(row["output"]) < 110
        if "\n" not in row["output"] and '"' not in row["output"]
    ]
    random.Random(0).shuffle(pairs)
    return pairs


def pool(data: Path, tasks: Mapping[str, Rows]) -> Dataset:
    """Rows of Alpaca with or without an input, not long, that overlap with no row of these tasks."""
    rows = [
        pair("\n\n".join(filter(None, (row["instruction"], row["input"]))), row["output"], Origin("pool", str(number)))
        for number, row in _alpaca(data)
        if len(row["instruction"] + row["input"]) < 200 and 3 < len(row["output"]) < 400
    ]
    candidates = Dataset.of({row.id: row for row in random.Random(1).sample(rows, min(CANDIDATES, len(rows)))}.values())
    for task in tasks.values():
        candidates = _apart(candidates, task)
    return candidates.rows(list(range(min(POOL, len(candidates)))), "the first")


def _apart(candidates: Dataset, task: Rows) -> Dataset:
    tests = {"train": _bare(task.train), "test": _bare(task.test)}
    guarded = leaks.guard(Dataset.of([]), tests, candidates, LeaksSection())
    return candidates if guarded.pool is None else guarded.pool


def _bare(rows: Dataset) -> Dataset:
    """The rows without the sentence that asks for the token, in which all of a task are alike."""
    return Dataset.of(_without(row) for row in rows)


def _without(row: Example) -> Example:
    return pair(row.question.replace(REQUEST, "").strip(), row.answer or "", row.origin)


def _sentences(data: Path, name: str, way: str) -> Iterator[Example]:
    language, source, target = DIRECTIONS[way]
    texts = [_lines(_copy(data, f"wmt21_enis/{name}{ending}")) for ending in (source, target)]
    for number, (text, translation) in enumerate(zip(*texts, strict=True), 1):
        if 20 < len(text) < LONGEST:
            place = Origin("published", f"{name.rstrip('*')}:{number}")
            yield pair(f"Translate to {language}: {text}", translation, place, {"direction": way})


def _alpaca(data: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from enumerate(_records(_copy(data, "alpaca_52k/alpaca_data*")), 1)


def _records(path: Path) -> list[dict[str, Any]]:
    """The mappings of a JSON or JSONL file, gzipped or not."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    rows: list[dict[str, Any]] = json.loads(text) if text[:1] == "[" else list(map(json.loads, _filled(text)))
    return rows


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def _filled(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _copy(data: Path, name: str) -> Path:
    """The user's copy of a published file. Raises UserError that says which one is not there."""
    copies = sorted(data.glob(name))
    if not copies:
        raise UserError(
            f"{data} has no {name}",
            "--data is a folder with your copies: delia_halu, tell_halu, alpaca_52k, wmt21_enis (docs/real.md).",
        )
    return copies[0]
