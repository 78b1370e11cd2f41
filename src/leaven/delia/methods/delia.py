"""DELIA: task rows said in many ways, buffered with diverse rows that the model sampled from itself (2408.10841)."""

from typing import Literal

from pydantic import Field

from leaven.delia import buffer, choice, stages
from leaven.delia import work as works
from leaven.delia.bench import Bench, Fitted
from leaven.delia.choice import Choice
from leaven.delia.settings import AUTO, DiversifyChanges, Ratio, TuneChanges, with_changes
from leaven.errors import UserError
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.section import Section
from leaven.task.task import Task

CHOSEN = ("own", "masked", "held")
"""The buffers of the model's own answers to the pool, of which some can be chosen."""


class Config(Section):
    """What is mixed, and how it is tuned on."""

    ratio: Ratio = Field(20, validate_default=True)
    """Diverse rows for each task row, and others in each pass (`tune.num_train_epochs`); the paper goes from 0 to 520,
    with one pass. auto: the smallest that a pilot finds sufficient (the recipe's `pilot`)."""
    diversify: DiversifyChanges = DiversifyChanges()
    """Whether to say the instructions in many ways; a mapping changes the recipe's `diversify`."""
    buffer: Literal["own", "external", "task", "masked", "held", "dialogues"] = "own"
    """What the task rows are buffered with; own: what the model sampled from itself. Two controls put other rows in
    their place: external (the same queries with the pool's answers) and task (the task rows again). Two have DELIA's
    own mixture in its order and steps, but the diverse rows carry no loss (masked), or KL(base ‖ tuned) in place of it
    (held: KL on the pool's prompts). dialogues: the model writes the questions too, as SA-SFT has it (2602.20162)."""
    contrast: float = Field(0, ge=0)
    """Rows that forbid the token and are answered plainly, by the model itself, in each pass: they teach "not". Below
    1 a share of the task rows."""
    choose: Choice | None = None
    """Which of several times as many self-samples, or queries, the buffer holds; without it, those that come first."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def check(config: Config, task: Task) -> None:
    """Raises UserError where the buffer takes the pool's answers, and a query has none, or can't be chosen."""
    if config.choose is not None:
        if config.buffer not in CHOSEN:
            raise UserError(
                f"choose says which own answers are kept, and buffer: {config.buffer} has none",
                "Leave one of them out.",
            )
        if config.choose.rows == "queries" and not len(task.pool):
            raise UserError("choose.rows: queries, but the model writes them itself", "Write rows: samples.")
        choice.check(config.choose)
    if config.buffer == "external" and any(query.answer is None for query in task.pool):
        raise UserError(
            "buffer: external takes the pool's answers, but not every query has one", "Bring answered rows."
        )


def work(task_rows: int, tune: TuneSection, config: Config) -> works.Work:
    """In each pass the task rows again, beside a buffer of its own; what is chosen from is sampled too."""
    ratio, passes = float(config.ratio), buffer.passes(tune)
    once = buffer.contrast_rows(task_rows, config.contrast)
    schedule = buffer.schedule(task_rows, ratio, tune, passes, once)
    rows, diverse, contrast = passes * task_rows, passes * buffer.diverse_rows(task_rows, ratio), passes * once
    if config.buffer == "task":
        sampled = diverse + contrast if contrast else 0
        return works.Work(rows + diverse, contrast, sampled, schedule, sampled)
    queries = round(config.choose.of * diverse) if config.choose else diverse
    sampled = diverse if config.choose and config.choose.rows == "queries" else queries
    return works.Work(rows, diverse + contrast, sampled + contrast, schedule, queries + contrast)


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Diversify the instructions, sample diverse rows, shuffle both together, tune."""
    assert config.ratio != AUTO, "a pilot finds the ratio before (study/ratio_pilot.py)"
    varied = bench.diversify(train, config.diversify)
    tune = with_changes(bench.settings.tune, config.tune)
    passes = buffer.passes(tune)
    n = passes * bench.at_ratio(config.ratio, len(train))
    diverse = _diverse(train, varied, n, passes, bench, config)
    if passes > 1:
        bench.ledger.notes.append(f"{passes} passes over the task rows, each beside diverse rows of its own.")
    forbidden = buffer.contrast_rows(len(train), config.contrast)
    bench.ledger.counted("contrast", config.contrast, len(train), forbidden)
    contrast = bench.contrast(passes * forbidden, n, passes)
    mixture = bench.mix(varied, diverse, passes, contrast=contrast, reword=config.diversify.on, **config.tune)
    changes = {**config.tune, "num_train_epochs": tune.num_train_epochs / passes}
    if config.buffer == "held":
        from leaven.models.losses import kl_on_pool

        changes["objective"] = kl_on_pool.loss
    return bench.tune(mixture, **changes)


def _diverse(train: Dataset, varied: Dataset, n: int, passes: int, bench: Bench, config: Config) -> Dataset:
    """What the task rows are buffered with."""
    match config.buffer:
        case "task":
            return stages.repeat(varied, n, bench.seed)
        case "external":
            return bench.external(n, passes)
        case "dialogues":
            return bench.dialogues(n)
    own = bench.choose(n, passes, config.choose, train) if config.choose else bench.diverse(n, passes)
    if config.buffer == "masked":
        return buffer.without_loss(own)
    return buffer.hold(own) if config.buffer == "held" else own
