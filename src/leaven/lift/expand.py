"""The first stage: read the rows, answer them anew, rewrite them in rounds; failures are rows, with their reason."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leaven import plugs
from leaven import run as runs
from leaven.data import files
from leaven.dataset import Dataset
from leaven.lift import rows
from leaven.lift.plan import Plan
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.run import Progress
from leaven.types import Drop, Outcome, Prompt


def expanded(plan: Plan, folder: Path, progress: Progress, open_llm: Callable[[str], LLM]) -> Dataset:
    """Every row that there will ever be; the tables of the stages `read` and `expand` tell which of them are left."""
    path = folder / "rows.parquet"
    if path.exists() and (folder / "stages" / "expand.parquet").exists():
        return Dataset.load(path)
    read = files.read(plan.data, plan.format)
    for note in read.notes:
        progress.say(note)
    llm = None

    def engine(stage: str) -> LLM:
        nonlocal llm
        llm = llm or open_llm(plan.llm)
        return Metered(llm, folder, stage)

    made: list[Outcome] = []
    if plan.llm and plan.reanswer:
        made.append(_kept(folder, "reanswer", lambda: _make("reanswer", read.kept, engine("reanswer"), plan)))
    if plan.llm and plan.rounds:
        made.append(_kept(folder, "evolve", lambda: _make("evolve", read.kept, engine("evolve"), plan)))
    return _joined(plan, read, made, folder)


def _joined(plan: Plan, read: Outcome, made: Sequence[Outcome], folder: Path) -> Dataset:
    """All rows in one table: read, unreadable, made, failed; the verdicts of both stages beside it."""
    usable = len(read.kept)
    pool = read.kept + Dataset.of(drop.example for drop in read.dropped)
    reasons = {usable + place: drop.reason for place, drop in enumerate(read.dropped)}
    details = {usable + place: drop.detail for place, drop in enumerate(read.dropped)}
    lost, why = dict[int, str](), dict[int, str]()
    if plan.llm and plan.reanswer:
        lost |= dict.fromkeys(range(usable), "answered anew")
    else:
        lost |= {place: "no answer" for place, row in enumerate(read.kept) if row.answer is None}
    stage_read = rows.verdicts(range(len(pool)), reasons, details)
    for outcome in made:
        start = len(pool) + len(outcome.kept)
        lost |= {start + place: drop.reason for place, drop in enumerate(outcome.dropped)}
        why |= {start + place: drop.detail for place, drop in enumerate(outcome.dropped)}
        pool = pool + outcome.kept + Dataset.of(drop.example for drop in outcome.dropped)
    pool.save(folder / "rows.parquet")
    rows.stage(folder, "read", lambda: stage_read)
    numbers = [*range(usable), *range(usable + len(read.dropped), len(pool))]
    rows.stage(folder, "expand", lambda: rows.verdicts(numbers, lost, why))
    return pool


def _kept(folder: Path, name: str, make: Callable[[], Outcome]) -> Outcome:
    """The outcome of a maker, from its files where they are."""
    whole, failed = folder / "made" / f"{name}.parquet", folder / "made" / f"{name}.failed.parquet"
    if not whole.exists():
        outcome = make()
        Dataset.of(drop.example for drop in outcome.dropped).save(failed)
        runs.write_json(folder / "made" / f"{name}.json", [[d.reason, d.detail] for d in outcome.dropped])
        outcome.kept.save(whole)  # last: its being there says that all is there
    reasons = json.loads((folder / "made" / f"{name}.json").read_text(encoding="utf-8"))
    drops = [
        Drop(row, reason, detail=detail) for row, (reason, detail) in zip(Dataset.load(failed), reasons, strict=True)
    ]
    return Outcome(Dataset.load(whole), tuple(drops))


def _make(name: str, data: Dataset, llm: LLM, plan: Plan) -> Outcome:
    module = plugs.load("synth", name)
    settings = {"rounds": plan.rounds} if "rounds" in module.Config.model_fields else {}
    found: Outcome = module.make(data, llm, module.Config(**settings), plan.seed)
    return found


@dataclass(frozen=True, slots=True)
class Metered:
    """An engine whose replies are counted; the log of the run gets the counts when the last one is in."""

    llm: LLM
    folder: Path
    stage: str
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the engine that is counted."""
        return self.llm.name

    def replies(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """The engine's replies."""
        counts = dict.fromkeys(("calls", "failed", "prompt_tokens", "completion_tokens"), 0)
        for index, reply in self.llm.replies(prompts, sampling):
            counts["calls"] += 1
            counts["failed"] += reply.text is None
            counts["prompt_tokens"] += reply.prompt_tokens
            counts["completion_tokens"] += reply.completion_tokens
            yield index, reply
        runs.log(self.folder, "calls", stage=self.stage, engine=self.name, **counts)
