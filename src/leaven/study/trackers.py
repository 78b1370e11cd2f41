"""Losses and scores in a tracker, where a user asks for one (`report_to`): each cell is a run, by its own library.

A cell is sent when it is done, from its files: what is tuned does not depend on who is told, cells of other machines
are told of by the one that holds the folder, and the same command sends what a tracker has not been told yet.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.runs.progress import Progress
from leaven.study.settings import Tracker


class Run(NamedTuple):
    """What a tracker is told of a cell: where it stands, its settings, its losses by step, its mean scores."""

    folder: Path
    name: str
    config: dict[str, Any]
    losses: list[tuple[int, float]]
    scores: dict[str, float]

    @property
    def project(self) -> str:
        """The study's name, under which its cells stand together."""
        return self.folder.resolve().name

    @property
    def last(self) -> int:
        """The last step, at which the scores stand."""
        return self.losses[-1][0] if self.losses else 0


def check(trackers: Sequence[Tracker]) -> None:
    """Raises UserError for trackers whose library is not installed."""
    if missing := [name for name in trackers if find_spec(name) is None]:
        raise UserError(f"report_to: {', '.join(missing)} is not installed", f"pip install {' '.join(missing)}")


def report(trackers: Sequence[Tracker], folder: Path, progress: Progress) -> None:
    """Send every cell that is done and that a tracker was not told of. What it refuses is said, and stops nothing.

    Raises UserError for a library that is not installed.
    """
    check(trackers)
    for tracker in trackers:
        told = {event["name"] for event in runs.events(folder, "reported") if event["to"] == tracker}
        for run in _runs(folder, told):
            try:
                SEND[tracker](run)
            except Exception as error:  # a server that is down, or a key that is none, must not end a study
                progress.say(f"{tracker} was not told of {run.name}: {error}. The same command tells it again.")
                break
            runs.log(folder, "reported", name=run.name, to=tracker)


def _runs(folder: Path, told: set[str]) -> Iterator[Run]:
    for place in sorted(path.parent for path in folder.glob("cells/*/DONE")):
        if place.name not in told:
            about = json.loads((place / "cell.json").read_text(encoding="utf-8"))
            losses = [(step, loss) for step, loss in enumerate(about["losses"], 1) if loss is not None]
            config = {name: about[name] for name in ("method", "size", "seed", "config", "steps", "trained_tokens")}
            yield Run(folder, place.name, config, losses, _means(place / "scores.parquet"))


def _means(path: Path) -> dict[str, float]:
    """Each metric's mean over its items, as `eval/METRIC`."""
    defined = pl.read_parquet(path).filter(pl.col("value").is_not_nan())
    means = defined.group_by("metric").agg(pl.col("value").mean()).sort("metric")
    return {f"eval/{metric}": value for metric, value in means.iter_rows()}


def _to_wandb(run: Run, library: str = "wandb", **own: Any) -> None:
    """A run of wandb, or of a library with its interface, in the group of the study.

    Its environment variables are its own: WANDB_PROJECT, WANDB_MODE, TRACKIO_PROJECT, TRACKIO_SPACE_ID …
    """
    project = os.environ.get(f"{library.upper()}_PROJECT", run.project)
    init = import_module(library).init
    session = init(project=project, group=run.project, name=run.name, config=run.config, **own)
    for step, loss in run.losses:
        session.log({"train/loss": loss}, step=step)
    session.log(run.scores, step=run.last)
    session.finish()


def _to_tensorboard(run: Run) -> None:
    """Event files in FOLDER/tensorboard: tensorboard --logdir FOLDER/tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.folder / "tensorboard" / run.name)) as writer:
        writer.add_text("config", json.dumps(run.config, indent=2))
        for step, loss in run.losses:
            writer.add_scalar("train/loss", loss, step)
        for metric, value in run.scores.items():
            writer.add_scalar(metric, value, run.last)


SEND: dict[Tracker, Callable[[Run], None]] = {
    "wandb": lambda run: _to_wandb(run, dir=str(run.folder)),
    "trackio": lambda run: _to_wandb(run, "trackio", embed=False),
    "tensorboard": _to_tensorboard,
}
