"""A user's own copies of benchmarks: which file holds which, and its rows in the columns of the hub's data set.

lm-evaluation-harness's tasks, with their prompts and measures, read the hub's columns; so a copy that has them serves
any task of the harness. The layouts below are turned into them: MMLU as one object a question, BIG-Bench Hard with the
name of the task in each row, TruthfulQA's CSV, and the multiple-choice sets in the form of LLM-Adapters.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

from leaven.errors import UserError
from leaven.rows import files

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".json.gz")
LETTERS = "ABCD"


class Layout(NamedTuple):
    """How a benchmark is served: by which task of the harness, in which of its folders, from which columns.

    `convert` gives the task that a row belongs to (of a benchmark in several parts) and the row in the hub's columns.
    """

    task: str
    folder: str
    convert: Callable[[Row, str], tuple[str, Row]]


def find(name: str, data: Path) -> Path | None:
    """The file of a benchmark: `mmlu.jsonl`, `mmlu/test.jsonl`, `ARC-Easy.test.jsonl`; None where there is none.

    Of several the one with "test" in its name. Raises UserError where that leaves more than one.
    """
    paths = [path for pattern in ("*", "*/*") for path in sorted(data.glob(pattern)) if path.name.endswith(SUFFIXES)]
    letters = _letters(name)
    matches = [path for path in paths if letters in (_letters(path.name.split(".")[0]), _letters(path.parent.name))]
    matches = [path for path in matches if "test" in path.name.lower()] or matches
    if len(matches) > 1:
        raise UserError(
            f"{data} holds {name} more than once: {', '.join(str(path.relative_to(data)) for path in matches)}",
            f"Call the one you mean {name}{''.join(matches[0].suffixes)}, and move the others elsewhere.",
        )
    return matches[0] if matches else None


def rows(name: str, path: Path) -> dict[str, list[Row]]:
    """The rows of a copy in the hub's columns, by the task of the harness that asks them.

    Raises UserError for a row that can't be read or lacks a field, with its place.
    """
    layout = of(name)
    tasks: dict[str, list[Row]] = {}
    for record in files.raw(path)[1]:
        if record.row is None:
            raise UserError(f"{record.place}: {record.fault} {record.detail}".strip(), "Mend the row, or remove it.")
        try:
            task, row = layout.convert(record.row, layout.task)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{record.place} is no row of {name}: {_missing(error)}",
                f"Its fields are {', '.join(record.row)}. A copy in the columns of the hub's data set will do.",
            ) from None
        tasks.setdefault(task, []).append(row)
    if not tasks:
        raise UserError(f"{path} holds no rows", "")
    return tasks


def of(name: str) -> Layout:
    """How a benchmark is served; one without a layout of its own is a task of the harness in the hub's columns."""
    return LAYOUTS.get(name, Layout(name, "", as_on_the_hub))


def as_on_the_hub(row: Row, task: str) -> tuple[str, Row]:
    """A row that has the hub's columns already."""
    return task, row


def mmlu(row: Row, task: str) -> tuple[str, Row]:
    """`question`, `A` to `D`, `answer` a letter or a number from 0; each `subject` is a task of the harness."""
    choices = row["choices"] if "choices" in row else [str(row[letter]) for letter in LETTERS]
    answer = str(row["answer"]).strip().upper()  # of a CSV numbers are texts
    places = [*ascii_uppercase[: len(choices)], *map(str, range(len(choices)))]
    if answer not in places:
        raise ValueError(f"its answer {row['answer']!r} is none of the choices")
    place = places.index(answer) % len(choices)
    return f"mmlu_{row['subject']}", {"question": row["question"], "choices": choices, "answer": place}


def bbh(row: Row, task: str) -> tuple[str, Row]:
    """`task`, `input`, `target`: a task of the harness for each."""
    return f"bbh_cot_zeroshot_{row['task']}", {"input": row["input"], "target": row["target"]}


def truthfulqa(row: Row, task: str) -> tuple[str, Row]:
    """The hub's columns, or the paper's CSV, of which MC1 is the best answer against the incorrect ones."""
    if "mc1_targets" in row:
        return task, row
    best, incorrect = _sentences(row["Best Answer"])[:1], _sentences(row["Incorrect Answers"])
    choices = [*best, *(text for text in incorrect if text not in best)]
    targets = {"choices": choices, "labels": [1] + [0] * (len(choices) - 1)}
    return task, {"question": row["Question"], "mc1_targets": targets}


def arc(row: Row, task: str) -> tuple[str, Row]:
    """The hub's columns, or the form of LLM-Adapters."""
    if "choices" in row:
        return task, row
    question, choices, place = _options(row, "Answer")
    letters = [chr(ord("A") + number) for number in range(len(choices))]
    stem = "question_stem" if task == "openbookqa" else "question"
    return task, {stem: question, "choices": {"text": choices, "label": letters}, "answerKey": letters[place]}


def piqa(row: Row, task: str) -> tuple[str, Row]:
    """The hub's columns, or the form of LLM-Adapters."""
    if "sol1" in row:
        return task, row
    question, (first, second), place = _options(row, "Solution")
    return task, {"goal": question, "sol1": first, "sol2": second, "label": place}


LAYOUTS: Mapping[str, Layout] = {
    "arc_challenge": Layout("arc_challenge", "arc", arc),
    "arc_easy": Layout("arc_easy", "arc", arc),
    "bbh": Layout("bbh_cot_zeroshot", "bbh/cot_zeroshot", bbh),
    "gsm8k": Layout("gsm8k", "gsm8k", as_on_the_hub),
    "ifeval": Layout("ifeval", "ifeval", as_on_the_hub),
    "mmlu": Layout("mmlu", "mmlu/default", mmlu),
    "openbookqa": Layout("openbookqa", "openbookqa", arc),
    "piqa": Layout("piqa", "piqa", piqa),
    "truthfulqa": Layout("truthfulqa_mc1", "truthfulqa", truthfulqa),
}
"""Name of a benchmark → how it is served; any other name is a task of the harness."""


def _options(row: Row, word: str) -> tuple[str, list[str], int]:
    """Question, choices and the place of the right one, of "… question: Q Answer1: … Answer2: … Answer format: …"."""
    text = row["instruction"].partition(": ")[2].rpartition("Answer format:")[0]
    question, *choices = re.split(rf"\s*{word}\d+:\s*", text.strip())
    number = re.fullmatch(rf"{word.lower()}(\d+)", row["answer"].strip().lower())
    if not question or number is None or not 0 < int(number[1]) <= len(choices):
        raise ValueError("its choices can't be told from each other")
    return question, [choice.strip() for choice in choices], int(number[1]) - 1


def _sentences(cell: str) -> list[str]:
    """The answers of a cell, which semicolons part, each with its full stop."""
    texts = [text.strip() for text in cell.split(";")]
    return [text if text.endswith(".") else f"{text}." for text in texts if text]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _missing(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
