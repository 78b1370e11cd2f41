"""What a selection is like, beside the controls of its size: redundancy, NovelSum, Vendi, lengths, and what it cost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from leaven import plugs
from leaven.errors import UserError
from leaven.lift import controls, diversity, verdict
from leaven.lift import stages as rows
from leaven.lift import vectors as table
from leaven.lift.components import components, coordinates
from leaven.lift.curate import Embedded
from leaven.lift.neighbours import density, nearest
from leaven.lift.settings import Settings
from leaven.lift.vectors import Array
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.shards import Places
from leaven.runs import folder as runs

SAMPLE, REFERENCE, SHOWN = 2000, 5000, 2000
PAIRS, LEAST = 200_000_000, 100
"""Cosines that are computed of a set for the nearest rows of its sample, and rows that are asked at least."""
SPENT = ("calls", "failed", "saved", "prompt_tokens", "completion_tokens", "cost")


def summary(
    settings: Settings, pool: Dataset, audit: pl.LazyFrame, embedded: Embedded, kept: Places, folder: Path
) -> dict[str, Any]:
    """The figures of the report: sets side by side, stages, sources, cost, and the points of the data map.

    The audit stays where it lies: it is counted as it passes by, and its measures are read one at a time.
    """
    sizes = texts.lengths(pool)
    sets = controls.sets(settings, sizes, embedded.numbers, kept, folder)
    rng = np.random.default_rng(settings.seed)
    figures = list(_figures(sets, embedded, sizes, min(SAMPLE, len(kept)), rng))
    costs = _cost(folder)
    steps = {stage.name: plugs.title(stage.plug) for stage in settings.plan if stage.makes}
    opening = verdict.verdict(pool, audit, costs, folder, steps)
    given = sizes[embedded.numbers]
    headline = f"{len(kept):,} of {len(pool):,} rows are kept"
    return {
        "headline": ", ".join(filter(None, (headline, opening["but"]))),
        "verdict": opening,
        "sets": figures,
        "controls": list(controls.marks(settings, audit, sets, folder)),
        "stages": _verdicts(audit, settings.order),
        "notes": rows.notes(folder),
        "sources": _sources(audit),
        "cost": costs,
        "map": _map(embedded, kept, rng),
        "scores": list(_scores(audit, kept)),
        "variety": next((one.settings().model_dump()["compat"] for one in settings.plan if one.plug == "variety"), ""),
        "lengths": {
            "kept": _histogram(sizes[kept], given),
            "dropped": _histogram(np.delete(given, embedded.places(kept)), given),
        },
    }


def _figures(
    sets: Mapping[str, Places], embedded: Embedded, sizes: npt.NDArray[np.float64], size: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """The figures of the sets, by one pass over the embeddings.

    A few rows of a set, as many of every set, speak for all of them where pairs are compared. Their nearest rows are
    looked for in the whole set; of a large set for fewer of them (`PAIRS`), and the standard error of the mean is said.
    NovelSum grows and shrinks with the number of rows, so that of sets of other sizes could not be compared. Rows that
    left before any was embedded have no figures of embeddings, and no set has where none is kept.
    """
    whole = embedded.vectors
    draws, places = {"": rng.permutation(whole.rows)[:REFERENCE]}, dict[str, Places]()
    for name, members in sets.items():
        if size and len(members) > 1 and np.isin(members, embedded.numbers).all():
            places[name] = embedded.places(members)
            draws[name] = places[name][np.sort(rng.permutation(len(members))[:size])]
    union = np.unique(np.concatenate(list(draws.values())))
    vectors = whole.take(union).unit()
    reference, *samples = (vectors[np.searchsorted(union, rows)] for rows in draws.values())
    passing = {name: _Set(places[name], sample) for name, sample in zip(places, samples, strict=True)}
    done = 0
    for block in whole.blocks():
        unit = table.normalised(block)
        for one in passing.values():
            one.see(unit, done)
        done += len(unit)
    for name, members in sets.items():
        length = {"median_length": float(np.median(sizes[members]))} if len(members) else {}
        figures = passing[name].figures(reference) if name in passing else {}
        yield {"set": name, "rows": len(members), **length, **figures}


class _Set:
    """A set of rows while their embeddings, of length one, pass by in blocks: its second moments, and nearest rows."""

    def __init__(self, places: Places, sample: Array) -> None:
        self.places, self.sample = places, sample
        count = min(len(sample), max(LEAST, PAIRS // len(places)))
        self.queries = sample[np.linspace(0, len(sample) - 1, count).astype(int)]
        self.near = np.full((len(self.queries), 2), -np.inf, np.float32)
        self.moments = np.zeros((sample.shape[1], sample.shape[1]))

    def see(self, unit: Array, start: int) -> None:
        """The block of all rows from `start` on."""
        low, high = np.searchsorted(self.places, (start, start + len(unit)))
        if low == high:
            return
        rows = unit[self.places[low:high] - start]
        self.moments += rows.T @ rows
        cosines = np.concatenate([self.near, nearest(self.queries, rows, 2)[0]], axis=1)
        self.near = -np.sort(-cosines, axis=1)[:, :2]

    def figures(self, reference: Array) -> dict[str, Any]:
        """What the report says of the set; the nearest row of a row is itself, or a copy that is as near."""
        near = self.near[:, 1]
        error = {"error": float(near.std() / np.sqrt(len(near)))} if len(near) < len(self.sample) else {}
        return {
            "sampled": len(near),
            "nearest_cosine": float(near.mean()),
            **error,
            "near_copies": float((near >= 0.95).mean()),
            "novelsum": diversity.novelsum(self.sample, density(self.sample, reference)),
            "vendi": diversity.vendi_of(self.moments / len(self.places)),
        }


def _verdicts(audit: pl.LazyFrame, order: Sequence[str]) -> list[dict[str, Any]]:
    """How many rows each stage dropped, and why, in the order of the stages."""
    dropped = audit.filter(pl.col("verdict") == "dropped")
    groups = verdict.groups(dropped, ("stage", "reason"), pl.len().alias("rows"))
    return sorted(groups, key=lambda group: order.index(group["stage"]))


def _sources(audit: pl.LazyFrame) -> list[dict[str, Any]]:
    """How many rows each step and round made, and how many of them are kept."""
    return verdict.groups(audit, ("step", "round", "strategy"), *verdict.ROWS)


def _cost(folder: Path) -> list[dict[str, Any]]:
    """Calls, tokens and dollars of every stage that asked an engine, over all its starts, from the log.

    The dollars of calls that had no price are not known, and no part of them is the cost.
    """
    totals: dict[tuple[str, str], Counter[str]] = {}
    unpriced = set[tuple[str, str]]()
    for event in runs.events(folder, "calls"):
        about = (event["stage"], event["engine"])
        counts = totals.setdefault(about, Counter())
        counts.update({name: event.get(name) or 0 for name in SPENT if event.get(name) is not None})
        if event.get("calls") and event.get("cost") is None:
            unpriced.add(about)
    for about in unpriced:
        del totals[about]["cost"]
    return [
        {"stage": stage, "engine": engine, **{name: counts.get(name) for name in SPENT}}
        for (stage, engine), counts in totals.items()
    ]


def _scores(audit: pl.LazyFrame, kept: Places) -> Iterator[dict[str, Any]]:
    """Every measure of every stage: how it lies, over all rows that have it and over those that are kept."""
    for name, kind in audit.collect_schema().items():
        if kind != pl.Float64 or name == "nearest_cosine":
            continue
        column = audit.select(name).collect().to_series()
        values = column.drop_nulls()
        spread = {"low": 0.05, "median": 0.5, "high": 0.95}
        yield {
            "score": name,
            "rows": values.len(),
            "mean": values.mean(),
            **{key: values.quantile(share) for key, share in spread.items()},
            "kept": column[kept].mean(),
        }


def _histogram(sizes: npt.NDArray[np.float64], everything: npt.NDArray[np.float64]) -> list[dict[str, float]]:
    """Shares of the set in bins that grow with length."""
    edges = np.unique(np.geomspace(1, max(2, everything.max(initial=1) + 1), 40).astype(int))
    counts, _ = np.histogram(sizes, edges)
    total = max(1, len(sizes))
    return [
        {"characters": int(edge), "share": float(count / total)} for edge, count in zip(edges, counts, strict=False)
    ]


def _map(embedded: Embedded, kept: Places, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A sample of the rows, and of the kept, on the first two principal components of that of all rows.

    Rows that are all the same have no map, and no rows have none.
    """
    if not embedded.vectors.rows:
        return []
    vectors, stay = embedded.vectors, embedded.places(kept)
    draws = {
        name: rng.permutation(places)[:SHOWN]
        for name, places in (("before selection", np.arange(vectors.rows)), ("kept", stay))
    }
    union = np.unique(np.concatenate(list(draws.values())))
    try:
        basis = components(vectors.take(np.sort(draws["before selection"])))
    except UserError:
        return []
    points = coordinates(vectors.take(union), basis, 2)  # (rows, 2), or (rows, 1) of such embeddings
    dots = []
    for name, places in draws.items():
        xy = points[np.searchsorted(union, places)][:, [0, -1]].tolist()
        for stays, (x, y) in zip(np.isin(places, stay).tolist(), xy, strict=True):
            dots.append({"x": round(x, 3), "y": round(y, 3), "set": name, "verdict": "kept" if stays else "dropped"})
    return dots
