"""The same seeds on two machines: whether the verdicts are the same, and how far a seed's score is from its other one.

    leaven reproduce primary --seeds 12 --first-seed 100 --out runs/again
    python benchmarks/machines.py docs/runs runs/again

Puts a reproduction beside score tables that another machine left; cells that both have are compared. A second run on
one machine has the same scores. Another machine adds a product's numbers up in another order, and a training that
begins with the last digit of a loss may end with other answers. Three tables: values that differ, by measure; the
claims of a family; and what these are about, by method, beside how far seeds lie from each other on one machine.
"""

import argparse
from pathlib import Path

import polars as pl

from leaven.study import families, reproduce, score_tables

CELL = ("method", "size", "seed", "metric")
ITEM = (*CELL, "item", "phrasing")
VALUE, THERE = pl.col("value"), pl.col("value_there")


def values(here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Of each measure the items, the share of them that have another value there, and the largest distance."""
    both = here.join(there, on=ITEM, suffix="_there", nulls_equal=True)
    gap = (VALUE - THERE).abs()
    columns = {"items": pl.len(), "differ": (gap > 0).mean(), "largest": gap.max()}
    return both.group_by("metric").agg(**columns).sort("metric")


def verdicts(study: str, scale: str, family: str, here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The claims of a family, each with its difference and its verdict on both machines."""
    rows = []
    pairs = (families.judgements(study, scores, scale) for scores in (here, there))
    for one, other in zip(*pairs, strict=True):
        if one.claim.family == family:
            figures = [figure for each in (one, other) for figure in (each.difference.shown.mean, each.verdict)]
            rows.append((one.claim.text, one.difference.n_seeds, *figures))
    return pl.DataFrame(rows, ["claim", "seeds", "here", "verdict", "there", "verdict there"], orient="row")


def seeds(study: str, scale: str, family: str, here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """By measure and method of these claims: the means, how far a seed is from itself, and seeds from each other."""
    specs = [claim.spec for claim in families.claims(study, scale) if claim.family == family]
    sides = pl.DataFrame(
        sorted({(spec["metric"], spec[side]) for spec in specs for side in ("a", "b")}),
        ["metric", "method"],
        orient="row",
    )
    one, other = (scores.group_by(CELL).agg(VALUE.mean()) for scores in (here, there))
    both = one.join(other, on=CELL, suffix="_there").join(sides, on=["metric", "method"])
    gap = (VALUE - THERE).abs()
    columns = {"seeds": pl.len(), "mean": VALUE.mean(), "there": THERE.mean(), "largest": gap.max(), "sd": VALUE.std()}
    return both.group_by("metric", "method").agg(**columns).sort("metric", "method")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="the folder of score tables")
    parser.add_argument("run", type=Path, help="the folder of a reproduction of the same seeds")
    parser.add_argument("--scale", default="lab")
    parser.add_argument("--study", default="format")
    parser.add_argument("--family", default="primary")
    given = parser.parse_args()
    tables = score_tables.read(given.scale, given.study, given.tables), reproduce.finished(given.run / given.study)
    there, here = (table.filter(VALUE.is_not_nan()) for table in tables)
    there, here = there.join(here, on=CELL, how="semi"), here.join(there, on=CELL, how="semi")
    about = (given.study, given.scale, given.family, here, there)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=120, tbl_width_chars=220):
        for table in (values(here, there), verdicts(*about), seeds(*about)):
            print(table)


if __name__ == "__main__":
    main()
