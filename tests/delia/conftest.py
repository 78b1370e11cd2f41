"""A bench on a tiny model, put together from its parts, without a study around it."""

import pytest

from leaven.delia.bench import Bench
from leaven.delia.fitted import Answerer
from leaven.delia.ledger import Ledger
from leaven.delia.pool import Pool
from leaven.delia.settings import Settings
from leaven.delia.tuner import Tuner
from leaven.models.base import Base
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import stderr
from leaven.task.format import open_format
from leaven.task.token import TokenSection


def rows(n):
    return Dataset.of(
        pair(f"is {i} a model?\nUse the <sep> format.", '{"thought": "t", "label": "no"}', Origin("x"))
        for i in range(n)
    )


@pytest.fixture
def bench(tiny_model, tmp_path):
    def make(family="qwen3", seed=0, teacher=None, queries=40, token=None, **settings):
        folder, progress = tmp_path / "run" / "cell", stderr()
        settings = Settings.model_validate(
            {
                "sample": {"max_new_tokens": 6, "keep_truncated": True},
                "max_new_tokens": 5,
                "tune": {"learning_rate": 1e-2, "token_learning_rate": 1e-1},
                **settings,
            }
        )
        token = TokenSection(**(token or {"means": "a json object"}))
        base = Base(tiny_model(family, padded=True))
        pool = Dataset.of(pair(f"one two {i}?", f"seven {i}", Origin("x")) for i in range(queries))
        return Bench(
            model=base,
            pool=Pool(pool, base, settings.sample, tmp_path / "run" / "pool", progress),
            tuner=Tuner(base, token, settings.tune, seed, folder, Answerer(settings.max_new_tokens, progress, "cell")),
            ledger=Ledger(),
            token=token,
            format=open_format("json"),
            settings=settings,
            seed=seed,
            folder=folder,
            teacher=teacher,
        )

    return make


@pytest.fixture
def train():
    return rows
