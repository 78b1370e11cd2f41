"""Every row of a lift that ever existed, under a number of its own, and the verdict of each stage on it.

`rows.parquet` holds the rows: those that were read, those that could not be, and all that were made, failures included.
`stages/NAME.parquet` holds a line for each row that a stage was given: kept or not, the reason, and what it measured.
A file is carried over as long as it was made from the same rows, which `stages.json` knows: where calls had failed, or
more rows are made, what comes after is made anew, and replies that are stored cost nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from leaven.errors import UserError
from leaven.rows.outcomes import Outcome
from leaven.runs import folder as runs
from leaven.runs import journal
from leaven.runs.progress import Progress

LEDGER = "stages.json"
VERDICT = {"row": pl.Int64, "kept": pl.Boolean, "reason": pl.String, "detail": pl.String}


def stage(folder: Path, name: str, made_from: str, make: Callable[[], pl.DataFrame]) -> list[int]:
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


def kept(path: Path) -> list[int]:
    """The numbers of the rows that the stage of this file kept."""
    numbers: list[int] = pl.read_parquet(path, columns=["row", "kept"]).filter("kept")["row"].to_list()
    return numbers


def verdicts(
    numbers: Sequence[int],
    reasons: Mapping[int, str],
    details: Mapping[int, str] | None = None,
    scores: Mapping[str, Sequence[float]] | None = None,
) -> pl.DataFrame:
    """The table of a stage: rows with a reason are dropped."""
    lines = [
        (number, number not in reasons, reasons.get(number, ""), (details or {}).get(number, "")) for number in numbers
    ]
    frame = pl.DataFrame(lines, schema=VERDICT, orient="row")
    columns = [pl.Series(name, column, dtype=pl.Float64) for name, column in (scores or {}).items()]
    return frame.with_columns(columns).with_columns(pl.col(pl.Float64).fill_nan(None))


def of_outcome(name: str, numbers: Sequence[int], outcome: Outcome, said: Mapping[int, str]) -> pl.DataFrame:
    """The table of a selector's outcome on the rows with these numbers; `said` is the detail of those that stay."""
    stay = set(outcome.positions)
    if len(stay) != len(outcome.kept) or len(stay) + len(outcome.dropped) != len(numbers):
        raise UserError(
            f"the selector {name} lost rows: {len(numbers):,} came in, {len(outcome.kept):,} were kept at "
            f"{len(stay):,} positions, {len(outcome.dropped):,} dropped",
            "Return leaven.lift.selection.outcome(data, kept, made_by, reason).",
        )
    gone = [number for place, number in enumerate(numbers) if place not in stay]
    drops = dict(zip(gone, outcome.dropped, strict=True))
    reasons = {number: drop.reason for number, drop in drops.items()}
    details = {numbers[place]: text for place, text in said.items()}
    details |= {number: drop.detail for number, drop in drops.items()}
    return verdicts(numbers, reasons, details, outcome.scores)
