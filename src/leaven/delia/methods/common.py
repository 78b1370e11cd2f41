"""Common instruction tuning: the task rows alone, what every other method is compared with."""

from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import DiversifyChanges, TuneChanges
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """How the task rows are tuned on."""

    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Whether to say the instructions in many ways first, as DELIA does; a mapping changes the recipe's `diversify`."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the task rows."""
    return bench.tune(bench.diversify(train, config.diversify).shuffle(bench.seed), **config.tune)
