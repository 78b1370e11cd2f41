"""Other thresholds for a lift that is done: what it would keep, by the code of `leaven lift --from`, without a call."""

import io
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.lift import run as lifts
from leaven.lift import settings as lift_settings
from leaven.lift.recipe import halves
from leaven.llm.budget import Counted
from leaven.runs.progress import Progress
from leaven.view import rows

SAMPLE = 12
"""Rows shown of those that come, and of those that go."""
NUMBERS = {
    "variety": {"keep": 1.0},
    "dedup": {"threshold": 1.0},
    "quality": {"judge_weight": 1.0, "percentile": 100.0},
}
"""Of LIFT's selecting stages the settings that choose and don't score, each with the most that it may be."""
SHORT = {("variety", "keep"): "keep_variety"}
LARGEST = 20_000
"""Rows of a lift that is decided anew while somebody waits; with more, the command is given instead."""


def sliders(folder: Path) -> list[dict[str, Any]]:
    """The numbers of a lift that `--from` may change: name, label, value, and between what it may lie.

    Where scores that were paid for come after a stage, it may keep no more rows than it did: others have no score.
    """
    settings = lift_settings.read(folder)
    rows_in_all = pl.scan_parquet(folder / "audit.parquet").select(pl.len()).collect().item()
    n = {"name": "n", "label": "rows to keep at most", "value": settings.n, "low": 1, "high": rows_in_all, "step": 1}
    if settings.stages:
        return [n]
    _, selecting = halves(settings.plan)
    controls = [n]
    for place, stage in enumerate(selecting):
        is_followed = any(later.dear for later in selecting[place + 1 :])
        for name, highest in NUMBERS.get(stage.name, {}).items():
            if (value := getattr(stage.settings(), name, None)) is not None:
                high = value if is_followed else highest
                label = f"{stage.name}: {name.replace('_', ' ')}"
                slider = {"name": SHORT.get((stage.name, name), f"{stage.name}.{name}"), "label": label}
                controls.append({**slider, "value": value, "low": highest / 100, "high": high, "step": highest / 100})
    return controls


def decide(folder: Path, changes: Mapping[str, float]) -> dict[str, Any]:
    """What the lift would keep with these settings: counts, rows that come and go, and the command that makes it so.

    Raises UserError for settings that the lift has not, or that it can't be decided by.
    """
    controls = {slider["name"]: slider for slider in sliders(folder)}
    if strange := sorted(set(changes) - set(controls)):
        raise UserError(f"{strange[0]} can't be changed here", f"These can: {', '.join(controls)}.")
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
    verdicts = after.select("row", "verdict", "stage", "reason", "place", "question", "answer")
    both = verdicts.join(before.rename({"verdict": "was"}), on="row", how="left", maintain_order="left")
    entries = both.filter(pl.col("verdict") == "kept", pl.col("was") != "kept")
    exits = both.filter(pl.col("verdict") != "kept", pl.col("was") == "kept")
    brief = [pl.col(name).str.slice(0, rows.BRIEF) for name in ("question", "answer")]
    drops = verdicts.filter(pl.col("stage") != "").group_by("stage", "reason", maintain_order=True).len("rows")
    return {
        "kept": int((verdicts["verdict"] == "kept").sum()),
        "was": int((before["verdict"] == "kept").sum()),
        "entries": {"rows": entries.height, "sample": entries.with_columns(brief).head(SAMPLE).to_dicts()},
        "exits": {"rows": exits.height, "sample": exits.with_columns(brief).head(SAMPLE).to_dicts()},
        "stages": drops.to_dicts(),
    }


def _command(folder: Path, changes: Mapping[str, float]) -> str:
    """The command that makes the same choice a run of its own."""
    flags = {"n": "--n", "keep_variety": "--keep-variety"}
    options = [f"{flags[name]} {value:g}" if name in flags else f"--set {name}={value:g}"
            for name, value in changes.items()]  # fmt: skip
    return " ".join([f"leaven lift --from {quote(str(folder))}", *options, "--out FOLDER"])


def _no_engine(spec: str, what: str) -> AbstractContextManager[Counted]:
    raise UserError(f"{what} would have to ask {spec}", "Such a setting is changed by a lift of its own.")
