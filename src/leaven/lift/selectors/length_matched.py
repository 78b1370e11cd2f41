"""Keep rows at random, as long as those of another selection: tells whether that selection only chose by length."""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.selection import Context, Scores, outcome
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.texts import lengths
from leaven.section import Section

NEEDS = ("seed",)
EXAMPLE = "--like longest.jsonl"


class Config(Section):
    """What to match."""

    like: str = ""
    """The file of rows whose lengths are matched, for example what another selector kept."""
    bins: int = Field(20, ge=1)
    """Into how many bins of equally many rows the lengths are put."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """As many rows as the other file has, in each bin of length as many as there."""
    if not config.like:
        raise UserError("length_matched needs rows to match", "Say --like KEPT.jsonl, what another selector kept.")
    wanted = lengths(files.read(config.like).kept)
    if len(wanted) > len(data):
        raise UserError(f"{config.like} has {len(wanted):,} rows, but the data {len(data):,}", "Match a smaller file.")
    kept = matched(lengths(data), wanted, config.bins, context.seed)
    return outcome(data, kept, f"length_matched(seed={context.seed})", "not drawn")


def matched(
    pool: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], bins: int, seed: int
) -> list[int]:  # fmt: skip
    """Positions in the pool, as many as are wanted; a bin that the pool can't fill takes the nearest lengths left."""
    rng = np.random.default_rng(seed)
    edges = np.unique(np.quantile(wanted, np.linspace(0, 1, bins + 1)))
    # The last bin holds the longest, and nothing longer; where all are as long it is the only one.
    edges = np.append(edges[:-1] if len(edges) > 1 else edges, np.nextafter(edges[-1], np.inf))
    need = np.bincount(np.digitize(wanted, edges), minlength=len(edges) + 1)
    bin_of = np.digitize(pool, edges)
    left = np.ones(len(pool), bool)
    short: list[tuple[int, float]] = []
    for number, count in enumerate(need):
        draw = rng.permutation(np.flatnonzero(bin_of == number))[:count]
        left[draw] = False
        if len(draw) < count:
            short.append((int(count) - len(draw), float(np.median(wanted[np.digitize(wanted, edges) == number]))))
    for count, middle in short:
        candidates = rng.permutation(np.flatnonzero(left))
        left[candidates[np.argsort(np.abs(pool[candidates] - middle), kind="stable")[:count]]] = False
    return [int(row) for row in np.flatnonzero(~left)]
