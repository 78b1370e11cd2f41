"""What a step made of rows, kept and dropped; in a file it is read back instead of being made again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import polars as pl

from leaven.rows.dataset import SCHEMA, Dataset
from leaven.rows.example import Drop
from leaven.runs import folder as runs

FAILED = "the model failed"
"""The reason of a row whose call failed: no verdict, but worth another try."""


VERDICT: dict[str, type[pl.DataType]] = {"reason": pl.String, "score": pl.Float64, "detail": pl.String}


@dataclass(frozen=True, slots=True, eq=False)
class Drops(Sequence[Drop]):
    """Rows that were dropped, and beside them their verdicts in columns; a `Drop` is made when one is looked at."""

    rows: Dataset
    verdicts: pl.DataFrame

    @classmethod
    def of(cls, dropped: Sequence[Drop]) -> "Drops":
        """These drops as columns."""
        if isinstance(dropped, cls):
            return dropped
        lines = [(drop.reason, drop.score, drop.detail) for drop in dropped]
        rows = Dataset.of(drop.example for drop in dropped)
        return cls(rows, pl.DataFrame(lines, schema=VERDICT, orient="row", strict=False))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Drop]:
        verdicts = self.verdicts.iter_rows()
        return (Drop(row, *verdict) for row, verdict in zip(self.rows, verdicts, strict=True))

    @overload
    def __getitem__(self, index: int) -> Drop: ...
    @overload
    def __getitem__(self, index: slice) -> "Drops": ...
    def __getitem__(self, index: int | slice) -> "Drop | Drops":
        if isinstance(index, slice):
            return Drops(self.rows.rows(list(range(len(self))[index])), self.verdicts[index])
        return Drop(self.rows[index], *self.verdicts.row(index))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a maker or selector returns: the rows it kept, and every row that it did not, with the reason.

    A selector also says at which positions of its input the kept rows stood, and what it measured of every row that
    came in: `scores` by name, in the order of the input, NaN where a row was not measured. `open` are the errors of
    calls that failed and were about none of the rows: a judge is tried with rows that are planted.
    """

    kept: Dataset
    dropped: Sequence[Drop] = ()
    notes: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line: how many rows were kept, and how many were dropped for which reason."""
        reasons = Drops.of(self.dropped).verdicts.group_by("reason", maintain_order=True).len()
        counts = reasons.sort("len", descending=True, maintain_order=True).rows()
        parts = [f"{count:,} dropped: {reason}" for reason, count in counts]
        return "; ".join([f"{len(self.kept):,} kept", *parts])


def stage(path: Path, make: Callable[[], Outcome], *, retry: bool = False) -> Outcome:
    """The outcome that the file holds, or what `make` makes, which the file then holds.

    With `retry`, an outcome with calls that failed is not written: they are worth another try when the run goes on.
    """
    if path.is_file():
        return read(path)
    outcome = make()
    if not (retry and failures(outcome)):
        write(outcome, path)
    return outcome


def write(outcome: Outcome, path: Path) -> None:
    """Write both kinds of row in one table, whole or not at all."""
    dropped = Drops.of(outcome.dropped)
    drops = dropped.rows.frame.with_columns(dropped.verdicts)
    runs.write(path, pl.concat([outcome.kept.frame, drops], how="diagonal").write_parquet)


def read(path: Path) -> Outcome:
    """What `write` wrote."""
    frame = pl.read_parquet(path)
    drops = frame.filter(pl.col("reason").is_not_null())
    dropped = Drops(Dataset(drops.select(SCHEMA.names())), drops.select(list(VERDICT)))
    dataset = Dataset(frame.filter(pl.col("reason").is_null()).select(SCHEMA.names()), (str(path),))
    return Outcome(dataset, dropped)


def failures(outcome: Outcome) -> list[Drop]:
    """The calls that failed."""
    return [drop for drop in outcome.dropped if drop.reason == FAILED]
