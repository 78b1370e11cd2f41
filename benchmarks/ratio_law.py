"""The ratio law beside constants, "always 0", our default and "always 20": what each costs, and whether it is enough.

    python benchmarks/frontier.py runs/frontier
    python benchmarks/ratio_law.py runs/frontier …

Takes finished studies that have DELIA at several ratios, 0 among them. Each rate of each study is a series; its pilot
is played from the smallest ratio up until the law names one, as `ratio: auto` does, but on the questions of the
study: what is looked up beside it, the leak at the ratios next to the law's, is of the same models and no proof on
new ones. Cost is in tokens trained on, the pilot's beside it; at ratios that were not run it is read off a straight
line. `others` is what the laws of all other series would have this one take, unseen: the largest of theirs.
"""

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from leaven.study import ratio_law
from leaven.study.ratio_law import Law, Observation

LEAK, LEARNT = "general/leak", "unseen_phrasing/format"
CONSTANTS = (0.0, 2.5, 20.0)


@dataclass(frozen=True)
class Series:
    """Models that differ in their ratio: what each was seen to do, and the tokens it was trained on."""

    name: str
    observations: list[Observation]
    tokens: list[int]

    def cost(self, ratio: float) -> float:
        """Tokens at a ratio, by the straight line through all that were run."""
        slope, start = np.polyfit([one.ratio for one in self.observations], self.tokens, 1)
        return float(start + slope * ratio)

    def pilot(self) -> tuple[Law, int]:
        """The law of the shortest pilot that names a ratio, and how many tunings that took."""
        ratios = sorted({one.ratio for one in self.observations})
        for largest in ratios:
            some = [one for one in self.observations if one.ratio <= largest]
            law = ratio_law.fit(some)
            if not math.isinf(law.ratio):
                break
        return law, len(some)


def series(folder: Path) -> Iterator[Series]:
    """Those of a study: its DELIA cells, by seed and by all settings but the ratio."""
    groups: dict[str, list[tuple[Observation, int]]] = defaultdict(list)
    for place in sorted(folder.glob("cells/*/cell.json")):
        cell = json.loads(place.read_text(encoding="utf-8"))
        config = dict(cell["config"])
        if "ratio" not in config:
            continue
        ratio = float(config.pop("ratio"))
        scores = pl.read_parquet(place.parent / "scores.parquet")
        counts = [_count(scores, metric) for metric in (LEAK, LEARNT)]
        rate = config.get("tune", {}).get("learning_rate", "")
        name = f"{folder.name} {rate} seed {cell['seed']} {json.dumps(config, sort_keys=True)}"
        groups[name].append((Observation(ratio, *counts[0], *counts[1]), cell["tokens"]))
    for name, rows in groups.items():
        rows.sort(key=lambda row: row[0].ratio)
        if len(rows) > 2 and not rows[0][0].ratio:
            yield Series(name.split(" {")[0], [row[0] for row in rows], [row[1] for row in rows])


def _count(scores: pl.DataFrame, metric: str) -> tuple[int, int]:
    values = scores.filter(pl.col("metric") == metric, pl.col("value").is_not_nan())["value"]
    return int(values.sum()), len(values)


def table(every: list[Series]) -> pl.DataFrame:
    """A row for each series and rule: the ratio, its leak where the study has it, its cost and that of the pilot."""
    laws = [one.pilot() for one in every]
    rows = []
    for place, (one, (law, tunings)) in enumerate(zip(every, laws, strict=True)):
        named = law.largest if math.isinf(law.ratio) else law.ratio
        others = [min(other.ratio, other.largest) for at, (other, _) in enumerate(laws) if at != place]
        pilot = sum(one.tokens[:tunings])
        rules = [("law", named, pilot), *((f"always {ratio:g}", ratio, 0) for ratio in CONSTANTS)]
        rules += [("others", max(others), 0)] if others else []
        for rule, ratio, before in rules:
            rows.append((one.name, rule, ratio, _leak(one, ratio), round(one.cost(ratio)), before))
    return pl.DataFrame(rows, ["series", "rule", "ratio", "leak", "tokens", "pilot"], orient="row")


def _leak(one: Series, ratio: float) -> str:
    """The share that leaks at a ratio of the study, or at the two around it."""
    shares = {seen.ratio: seen.leaks / seen.plain for seen in one.observations}
    if ratio in shares:
        return f"{shares[ratio]:.1%}"
    below, above = max(r for r in shares if r < ratio), min((r for r in shares if r > ratio), default=None)
    return f"{shares[below]:.1%} at {below:g}" + ("" if above is None else f", {shares[above]:.1%} at {above:g}")


def main() -> None:
    """Print the laws and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    every = [one for folder in parser.parse_args().folders for one in series(folder)]
    for one in every:
        law, tunings = one.pilot()
        print(f"{one.name}, {tunings} tunings: {law.sentence()}")
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=60):
        print(table(every))


if __name__ == "__main__":
    main()
