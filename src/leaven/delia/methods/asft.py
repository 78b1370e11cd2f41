"""Token losses weighted by the model's own probability, and an anchor at the base model (ASFT, arXiv 2509.23753).

Without the anchor it is DFT (2508.05629), whose name stands for it. The weights and the direction of the divergence,
KL(base ‖ tuned), are those of the authors' code; their base, too, is the model without its adapter where LoRA is tuned.
"""

from functools import partial

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import DiversifyChanges, TuneChanges
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """The anchor, and how the task rows are tuned on."""

    anchor: float = Field(0.1, ge=0)
    """Weight of the divergence from the base model on the trained tokens: the published code's default."""
    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Whether to say the instructions in many ways first, as DELIA does."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the task rows by the weighted, anchored loss."""
    from leaven.models.losses import probability_weighted

    rows = bench.diversify(train, config.diversify).shuffle(bench.seed)
    return bench.tune(rows, objective=partial(probability_weighted.loss, anchor=config.anchor), **config.tune)
