"""A small excellent dataset of a large one, in Python: `leaven.lift`, and one selector alone: `leaven.select`."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from leaven.api import keywords
from leaven.api.place import Place
from leaven.errors import UserError
from leaven.lift import audit, preflight
from leaven.lift import run as lifts
from leaven.lift import select as selecting
from leaven.lift.expand import Open
from leaven.lift.settings import FLAT, Settings, parse
from leaven.llm.budget import Allowance, Counted
from leaven.llm.open import open_with_budget
from leaven.llm.protocol import LLM
from leaven.llm.settings import LLMSection
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs import content
from leaven.runs.progress import Progress, one_run, stderr


@dataclass(frozen=True, slots=True)
class Lifted:
    """What a lift kept and dropped, read from its folder; a temporary folder goes with it."""

    place: Place
    open: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By stage the errors of calls that failed: rows that the same call with the same folder asks for again."""

    @property
    def folder(self) -> Path:
        """The folder of the lift."""
        return self.place.path

    @property
    def kept(self) -> Dataset:
        """The rows that are left."""
        return Dataset.load(self.folder / "kept.parquet")

    @property
    def dropped(self) -> pl.DataFrame:
        """Every other row with the stage that dropped it and the reason: the audit without the kept."""
        return audit.read(self.folder).filter(pl.col("verdict") == "dropped")

    def table(self) -> str:
        """What came of it, as the command prints it: is the judge to be trusted, what does a row cost, the sets."""
        from leaven.view import lift as reports

        return reports.text(self.folder)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML page that opens offline, to this path or into the folder; return where it is."""
        from leaven.view import lift as reports

        page = reports.page(self.folder)
        if path is None:
            return page
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(page, path))

    def why(self, row: str | int) -> str:
        """The story of a row, by its number, its place ("rows[3]"), the beginning of its id, or its words."""
        return "\n".join(audit.why(audit.read(self.folder), str(row)))


@one_run()
def lift(
    rows: Any,
    *,
    llm: str = "",
    n: int = 10_000,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    spend: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Lifted:
    """Expand a dataset by an engine (`llm`, as openai:MODEL), keep what is varied, then what is good, and say why.

    `rows` are whatever `leaven.read` takes. `settings` are those of `leaven lift`, for example `rounds=1`,
    `keep_variety=0.5`, `quality="length"`, and those of one step: `evolve={"temperature": 0.7}`; or all stages in an
    order of your own: `stages=["pii", {"evolve": {"rounds": 1}}, "minhash", "quality"]`. `spend` are fields of a
    recipe's `llm` section, as `{"max_cost": 5}`. The same call with the same `folder` goes on where it was stopped.

        lifted = lift(rows, n=100, keep_variety=0.5, quality="length")
        print(lifted.table(), lifted.why("rows[3]"))
    """
    named = (name for name in settings if "." not in name)
    keywords.check(lift, named, (*Settings.model_fields, *FLAT), {"spend": LLMSection.model_fields})
    brought = None if isinstance(rows, (str, Path)) else _read(rows, settings)
    data = str(rows) if brought is None else f"rows {content.key(brought.kept.frame.write_ndjson())}"
    config = parse({"data": data, "llm": llm, "n": n, **settings})
    place = Place(folder)
    # Replies of engines in process are kept too: stopped and called again, it goes on where it was.
    store = {} if llm.startswith("openai:") else {"store": str(place.path / "replies.db")}
    limits = {**store, **(spend or {})}
    checks = preflight.engines(config, limits)
    left = lifts.run(config, place.path, progress or stderr(), _opener(limits), brought=brought, checks=checks)
    return Lifted(place, left)


def _read(rows: Any, settings: Mapping[str, Any]) -> Outcome:
    names = ("format", "columns", "strict")
    return files.read(rows, **{name: settings[name] for name in names if name in settings})


@one_run()
def select(name: str, rows: Any, *, llm: LLM | None = None, **config: Any) -> Outcome:
    """What a selector keeps of the rows, and every other row with its reason.

    `config` are the selector's settings (`leaven ls selectors`), and `seed`, `embedder` or `model` where it takes them.

        select("exact", rows).summary()  # '98 kept; 2 dropped: copy'
    """
    if not isinstance(name, str):
        raise UserError("select takes a selector's name, and then the rows", 'select("random", rows, n=100)')
    return selecting.select(name, files.read(rows).kept, config, llm)


def _opener(options: Mapping[str, Any]) -> Open:
    """Opens engines one after another; the limits among the options hold for all of them together."""
    allowance = Allowance(options)

    @contextmanager
    def opened(spec: str, what: str) -> Iterator[Counted]:
        llm, spend = open_with_budget(LLMSection.model_validate({"engine": spec, **allowance.left(what)}))
        try:
            yield llm
        finally:
            allowance.take(spend)

    return opened
