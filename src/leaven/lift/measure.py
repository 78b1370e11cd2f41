"""What a selection is like, beside the controls of its size: redundancy, NovelSum, Vendi, lengths, and what it cost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven import plugs
from leaven.lift import controls, diversity, verdict
from leaven.lift import stages as rows
from leaven.lift import vectors as table
from leaven.lift.components import components, coordinates
from leaven.lift.neighbours import density, nearest
from leaven.lift.selectors.length_matched import lengths
from leaven.lift.settings import Settings
from leaven.lift.vectors import Array
from leaven.rows.dataset import Dataset
from leaven.runs import folder as runs

SAMPLE, REFERENCE, SHOWN = 2000, 5000, 2000
SPENT = ("calls", "failed", "saved", "prompt_tokens", "completion_tokens", "cost")


def summary(
    settings: Settings,
    pool: Dataset,
    frame: pl.DataFrame,
    unit: Array,
    embedded: list[int],
    kept: list[int],
    folder: Path,
) -> dict[str, Any]:
    """The figures of the report: sets side by side, stages, sources, cost, and the points of the data map."""
    place = {row: index for index, row in enumerate(embedded)}
    sizes = lengths(pool)
    places = [place[row] for row in kept]
    sets = controls.sets(settings, pool, embedded, kept, folder)
    rng = np.random.default_rng(settings.seed)
    reference = unit[rng.permutation(len(unit))[:REFERENCE]]
    size = min(SAMPLE, len(kept))
    costs = _cost(folder)
    steps = {stage.name: plugs.title(stage.plug) for stage in settings.plan if stage.makes}
    opening = verdict.verdict(pool, frame, costs, folder, steps)
    headline = f"{len(kept):,} of {frame.height:,} rows are kept"
    return {
        "headline": ", ".join(filter(None, (headline, opening["but"]))),
        "verdict": opening,
        "sets": [
            {"set": name, **_figures(members, unit, place, sizes[members], size, reference, rng)}
            for name, members in sets.items()
        ],
        "controls": list(controls.marks(settings, frame, sets, folder)),
        "stages": _verdicts(frame),
        "notes": rows.notes(folder),
        "sources": _sources(frame),
        "cost": costs,
        "map": _map(unit, places, rng, folder),
        "scores": list(_scores(frame)),
        "variety": next((one.settings().model_dump()["compat"] for one in settings.plan if one.plug == "variety"), ""),
        "lengths": {
            "kept": _histogram(sizes[kept], sizes[embedded]),
            "dropped": _histogram(np.delete(sizes[embedded], places), sizes[embedded]),
        },
    }


def _figures(
    members: Sequence[int],
    unit: Array,
    place: Mapping[int, int],
    sizes: npt.NDArray[np.float64],
    size: int,
    reference: Array,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The figures of a set. A few rows of it, as many of every set, speak for all of them where pairs are compared.

    Their nearest rows are looked for in the whole set. NovelSum grows and shrinks with the number of rows, so that of
    sets of other sizes could not be compared. Rows that left before any was embedded have no figures of embeddings.
    """
    figures = {"rows": len(members), **({"median_length": float(np.median(sizes))} if len(members) else {})}
    if len(members) < 2 or not all(row in place for row in members):
        return figures
    vectors = unit[[place[row] for row in members]]
    sample = vectors[np.sort(rng.permutation(len(vectors))[:size])]
    near = nearest(sample, vectors, 2)[0][:, 1]  # the nearest is the row itself, or a copy that is as near
    return {
        **figures,
        "sampled": len(sample),
        "nearest_cosine": float(near.mean()),
        "near_copies": float((near >= 0.95).mean()),
        "novelsum": diversity.novelsum(sample, density(sample, reference)),
        "vendi": diversity.vendi(vectors),
    }


def _verdicts(frame: pl.DataFrame) -> list[dict[str, Any]]:
    dropped = frame.filter(pl.col("verdict") == "dropped")
    return dropped.group_by("stage", "reason", maintain_order=True).len("rows").to_dicts()


def _sources(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """How many rows each step and round made, and how many of them are kept."""
    counts = frame.group_by("step", "round", "strategy", maintain_order=True).agg(
        pl.len().alias("rows"), (pl.col("verdict") == "kept").sum().alias("kept")
    )
    return counts.to_dicts()


def _cost(folder: Path) -> list[dict[str, Any]]:
    """Calls, tokens and dollars of every stage that asked an engine, over all its starts, from the log."""
    totals: dict[tuple[str, str], Counter[str]] = {}
    for event in runs.events(folder, "calls"):
        counts = totals.setdefault((event["stage"], event["engine"]), Counter())
        counts.update({name: event.get(name) or 0 for name in SPENT if event.get(name) is not None})
    return [
        {"stage": stage, "engine": engine, **{name: counts.get(name) for name in SPENT}}
        for (stage, engine), counts in totals.items()
    ]


def _scores(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Every measure of every stage: how it lies, over all rows that have it and over those that are kept."""
    kept = frame.filter(pl.col("verdict") == "kept")
    for name, kind in frame.schema.items():
        if kind != pl.Float64 or name == "nearest_cosine":
            continue
        values = frame[name].drop_nulls()
        spread = {"low": 0.05, "median": 0.5, "high": 0.95}
        yield {
            "score": name,
            "rows": values.len(),
            "mean": values.mean(),
            **{key: values.quantile(share) for key, share in spread.items()},
            "kept": kept[name].mean(),
        }


def _histogram(sizes: npt.NDArray[np.float64], everything: npt.NDArray[np.float64]) -> list[dict[str, float]]:
    """Shares of the set in bins that grow with length."""
    edges = np.unique(np.geomspace(1, max(2, everything.max(initial=1) + 1), 40).astype(int))
    counts, _ = np.histogram(sizes, edges)
    total = max(1, len(sizes))
    return [
        {"characters": int(edge), "share": float(count / total)} for edge, count in zip(edges, counts, strict=False)
    ]


def _map(unit: Array, places: Sequence[int], rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """The rows on the first two principal components that variety uses: a sample of all of them, and of the kept."""
    if len(unit) < 3:
        return []
    vectors = table.open_file(str(folder / "embeddings.npy"))
    points = coordinates(vectors, components(vectors), 2)  # (rows, 2), or (rows, 1) where embeddings are one wide
    stay = set(places)
    dots = []
    for name, members in (("before selection", range(len(unit))), ("kept", places)):
        for index in rng.permutation(members)[:SHOWN].tolist():
            x, y = float(points[index, 0]), float(points[index, -1])
            verdict = "kept" if index in stay else "dropped"
            dots.append({"x": round(x, 3), "y": round(y, 3), "set": name, "verdict": verdict})
    return dots
