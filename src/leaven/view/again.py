"""Other thresholds for a lift that is done: what it would keep, by the code of `leaven lift --from`, without a call."""

import io
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.lift import run as lifts
from leaven.lift import settings as lift_settings
from leaven.lift.recipe import halves
from leaven.lift.selection import Size
from leaven.llm.budget import Counted
from leaven.runs.progress import Progress
from leaven.view import rows

SAMPLE = 12
"""Rows shown of those that come, and of those that go."""
LARGEST = 20_000
"""Rows of a lift that is decided anew while somebody waits; with more, the command is given instead."""


def sliders(folder: Path) -> list[dict[str, Any]]:
    """The numbers of a lift that `--from` may change: name, label, value, and between what it may lie."""
    settings = lift_settings.read(folder)
    known = pl.scan_parquet(folder / "audit.parquet").select(pl.len()).collect().item()
    found = [{"name": "n", "label": "rows to keep at most", "value": settings.n, "low": 1, "high": known, "step": 1}]
    if settings.stages:
        return found
    if settings.variety and not settings.spread and settings.variety.keep < 1:
        found.append(_share("keep_variety", "share that variety keeps", settings.variety.keep))
    selecting = {stage.label or stage.name: stage for stage in halves(settings.plan)[1]}
    for label in ("dedup", "quality"):
        if stage := selecting.get(label):
            config, free = stage.settings(), set(stage.module.Config.model_fields) - set(_scored_by(stage.module))
            for name in ("threshold", "keep", "percentile", "judge_weight"):
                if name in free and not (isinstance(config, Size) and name == "keep"):
                    value = getattr(config, name)
                    high = 100 if name == "percentile" else 1
                    slider = {**_share(f"{label}.{name}", f"{label}: {name.replace('_', ' ')}", value), "high": high}
                    found.append({**slider, "step": high / 100})
    return found


def decide(folder: Path, changes: Mapping[str, float]) -> dict[str, Any]:
    """What the lift would keep with these settings: counts, rows that come and go, and the command that makes it so.

    Raises UserError for settings that the lift has not, or that it can't be decided by.
    """
    known = {slider["name"]: slider for slider in sliders(folder)}
    if strange := sorted(set(changes) - set(known)):
        raise UserError(f"{strange[0]} can't be changed here", f"These can: {', '.join(known)}.")
    changes = {name: int(value) if name == "n" else value for name, value in changes.items()}
    command = _command(folder, changes)
    before = pl.read_parquet(folder / "audit.parquet", columns=["row", "verdict"])
    if before.height > LARGEST:
        return {"command": command, "decided": False, "rows": before.height}
    settings = lift_settings.parse({**lift_settings.read(folder).model_dump(), **changes})
    place = Path(tempfile.mkdtemp(prefix="leaven-view-"))
    try:
        lifts.run(settings, place / "again", Progress(io.StringIO()), _no_engine, folder)
        after = pl.read_parquet(place / "again" / "audit.parquet")
        return {"command": command, "decided": True, **_differences(before, after)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _differences(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, Any]:
    found = after.select("row", "verdict", "stage", "reason", "place", "question", "answer")
    both = found.join(before.rename({"verdict": "was"}), on="row", how="left", maintain_order="left")
    come = both.filter(pl.col("verdict") == "kept", pl.col("was") != "kept")
    gone = both.filter(pl.col("verdict") != "kept", pl.col("was") == "kept")
    brief = [pl.col(name).str.slice(0, rows.BRIEF) for name in ("question", "answer")]
    dropped = found.filter(pl.col("stage") != "").group_by("stage", "reason", maintain_order=True).len("rows")
    return {
        "kept": int((found["verdict"] == "kept").sum()),
        "was": int((before["verdict"] == "kept").sum()),
        "come": {"rows": come.height, "sample": come.with_columns(brief).head(SAMPLE).to_dicts()},
        "gone": {"rows": gone.height, "sample": gone.with_columns(brief).head(SAMPLE).to_dicts()},
        "stages": dropped.to_dicts(),
    }


def _command(folder: Path, changes: Mapping[str, float]) -> str:
    """The command that makes the same choice a run of its own."""
    flags = {"n": "--n", "keep_variety": "--keep-variety"}
    said = [f"{flags[name]} {value:g}" if name in flags else f"--set {name}={value:g}"
            for name, value in changes.items()]  # fmt: skip
    return " ".join([f"leaven lift --from {folder}", *said, "--out FOLDER"])


def _share(name: str, label: str, value: float) -> dict[str, Any]:
    return {"name": name, "label": label, "value": value, "low": 0.01, "high": 1, "step": 0.01}


def _scored_by(module: Any) -> tuple[str, ...]:
    return tuple(getattr(module, "SCORED_BY", ()))


def _no_engine(spec: str, what: str) -> AbstractContextManager[Counted]:
    raise UserError(f"{what} would have to ask {spec}", "Such a setting is changed by a lift of its own.")
