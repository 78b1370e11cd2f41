"""An immutable table of examples: rows live in Polars or in Parquet, and come out as `Example`s."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven.errors import UserError
from leaven.rows import shards
from leaven.rows.example import Example, Message, Origin
from leaven.rows.shards import Shards
from leaven.runs.folder import write

FIELDS: dict[str, pl.DataType | type[pl.DataType]] = {
    "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String, "fields": pl.String})),
    "origin": pl.Struct(
        {
            "step": pl.String,
            "place": pl.String,
            "parents": pl.List(pl.String),
            "model": pl.String,
            "prompt": pl.String,
            "seed": pl.Int64,
            "text": pl.String,
        }
    ),
    "meta": pl.String,
}
SCHEMA = pl.Schema(FIELDS)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Examples in a fixed order, and the steps that made them (`made_by`), newest last.

    The table is in memory, or lies in Parquet and is read as far as something of it is asked for.
    """

    table: pl.DataFrame | Shards
    made_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, examples: Iterable[Example], made_by: tuple[str, ...] = ()) -> "Dataset":
        """A dataset of these examples, in their order."""
        return cls(pl.DataFrame([_to_row(example) for example in examples], schema=SCHEMA), made_by)

    @property
    def frame(self) -> pl.DataFrame:
        """The whole table in memory."""
        return self.table if isinstance(self.table, pl.DataFrame) else self.table.frame(SCHEMA.names())

    def batches(self, columns: Sequence[str] = tuple(FIELDS)) -> Iterator[pl.DataFrame]:
        """The table, or these columns of it, in frames of a few thousand rows."""
        if isinstance(self.table, Shards):
            return self.table.batches(columns)
        return self.table.select(columns).iter_slices(shards.BATCH)

    def __len__(self) -> int:
        return self.table.height

    def __iter__(self) -> Iterator[Example]:
        return (_from_row(row) for frame in self.batches() for row in frame.iter_rows(named=True))

    def __getitem__(self, index: int) -> Example:
        if isinstance(self.table, pl.DataFrame):
            return _from_row(self.table.row(index, named=True))
        return _from_row(self.rows([range(len(self))[index]]).frame.row(0, named=True))

    def __add__(self, other: "Dataset") -> "Dataset":
        made_by = (*self.made_by, *other.made_by)
        if not len(other):
            return Dataset(self.table, made_by)
        return Dataset(pl.concat([self.frame, other.frame]), made_by)

    def rows(self, indices: Sequence[int] | npt.NDArray[np.int64], why: str = "rows") -> "Dataset":
        """The rows at these positions, in this order."""
        wanted, made_by = np.asarray(indices, np.int64), (*self.made_by, why)
        if isinstance(self.table, pl.DataFrame):
            return Dataset(self.table[wanted] if len(wanted) else self.table.clear(), made_by)
        if (np.diff(wanted) > 0).all():
            return Dataset(self.table.rows(wanted), made_by)
        places, back = np.unique(wanted, return_inverse=True)
        return Dataset(self.table.rows(places).frame(SCHEMA.names())[back], made_by)

    def take(self, n: int, seed: int) -> "Dataset":
        """`n` rows at random. Draws are nested: with one seed, the smaller draw opens the larger one.

        Raises UserError when fewer than `n` rows are there.
        """
        if not 0 <= n <= len(self):
            raise UserError(
                f"{n:,} rows are asked for, but only {len(self):,} are there",
                f"Ask for at most {len(self):,}, or bring more rows.",
            )
        return self.rows(self.permutation(seed)[:n], f"take({n}, seed={seed})")

    def shuffle(self, seed: int) -> "Dataset":
        """All rows in a random order."""
        return self.rows(self.permutation(seed), f"shuffle(seed={seed})")

    def split(self, n: int, seed: int) -> tuple["Dataset", "Dataset"]:
        """`take(n, seed)` and the rows that it leaves, which keep the order of the draw."""
        draw = self.take(n, seed)
        return draw, self.rows(self.permutation(seed)[n:], f"split({n}, seed={seed})")

    def permutation(self, seed: int) -> list[int]:
        """The random order of the rows that `take`, `shuffle` and `split` share."""
        order = list(range(len(self)))
        random.Random(seed).shuffle(order)
        return order

    def save(self, path: Path) -> None:
        """Write the table as Parquet, whole or not at all."""
        if isinstance(self.table, Shards):
            shards.write(path, self.batches, SCHEMA)
        else:
            write(path, self.table.write_parquet)

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Read back what `save` wrote."""
        return cls(pl.read_parquet(path).cast(SCHEMA), (str(path),))

    @classmethod
    def open(cls, path: Path) -> "Dataset":
        """What `save` wrote, left where it lies: batches of it are read when they are asked for."""
        return cls(Shards.of(path), (str(path),))


def _to_row(example: Example) -> dict[str, Any]:
    origin = example.origin
    return {
        "messages": [{"role": m.role, "content": m.content, "fields": m.fields or None} for m in example.messages],
        "origin": {
            "step": origin.step,
            "place": origin.place,
            "parents": list(origin.parents),
            "model": origin.model,
            "prompt": origin.prompt,
            "seed": origin.seed,
            "text": origin.text,
        },
        "meta": json.dumps(dict(example.meta), ensure_ascii=False, default=str),
    }


def _from_row(row: dict[str, Any]) -> Example:
    origin = {**row["origin"], "parents": tuple(row["origin"]["parents"] or ())}
    return Example(messages(row["messages"]), Origin(**origin), json.loads(row["meta"]))


def messages(turns: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The turns of a row, as the column `messages` holds them."""
    return tuple(Message(turn["role"], turn["content"], turn["fields"] or "") for turn in turns)
