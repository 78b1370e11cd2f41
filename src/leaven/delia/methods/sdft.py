"""Self-distillation: the task rows with their answers rewritten by the model itself (SDFT, 2402.13669)."""

from typing import Literal

from leaven.delia.bench import Bench, Fitted
from leaven.delia.makers import self_sample
from leaven.delia.settings import TuneChanges
from leaven.llm.engines.hf import HF
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, answered
from leaven.section import Section
from leaven.task.format import Format

Form = Literal["guided", "again"]


class Config(Section):
    """How the answers are rewritten, and how they are tuned on."""

    form: Form = "guided"
    """guided: the reference inside the question, as a guide; again: as an earlier answer to the same question."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Rewrite what the model can rewrite in the reference's format and with its label, keep the other answers, tune."""
    return bench.tune(rewrite(train, bench, config.form).shuffle(bench.seed), **config.tune)


def rewrite(train: Dataset, bench: Bench, form: Form) -> Dataset:
    """The task rows with the untouched model's own answers, where those have the format of the references."""
    llm = HF.of(bench.model.lend())
    with bench.ledger.timed("sample"):
        samples = bench.ledger.keep(self_sample.make(train, llm, bench.settings.sample, bench.seed, form=form))
    own = {row.origin.parents[0]: row for row in samples}
    rows = [_reword(row, own.get(row.id), bench.format) for row in train]
    changed = sum(new.answer != old.answer for new, old in zip(rows, train, strict=True))
    rest = "the others would lose the format or the label" if changed else "so that this is common tuning, and not SDFT"
    bench.ledger.notes.append(f"{changed} of {len(train)} answers are the model's own; {rest}.")
    return Dataset.of(rows, (*train.made_by, f"rewritten({form})"))


def _reword(row: Example, sample: Example | None, form: Format) -> Example:
    """The row with the sample's answer, where that has the reference's label and is as well formed; else the row."""
    reference, own = row.answer or "", sample.answer if sample else None
    if sample is None or own is None or form.detect(own) != form.detect(reference):
        return row
    if form.valid(reference) and not form.valid(own):
        return row
    if getattr(form.config, "labels", ()) and form.value(own) != form.value(reference):
        return row
    return answered(row, own, sample.truncated)
