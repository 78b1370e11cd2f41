"""Embedders beside MiniLM's published vectors, on Alpaca rows drawn at random: what variety keeps by each of them.

    python benchmarks/embedders.py ../shared/data lsa minilm ./mine.py --rows 2000

Overlap: the share of the fifth that variety keeps by MiniLM which it keeps by this one too; chance is .20. Neighbours:
the share of a row's ten nearest that are the same. Lengths: the median characters of the answers kept, and dropped.
Coverage: how far (1 − cosine, MiniLM's) a row lies from the nearest that is kept; less covers more. `k_center` over the
same vectors, and a random fifth, stand beside it.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from leaven import plugs
from leaven.lift import vectors as table
from leaven.lift.components import components
from leaven.lift.selectors import k_center, variety
from leaven.lift.vectors import Vectors
from leaven.rows import files
from leaven.rows.texts import strings

ASKED, NEAREST, SHARE = 1000, 10, 0.2


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of the public sets")
    parser.add_argument("embedders", nargs="*", default=["lsa"])
    parser.add_argument("--rows", type=int, default=12_000)
    flags = parser.parse_args(words)
    whole = files.read(flags.data / "alpaca_52k/alpaca_data.minus_holdout.jsonl.gz").kept
    answered = {place for place, row in enumerate(whole) if row.answer}
    draw = [place for place in whole.permutation(0) if place in answered][: flags.rows]
    rows = whole.rows(draw)
    published = table.open_file(str(flags.data / "alpaca_minilm/embeddings.f16.npy")).take(draw)
    lengths = np.asarray([len(row.answer or "") for row in rows])
    print("| embedder | selector | overlap | neighbours | kept, dropped | distance to kept | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name, found, seconds in [("MiniLM, published", published, 0.0), *made(flags.embedders, [*strings(rows)])]:
        alike = agreement(found.unit(), published.unit())
        for selector, kept in choices(found):
            about = (f"{overlap(kept, by_variety(published)):.3f}", f"{alike:.3f}", middles(lengths, kept),
                     f"{distance(published.unit(), kept):.3f}", f"{seconds:.0f}")  # fmt: skip
            print("| " + " | ".join((name, selector, *about)) + " |", flush=True)
    drawn = sorted(np.random.default_rng(0).permutation(len(rows))[: round(SHARE * len(rows))].tolist())
    print(f"| – | random | {overlap(drawn, by_variety(published)):.3f} | – | {middles(lengths, drawn)} "
          f"| {distance(published.unit(), drawn):.3f} | – |")  # fmt: skip


def made(embedders: Sequence[str], texts: list[str]) -> Iterator[tuple[str, Vectors, float]]:
    """(embedder, its vectors, the seconds they took); nothing is stored."""
    for name in embedders:
        began = time.perf_counter()
        found = table.of(plugs.load("embedders", name).load("")(texts), name)
        yield name, found, time.perf_counter() - began


def choices(found: Vectors) -> Iterator[tuple[str, list[int]]]:
    yield "variety", by_variety(found)
    unit = found.unit()
    yield "k_center", sorted(k_center.centers(unit, round(SHARE * len(unit)), [0])[0])


def by_variety(found: Vectors) -> list[int]:
    config = variety.Config(keep=SHARE)
    return variety.above(variety.variances(found, components(found), config), config)


def overlap(kept: list[int], other: list[int]) -> float:
    return len(set(kept) & set(other)) / len(other)


def agreement(unit: np.ndarray, other: np.ndarray) -> float:
    """The share of the nearest rows that both tables agree on, over rows drawn at random."""
    asked = np.random.default_rng(0).permutation(len(unit))[:ASKED]
    first, second = nearest(unit, asked), nearest(other, asked)
    return float(np.mean([len(set(a) & set(b)) / NEAREST for a, b in zip(first, second, strict=True)]))


def nearest(unit: np.ndarray, asked: np.ndarray) -> np.ndarray:
    cosines = unit[asked] @ unit.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    return np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]


def distance(unit: np.ndarray, kept: list[int]) -> float:
    blocks = (unit[start : start + ASKED] @ unit[kept].T for start in range(0, len(unit), ASKED))
    return 1 - float(np.concatenate([block.max(1) for block in blocks]).mean())


def middles(lengths: np.ndarray, kept: list[int]) -> str:
    dropped = np.setdiff1d(np.arange(len(lengths)), kept)
    return f"{np.median(lengths[kept]):.0f}, {np.median(lengths[dropped]):.0f}"


if __name__ == "__main__":
    main()
