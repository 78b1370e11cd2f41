"""Answers that people or strong models have marked and published, read from a folder of the user's own copies.

- `prometheus`: GPT-4's marks of 1 to 5 for answers to Vicuna's and MT-Bench's questions (three draws, their mean).
- `pandalm`: three annotators say which of two answers is better; pairs on which most agree, and none of them a tie.
- `llmbar natural`, `llmbar adversarial`: which of two answers obeys the instruction; the worse adversarial ones look
  better.
- `alpagasus`: the Alpaca rows to which Claude gave 4.5 of 5 or more, among as many others.

Files are known by their published names, wherever in the folder they lie, gzipped or not.
"""

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.errors import UserError
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair

Measure = Literal["Spearman", "AUC", "agreement"]
Line = dict[str, Any]
Entry = TypeVar("Entry")
PATTERNS = {
    "prometheus": ("vicuna_eval.json*", "mt_bench_eval.json*"),
    "pandalm": ("testset-v1.json*",),
    "llmbar natural": ("LLMBar_Natural.json*", "LLMBar/Natural/dataset.json*"),
    "llmbar adversarial": ("LLMBar_Adversarial_*.json*", "LLMBar/Adversarial/*/dataset.json*"),
    "alpagasus": ("claude_t45*.json*",),
}
"""The files of each set."""
ALPACA = ("alpaca_data*.json*",)
"""All rows that Claude marked for AlpaGasus, without which its choice says nothing."""
_PROMETHEUS = re.compile(r"###(The instruction to evaluate|Response to evaluate)\s*:\s*(.*?)(?=\n###|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Published:
    """A set of marked answers.

    `labels` are what was published: a mark for each row (Spearman), 1 for a row that was chosen and 0 for another
    (AUC); or for each pair of rows, which follow one another, 1 where the first is better and −1 where the second is.
    """

    name: str
    measure: Measure
    rows: Dataset
    labels: npt.NDArray[np.float64]


def read(folder: Path, count: int, seed: int) -> list[Published]:
    """The sets whose files are there, of each `count` rows or pairs drawn at random (0: all).

    Raises UserError for a folder with none of them, and for a file that is not what its name says.
    """
    sets = [
        make(name, places, folder, count, random.Random(f"{name}/{seed}"))
        for name, make in _READERS.items()
        if (places := _places(folder, PATTERNS[name]))
    ]
    if not sets:
        layouts = "; ".join(f"{name}: {', '.join(patterns)}" for name, patterns in PATTERNS.items())
        raise UserError(f"{folder} holds no published marks", f"These files are looked for, at any depth: {layouts}.")
    return sets


def missing(folder: Path) -> list[str]:
    """The sets of which no file is there."""
    return [name for name, patterns in PATTERNS.items() if not _places(folder, patterns)]


def _places(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.rglob(pattern)})


def _prometheus(line: Line) -> tuple[str, str, float]:
    parts = dict(_PROMETHEUS.findall(line["instruction"]))
    question, answer = (parts[part].strip() for part in ("The instruction to evaluate", "Response to evaluate"))
    return question, answer, fmean(int(score) for score in re.findall(r"\d", str(line["gpt4_score"])))


def _absolute(name: str, places: Sequence[Path], folder: Path, count: int, rng: random.Random) -> Published:
    rows, labels = list[Example](), list[float]()
    for origin, (question, answer, mark) in _drawn(places, count, rng, _prometheus):
        rows.append(pair(question, answer, origin))
        labels.append(mark)
    return Published(name, "Spearman", Dataset.of(rows), np.asarray(labels))


def _pandalm(line: Line) -> tuple[str, str, str, int] | None:
    votes = Counter(int(line[f"annotator{number}"]) for number in (1, 2, 3))
    better, times = votes.most_common(1)[0]
    question = "\n\n".join(filter(None, (line["instruction"], line["input"])))
    return (question, line["response1"], line["response2"], better) if times > 1 and 0 not in votes else None


def _llmbar(line: Line) -> tuple[str, str, str, int]:
    return line["input"], line["output_1"], line["output_2"], int(line["label"])


def _pairs(entry: Callable[[Line], tuple[str, str, str, int] | None]) -> "Reader":
    def make(name: str, places: Sequence[Path], folder: Path, count: int, rng: random.Random) -> Published:
        rows, labels = list[Example](), list[float]()
        for origin, (question, first, second, better) in _drawn(places, count, rng, entry):
            # Some answers of LLMBar are numbers and booleans.
            rows += [pair(question, str(answer), origin) for answer in (first, second)]
            labels.append(1.0 if better == 1 else -1.0)
        return Published(name, "agreement", Dataset.of(rows), np.asarray(labels))

    return make


def _alpagasus(name: str, places: Sequence[Path], folder: Path, count: int, rng: random.Random) -> Published:
    if not (alpaca := _places(folder, ALPACA)):
        raise UserError(
            f"{places[0].name} is a choice of Alpaca's rows, and those are not in {folder}",
            "Put alpaca_data.json beside it, or take the file away.",
        )
    choice = {row.messages for path in places for row in files.read(path).kept}
    whole = [row for path in alpaca for row in files.read(path).kept if row.answer]
    rng.shuffle(whole)
    kinds = [[row for row in whole if (row.messages in choice) is kind] for kind in (True, False)]
    size = min(len(kinds[0]), len(kinds[1]), (count + 1) // 2 if count else len(whole))
    rows = [row for rows in kinds for row in rows[:size]]
    return Published(name, "AUC", Dataset.of(rows), np.repeat([1.0, 0.0], size))


Reader = Callable[[str, Sequence[Path], Path, int, random.Random], Published]
_READERS: dict[str, Reader] = {
    "prometheus": _absolute,
    "pandalm": _pairs(_pandalm),
    "llmbar natural": _pairs(_llmbar),
    "llmbar adversarial": _pairs(_llmbar),
    "alpagasus": _alpagasus,
}


def _drawn(
    places: Sequence[Path], count: int, rng: random.Random, entry: Callable[[Line], Entry | None]
) -> Iterator[tuple[Origin, Entry]]:
    """Where an entry stands, file and number (from 1), and what `entry` makes of it; None: it is not for us.

    Raises UserError at an entry that lacks a field.
    """
    lines = [(path, number, line) for path in places for number, line in enumerate(_json(path), 1)]
    rng.shuffle(lines)
    rows = 0
    for path, number, line in lines:
        try:
            value = entry(line)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}, entry {number} is not as published: {type(error).__name__} {error}",
                "Take the file as its authors published it.",
            ) from error
        if value is not None and (not count or rows < count):
            yield Origin("read", f"{path.name}:{number}"), value
            rows += 1


def _json(path: Path) -> list[Line]:
    try:
        content = path.read_bytes()
        value = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}", "Take the file as its authors published it.") from error
    if not isinstance(value, list):
        raise UserError(f"{path} holds no list of entries", "Take the file as its authors published it.")
    return value
