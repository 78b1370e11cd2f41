"""Public benchmarks of a model, and of the same model with an adapter: `leaven.evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from leaven.api.place import Place
from leaven.models import names
from leaven.runs import content, journal
from leaven.runs.preflight import examine, together
from leaven.runs.progress import Progress, one_run, stderr
from leaven.study import forgetting
from leaven.study.headline import UNTOUCHED
from leaven.study.identity import copies_of
from leaven.task.settings import EvaluateSection
from leaven.view import forgetting as view

if TYPE_CHECKING:
    from rich.console import RenderableType

ADAPTED = "adapter"
PACKAGES = ("torch", "transformers", "peft", "lm_eval")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model answers to benchmarks: `answers` by benchmark, and with an adapter what it changes, `forgotten`.

    A folder keeps a file of answers for each benchmark; a temporary one goes with this.
    """

    place: Place
    answers: dict[str, pl.DataFrame]
    forgotten: list[dict[str, Any]]
    notes: tuple[str, ...] = ()

    def __rich__(self) -> "RenderableType":
        return view.table(self.forgotten) if self.forgotten else view.scores(forgetting.shares(self.answers))


@one_run()
def evaluate(
    model: str,
    benchmarks: Sequence[str],
    *,
    data: str | Path = "",
    adapter: str | Path | None = None,
    limit: int | None = 100,
    max_new_tokens: int = 512,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    trust_remote_code: bool = False,
) -> Evaluation:
    """Ask a model public benchmarks, `limit` items of each; with an adapter before and after, and what it changes.

    The rows are those of your own copies in the folder `data`, such as mmlu.jsonl, or else the hub's. The same call
    with the same `folder` goes on where it was stopped. Raises UserError with all that stands against it.

        evaluate("smollm2", ["mmlu", "truthfulqa"], data="benchmarks", adapter="cells/delia-n100-s0/adapter").forgotten
    """
    if adapter is not None:
        names.check_adapter(Path(adapter))
    from leaven.models.load import load
    from leaven.study.run import SCHEMA

    config = EvaluateSection(
        benchmarks=tuple(benchmarks), benchmark_data=str(data), benchmark_limit=limit, max_new_tokens=max_new_tokens
    )
    notes: list[str] = []
    if wrong := examine([partial(_note, name, config, notes) for name in config.benchmarks]):
        raise together(wrong, "the first question")
    place, progress = Place(folder), progress or stderr()
    place.path.mkdir(parents=True, exist_ok=True)
    settings = {"model": names.path(model), "copies": copies_of(config), "limit": limit, "longest": max_new_tokens}
    identity = {"settings": content.named(settings), "versions": content.versions(*PACKAGES)}
    journal.claim(place.path / journal.NAME, identity, hint="Name another --out.")
    load_it = partial(load, model, trust_remote_code=trust_remote_code)
    forgetting.ask(config, load_it, place.path / UNTOUCHED, progress, UNTOUCHED)
    answers = forgetting.read(config, place.path / UNTOUCHED)
    if adapter is None:
        return Evaluation(place, answers, [], tuple(notes))
    after = place.path / f"{ADAPTED}-{content.of(Path(adapter))}"
    values = forgetting.ask(config, partial(load_it, adapter=Path(adapter)), after, progress, ADAPTED)
    table = [*forgetting.scores(answers, [(0, 0)]), *((ADAPTED, 0, 0, *measure) for measure in values)]
    frame = pl.DataFrame(table, schema=SCHEMA, orient="row")
    return Evaluation(place, answers, forgetting.compare(frame, answers), tuple(notes))


def _note(name: str, config: EvaluateSection, notes: list[str]) -> None:
    notes += filter(None, [forgetting.check(name, config)])
