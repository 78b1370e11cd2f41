"""What models say as they learn: fixed prompts down, the points of a training across, before and after beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from leaven.delia.watch import FILE
from leaven.runs import folder as runs
from leaven.study.headline import MAIN, UNTOUCHED
from leaven.task.format import Format
from leaven.view import marking


def cells(folder: Path) -> list[str]:
    """The cells that were looked at in their training, those of DELIA first."""
    names = sorted(path.parent.name for path in folder.glob(f"cells/*/{FILE}"))
    return sorted(names, key=lambda name: not name.startswith(f"{MAIN}-n"))


def grid(folder: Path, cell: str, form: Format | None) -> dict[str, Any]:
    """A cell's prompts with what was answered at each of the `points`; an answer that is not there yet is null."""
    looks = _looks(folder / "cells" / cell / FILE)
    untouched = UNTOUCHED + cell[cell.rindex("-n") :]  # the same rows and seed
    before, after = (_answers(folder / "cells" / name) for name in (untouched, cell))
    columns: list[tuple[str, Mapping[tuple[str, str], str]]] = [("before", before)] if before else []
    for look in looks:
        answers = {(one["test"], one["item"]): one["answer"] for one in look["answers"]}
        columns.append((f"{'second stage, ' * (look['stage'] > 1)}step {look['step']} of {look['steps']}", answers))
    columns.append(("at the end", after))
    questions = looks[0]["answers"] if looks else []
    lines = [
        {
            "test": one["test"].replace("_", " "),
            "prompt": marking.cut(one["prompt"]),
            "answers": [_text(answers.get((one["test"], one["item"])), form) for _, answers in columns],
        }
        for one in questions
    ]
    return {"cell": cell, "points": [name for name, _ in columns], "lines": lines}


def _looks(path: Path) -> Sequence[dict[str, Any]]:
    """The points of a training in their order; of one that was written twice the last holds."""
    return list({(look["stage"], look["step"]): look for look in runs.lines(path)}.values())


def _answers(place: Path) -> dict[tuple[str, str], str]:
    """(test, item) → the answer of a cell that is done."""
    if not runs.closed(place):
        return {}
    frame = pl.read_parquet(place / "answers.parquet", columns=["test", "item", "answer"])
    return {(test, item): answer for test, item, answer in frame.iter_rows()}


def _text(text: str | None, form: Format | None) -> dict[str, Any] | None:
    if text is None:
        return None
    answer = marking.cut(text)
    return {**answer, "spans": list(form.spans(answer["text"])) if form else []}
