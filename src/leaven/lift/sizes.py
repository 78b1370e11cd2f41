"""What a lift takes at other sizes: calls, money and hours, of a pilot's calls and of a finished lift's own pace.

Calls and money grow with the rows. So many calls are under way at a time as the servers take; what asks no engine is
one machine's work, and takes the seconds a row that it took in a lift that is finished.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.lift.settings import read
from leaven.llm.pilot import Range, Step, total
from leaven.runs import folder as runs

CLIENT = 0.0005
"""Seconds of one core that the client takes for a call (benchmarks/llm.py fleet): where servers are many, its own are
the limit."""
SITTING = "sitting"
"""In a lift's log, where a process takes it up: what lies before it is no work."""


@dataclass(frozen=True, slots=True)
class Size:
    """A lift of so many rows: calls, dollars, hours of its calls and of the rest; None: not known.

    Servers that answer more slowly when many calls are under way than they answered the pilot take longer.
    """

    rows: int
    calls: int
    dollars: Range | None
    asking: float | None
    other: float | None


def size(rows: int, planned: int, steps: Sequence[Step], at_once: int, pace: float | None) -> Size:
    """A lift of `rows`, by steps that were planned for other ones, with so many calls `at_once`; `pace`: seconds a row.

    All grows with the rows, also the few calls that a judge makes once (planted entries): too many for a tiny file.

    >>> step = Step("reanswer", 1000, (), seconds=2.0)
    >>> size(1_000_000, 1000, [step], at_once=256, pace=0.001).asking  # hours
    2.170138888888889
    """
    steps = [replace(step, calls=round(step.calls * rows / planned)) for step in steps]
    calls, _, _, dollars = total(steps)
    waits = [step.calls * step.seconds for step in steps if step.seconds is not None]
    asking = max(sum(waits) / at_once, calls * CLIENT) / 3600 if len(waits) == len(steps) else None
    return Size(rows, calls, dollars, asking, None if pace is None else pace * rows / 3600)


def pace(folder: Path) -> float:
    """The seconds a row of what asks no engine in a finished lift, from one stage's end to the next, by its log.

    The first stage's end is where the count begins; of a stage that was stopped, it is where it was last taken up.
    Raises UserError for a folder without a finished lift.
    """
    settings = read(folder)
    if not runs.closed(folder):
        raise UserError(f"the lift in {folder} is not finished", "Its pace is known when it is.")
    paid = {stage.name for stage in settings.plan if stage.makes or stage.dear}
    end = {"event": "stage", "name": "audit", "time": (folder / runs.DONE).stat().st_mtime}
    first, *others = timed([*runs.lines(folder / runs.LOG), end])
    seconds = sum(stage["seconds"] for stage in others if stage["name"] not in paid)
    return float(seconds) / max(1, int(first["rows"]))


def timed(events: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The stages in a lift's log, and the `seconds` that each took; None where no begin is known.

    While a run is stopped no stage goes on: a stage is timed from when it was last taken up.
    """
    begin = None
    for event in events:
        if event["event"] == "stage":
            yield {**event, "seconds": None if begin is None else event["time"] - begin}
        if event["event"] in ("stage", SITTING):
            begin = event["time"]
