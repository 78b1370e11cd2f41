"""A bench on a tiny model, without a study around it."""

import pytest

from leaven.delia.bench import Bench
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes


def rows(n):
    return Dataset.of(
        pair(f"is {i} a model?\nUse the <sep> format.", '{"thought": "t", "label": "no"}', Origin("x"))
        for i in range(n)
    )


@pytest.fixture
def bench(tiny_model, tmp_path):
    def make(family="qwen3", seed=0, teacher=None, **values):
        recipe = recipes.parse(
            {
                "model": tiny_model(family, padded=True),
                "methods": ["original"],
                "token": {"means": "a json object"},
                "sample": {"max_new_tokens": 6, "keep_truncated": True},
                "evaluate": {"max_new_tokens": 5},
                "tune": {"learning_rate": 1e-2, "token_learning_rate": 1e-1},
                **values,
            },
            "test",
        )
        pool = Dataset.of(pair(f"one two {i}?", f"seven {i}", Origin("x")) for i in range(40))
        return Bench(recipe, seed, pool, tmp_path / "run", tmp_path / "run" / "cell", stderr(), teacher)

    return make


@pytest.fixture
def train():
    return rows
