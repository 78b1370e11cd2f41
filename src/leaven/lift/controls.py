"""What every selection has to beat: as many of the rows that it was given, drawn at random, and drawn to be as long.

Controls are measured by what is there: a mark that a stage would have to pay for is not asked for their sake.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven.lift.selectors.length_matched import matched
from leaven.lift.settings import Settings
from leaven.lift.stages import stage_of
from leaven.rows.shards import Places
from leaven.runs import folder as runs

FILE = "controls.parquet"
BINS = 20
RANDOM, MATCHED, LONGEST = "random", "length matched", "longest"
WHOLE = 0.5
"""A measure that fewer of a stage's rows have, as a second round of marks, is none of the stage's rows."""
Lengths = npt.NDArray[np.float64]


def sets(settings: Settings, lengths: Lengths, candidates: Places, kept: Places, folder: Path) -> dict[str, Places]:
    """The sets of the report by their names, each with the numbers of its rows; those drawn go into a file, too.

    `lengths` are the characters of every row's answer, `candidates` the rows that there were to select from, `kept`
    those that are left in the end.
    """
    groups, draws = {"before selection": candidates}, dict[str, Places]()
    for name, entered, left in stages(settings, folder):
        control = {f"{which} at {name}": rows for which, rows in draw(lengths, entered, left, settings.seed)}
        draws |= control
        groups |= ({} if np.array_equal(left, kept) else {f"after {name}": left}) | control
    final = dict(draw(lengths, candidates, kept, settings.seed))
    final[LONGEST] = np.sort(candidates[np.argsort(-lengths[candidates], kind="stable")[: len(kept)]])
    frames = [pl.DataFrame({"set": [name] * len(rows), "row": rows}) for name, rows in (draws | final).items()]
    runs.write(folder / FILE, pl.concat(frames).write_parquet)
    return groups | {"kept": kept} | final


def stages(settings: Settings, folder: Path) -> Iterator[tuple[str, Places, Places]]:
    """The name of each selector that kept some rows and not all, those that it was given, and those that it kept."""
    for stage in settings.plan:
        if not stage.makes:
            table = pl.read_parquet(folder / "stages" / f"{stage.name}.parquet", columns=["row", "kept"])
            if table["kept"].any() and not table["kept"].all():
                yield stage.name, table["row"].to_numpy(), table.filter("kept")["row"].to_numpy()


def draw(lengths: Lengths, candidates: Places, kept: Places, seed: int) -> Iterator[tuple[str, Places]]:
    """As many of the given rows as are kept: at random, and with answers as long as theirs."""
    rng = np.random.default_rng(seed)
    yield RANDOM, np.sort(candidates[rng.permutation(len(candidates))[: len(kept)]])
    yield MATCHED, candidates[matched(lengths[candidates], lengths[kept], BINS, seed)] if len(kept) else kept


def marks(settings: Settings, audit: pl.LazyFrame, sets: dict[str, Places], folder: Path) -> Iterator[dict[str, Any]]:
    """What each stage measured, in the mean of the rows that it kept, and of its controls.

    A stage measures all rows that it is given, so that this costs nothing.
    """
    names = [stage.name for stage in settings.plan]
    for name, entered, left in stages(settings, folder):
        for column, kind in audit.collect_schema().items():
            if kind != pl.Float64 or stage_of(column, names) != name:
                continue
            values = audit.select(column).collect().to_series()  # rows are in the order of their numbers
            if values[entered].count() >= WHOLE * len(entered):
                sides = {"kept": left, RANDOM: sets[f"{RANDOM} at {name}"], MATCHED: sets[f"{MATCHED} at {name}"]}
                means = {side: values[rows].mean() for side, rows in sides.items()}
                yield {"stage": name, "measure": column, **means}
