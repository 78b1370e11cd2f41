"""Tune on the model's own answers to the task's questions, whatever they are: SSD, which reads no answer (2604.01193).

The answers are sampled before the training, at a temperature above 1 and a cut nucleus, from the model as it was, and
are not checked; empty ones alone are dropped (the published filter, which drops lines of less than ten characters too,
would drop a task's short answers). Top-k, 20 where the paper's model is an instructed one, is left out. It can't learn
what a token means, since nobody tells it: it is the control for what tuning on one's own words does by itself.
"""

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.delia.makers import self_sample
from leaven.delia.settings import DiversifyChanges, TuneChanges
from leaven.llm.engines.hf import HF
from leaven.rows.dataset import Dataset
from leaven.rows.example import answered
from leaven.section import Section


class Config(Section):
    """How the answers are sampled, and how they are tuned on."""

    temperature: float = Field(1.6, ge=0)
    """Sampling temperature; the paper's for an instructed model."""
    top_p: float = Field(0.8, gt=0, le=1)
    """Nucleus of the sampling; the paper's for an instructed model."""
    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Whether to say the instructions in many ways first, as DELIA does."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Answer the task's questions with the untouched model, and tune on its answers."""
    sampling = bench.settings.sample.model_copy(update={"temperature": config.temperature, "top_p": config.top_p})
    queries, llm = bench.diversify(train, config.diversify), HF.of(bench.base().weights)
    with bench.ledger.timed("sample"):
        samples = bench.ledger.keep(self_sample.make(queries, llm, sampling, bench.seed, form="plain"))
    own = {row.origin.parents[0]: row for row in samples}
    pairs = [(row, own[row.id]) for row in queries if row.id in own]
    rows = Dataset.of((answered(row, sample.answer or "", sample.truncated) for row, sample in pairs), samples.made_by)
    return bench.tune(rows.shuffle(bench.seed), **config.tune)
