"""The score tables of a reproduction, small enough for a repository: whoever has them can compute each figure anew.

A table holds what the tables, figures and claims of its scale read of a study, `SCALE-STUDY.parquet`; beside it stands
what the untouched model reaches on its tests, and what the guard left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from leaven.runs import folder as runs
from leaven.study import manipulation, reproduction
from leaven.study.run import SCHEMA

COLUMNS = {**SCHEMA, "phrasing": pl.String}


@dataclass(frozen=True, slots=True)
class About:
    """What a page says of a study beside its scores."""

    tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By test what `ceilings.verdicts` says of it."""
    leaks: tuple[str, ...] = ()
    """What the guard left out of the tests and the pool, a sentence for each that lost a row."""

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> "About":
        """That of a study by its summary."""
        leaks = (note for note in summary.get("notes", ()) if note.startswith("Leak check: "))
        return cls(summary.get("tests", {}), tuple(note for note in leaks if not note.startswith("Leak check: 0 ")))

    @property
    def untestable(self) -> dict[str, str]:
        """The tests and measures that can tell nothing of the model, with the reason."""
        measures = {
            metric: f"neither the words ({test['wording']!r}) nor any training reach half of it"
            for test in self.tests.values()
            for metric in test.get("out_of_reach", ())
        }
        return measures | {name: test["reason"] for name, test in self.tests.items() if not test["testable"]}

    def in_words(self, metrics: Sequence[str]) -> list[str]:
        """What the untouched model reaches with words in the token's place, a sentence for each test of these."""
        sentences = []
        for name in dict.fromkeys(metric.partition("/")[0] for metric in metrics):
            ceiling = self.tests.get(name, {}).get("ceiling", {})
            measures = [metric for metric in dict.fromkeys(metrics) if metric.removeprefix(f"{name}/") in ceiling]
            if measures:
                listing = ", ".join(f"{metric} {ceiling[metric.removeprefix(f'{name}/')]:.0%}" for metric in measures)
                wording = self.tests[name]["wording"]
                sentences.append(f"Said in words ({wording!r}), the untouched model reaches: {listing}.")
        return sentences


def write(scale: str, study: str, scores: pl.DataFrame, about: About, folder: Path) -> None:
    """Write a study's table into the folder: the metrics that are read, in an order that depends on nothing else."""
    wanted = scores.filter(pl.col("metric").is_in(sorted(set(metrics(scale)))))
    missing = [pl.lit(None, kind).alias(name) for name, kind in COLUMNS.items() if name not in scores.columns]
    table = wanted.with_columns(missing).select(*COLUMNS).sort("metric", "method", "size", "seed", "item")
    path = folder / f"{scale}-{study}.parquet"
    runs.write(path, lambda partial: table.write_parquet(partial, compression="zstd", compression_level=19))
    runs.write_json(path.with_suffix(".json"), asdict(about))


def read(scale: str, study: str, folder: Path) -> pl.DataFrame:
    """A study's table, empty where the folder has none."""
    path = folder / f"{scale}-{study}.parquet"
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=COLUMNS)


def about(scale: str, study: str, folder: Path) -> About:
    """What stands beside a study's table."""
    path = folder / f"{scale}-{study}.json"
    if not path.exists():
        return About()
    values = json.loads(path.read_text(encoding="utf-8"))
    return About(values["tests"], tuple(values["leaks"]))


def metrics(scale: str) -> Iterator[str]:
    """Every measure that a table, figure or claim of a scale reads, and the check of own against other words."""
    yield from manipulation.METRICS
    for name in reproduction.names(scale):
        spec = reproduction.spec(name, scale)
        yield from (part["metric"] for part in (*spec.get("columns", ()), *spec["claims"]))
        yield from (series["metric"].format(x=x) for series in spec.get("series", ()) for x in spec["x"])
