"""Every row of a lift that ever existed, under a number of its own, and the verdict of each stage on it.

`rows.parquet` holds the rows: those that were read, those that could not be, and all that were made, failures included.
`stages/NAME.parquet` holds a line for each row that a stage was given: kept or not, the reason, and what it measured.
A file is carried over as long as it was made from the same rows, which `stages.json` knows: where calls had failed, or
more rows are made, what comes after is made anew, and replies that are stored cost nothing.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift.selection import Column
from leaven.rows.outcomes import Drops, Outcome
from leaven.rows.shards import Places
from leaven.runs import folder as runs
from leaven.runs import journal
from leaven.runs.progress import Progress

LEDGER = "stages.json"
VERDICT = {"row": pl.Int64, "kept": pl.Boolean, "reason": pl.String, "detail": pl.String}


def stage(folder: Path, name: str, made_from: str, make: Callable[[], pl.DataFrame]) -> Places:
    """The numbers of the rows that a stage kept; it is carried out unless its file is there, made from the same."""
    path = folder / "stages" / f"{name}.parquet"
    if anew(path, folder, made_from, lambda partial: make().write_parquet(partial)):
        runs.log(folder, "stage", name=name, rows=len(kept(path)))
    return kept(path)


def anew(path: Path, folder: Path, made_from: str, make: Callable[[Path], object]) -> bool:
    """Write the file unless it is there, made from the same; True if it was written."""
    if current(path, folder, made_from):
        return False
    runs.write(path, make)
    settle(path, folder, made_from)
    return True


def current(path: Path, folder: Path, made_from: str) -> bool:
    """Whether the file is there, and made from this."""
    return path.is_file() and _ledger(folder).get(str(path.relative_to(folder))) == made_from


def settle(path: Path, folder: Path, made_from: str) -> None:
    """Write down what the file was made from."""
    runs.write_json(folder / LEDGER, {**_ledger(folder), str(path.relative_to(folder)): made_from})


def _ledger(folder: Path) -> dict[str, str]:
    path = folder / LEDGER
    keys: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return keys


def note(folder: Path, stage: str, notes: Sequence[str], progress: Progress) -> None:
    """Say what a stage noticed, to the user now and to the report later."""
    for text in notes:
        progress.say(text)
        runs.log(folder, "note", stage=stage, text=text)


def notes(folder: Path) -> list[dict[str, str]]:
    """What the stages noticed, each note once: a stage that was begun again notices the same again."""
    events = runs.events(folder, "note")
    lines = [dict(pair) for pair in dict.fromkeys((("stage", one["stage"]), ("text", one["text"])) for one in events)]
    return [*lines, *({"stage": "journal", "text": text} for text in journal.notes(folder / journal.NAME))]


def stage_of(column: str, names: Iterable[str]) -> str:
    """Of which stage a column of the audit is, or "": of the longest name, where one begins as another does.

    >>> stage_of("dedup_answers_jaccard", ["dedup", "dedup_answers"])
    'dedup_answers'
    """
    return max((name for name in names if column == name or column.startswith(f"{name}_")), key=len, default="")


def kept(path: Path) -> Places:
    """The numbers of the rows that the stage of this file kept."""
    return pl.read_parquet(path, columns=["row", "kept"]).filter("kept")["row"].to_numpy()


def verdicts(
    numbers: Sequence[int] | Places,
    reasons: Mapping[int, str],
    details: Mapping[int, str] | None = None,
    scores: Mapping[str, Column] | None = None,
) -> pl.DataFrame:
    """The table of a stage: rows with a reason are dropped."""
    rows = pl.Series("row", numbers, dtype=pl.Int64)
    verdict = {"reason": reasons, "detail": details or {}}
    columns = [_sparse(rows, name, texts) for name, texts in verdict.items()]
    return _verdicts(rows, columns[0].is_null(), [column.fill_null("") for column in columns], scores or {})


def of_outcome(name: str, numbers: Places, outcome: Outcome, said: Mapping[int, str]) -> pl.DataFrame:
    """The table of a selector's outcome on the rows with these numbers; `said` is the detail of those that stay."""
    stay = np.zeros(len(numbers), bool)
    stay[list(outcome.positions)] = True
    if stay.sum() != len(outcome.kept) or stay.sum() + len(outcome.dropped) != len(numbers):
        raise UserError(
            f"the selector {name} lost rows: {len(numbers):,} came in, {len(outcome.kept):,} were kept at "
            f"{stay.sum():,} positions, {len(outcome.dropped):,} dropped",
            "Return leaven.lift.selection.outcome(data, kept, made_by, reason).",
        )
    drops, gone = Drops.of(outcome.dropped).verdicts, np.flatnonzero(~stay)
    places = pl.Series(np.arange(len(numbers)))
    columns = [
        pl.repeat("", len(numbers), dtype=pl.String, eager=True).alias("reason").scatter(gone, drops["reason"]),
        _sparse(places, "detail", said).fill_null("").scatter(gone, drops["detail"]),
    ]
    return _verdicts(pl.Series("row", numbers), pl.Series(stay), columns, outcome.scores)


def _sparse(rows: pl.Series, name: str, texts: Mapping[int, str]) -> pl.Series:
    """The text of each row, null where it has none."""
    column = rows.replace_strict(dict(texts), default=None, return_dtype=pl.String) if texts else (
        pl.repeat(None, len(rows), dtype=pl.String, eager=True)
    )  # fmt: skip
    return column.alias(name)


def _verdicts(
    rows: pl.Series, stay: pl.Series, verdict: Sequence[pl.Series], scores: Mapping[str, Column]
) -> pl.DataFrame:
    frame = pl.DataFrame([rows, stay.alias("kept"), *verdict], schema_overrides=VERDICT)
    columns = [pl.Series(name, column, dtype=pl.Float64) for name, column in scores.items()]
    return frame.with_columns(columns).with_columns(pl.col(pl.Float64).fill_nan(None))
