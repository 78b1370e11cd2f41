"""A run as it goes: what is done and what is left, losses, what was spent, and the last failures."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaven.lift import sizes
from leaven.runs import folder as runs
from leaven.runs import progress
from leaven.view import tables

EVENTS = 40
FAILURES = 20
FAILED = ("failed", "error", "gave up", "refused")
"""Words by which a line of an engine's log is one about a failure."""
TAIL = 64_000
RECENT = 60
"""Seconds after which work that says nothing is no longer under way: it was killed, or waits."""


def state(folder: Path) -> dict[str, Any]:
    """How far the run is. Nothing here is large: losses are thinned out, the log is cut to its last lines."""
    events = [line for line in runs.lines(folder / runs.LOG) if isinstance(line.get("time"), int | float)]
    finished = runs.closed(folder)
    return {
        "finished": runs.finished(folder) if finished else "",
        "now": time.time(),
        "written": max((event["time"] for event in events), default=None),
        "under_way": None if finished else _under_way(folder),
        "cells": _cells(folder, events),
        "stages": list(sizes.timed(events)),
        "calls": [event for event in events if event["event"] == "calls"],
        "losses": _losses(folder),
        "failures": list(_failures(folder))[-FAILURES:],
        "events": events[-EVENTS:],
    }


def _under_way(folder: Path) -> dict[str, Any] | None:
    """What is done just now, and how fast; nothing where the last word on it is older than a minute."""
    try:
        work: dict[str, Any] = json.loads((folder / progress.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return work if time.time() - work["time"] < RECENT else None


def _cells(folder: Path, events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of a study the cells that are done and those that are not, and how long the rest may take at this pace."""
    plan = folder / "plan.json"
    if not plan.is_file():
        return None
    names = json.loads(plan.read_text(encoding="utf-8"))
    done = {event["name"]: event for event in events if event["event"] == "cell"}
    rest = [name for name in names if name not in done]
    pace = [_alike(name, done) for name in rest]
    paces = [seconds for seconds in pace if seconds is not None]
    return {
        "done": [{"name": name, "seconds": done[name]["seconds"]} for name in names if name in done],
        "rest": rest,
        "seconds_left": sum(paces) if rest and len(paces) == len(rest) else None,
    }


def _alike(name: str, done: dict[str, Any]) -> float | None:
    """The seconds of a cell of the same method and size, whose seed alone is another."""
    stem = name.rpartition("-s")[0]
    seconds = [event["seconds"] for other, event in done.items() if other.rpartition("-s")[0] == stem]
    return sum(seconds) / len(seconds) if seconds else None


def _losses(folder: Path) -> list[dict[str, Any]]:
    """The loss of each cell that is done, at most 200 of its steps."""
    curves = []
    for _, about in tables.cells(folder):
        losses = about["losses"]
        every = max(1, -(-len(losses) // 200))
        points = [(step + 1, losses[step]) for step in range(0, len(losses), every) if _finite(losses[step])]
        if points:
            curves.append({"method": about["method"], "size": about["size"], "seed": about["seed"], "points": points})
    return curves


def _finite(loss: float | None) -> bool:
    """Whether a loss can be drawn: one that ran away to infinity can't, and JSON has no word for it."""
    return loss is not None and math.isfinite(loss)


def _failures(folder: Path) -> Iterator[str]:
    """The last lines of the engine's log that tell of a failure."""
    path = folder / "llm.log"
    if path.is_file():
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
        yield from (line[:400] for line in text.splitlines() if any(word in line.casefold() for word in FAILED))
