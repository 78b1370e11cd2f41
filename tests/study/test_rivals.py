"""Every rival of today in one study on the lab: it tunes, answers and is scored as any other method."""

import json

import pytest

from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.run import run
from leaven.study.sources import resolve

RIVALS = [
    "asft",
    "dft",
    {"name": "kl_on_pool", "ratio": 1},
    {"name": "on_policy_sdft", "num_loss_tokens_to_skip": 1},
    {"name": "replay", "share": 0.3},
    {"name": "sa_sft", "ratio": 1},
    {"name": "small_batch", "tune": {"max_steps": 4}},
    "ssd",
    "token_row",
    {"name": "delia", "label": "chosen", "ratio": 1, "choose": {"selector": "near", "of": 2, "embedder": "lsa"}},
]


@pytest.mark.slow
def test_every_rival_runs_on_the_lab(tmp_path):
    values = {
        "model": "lab", "task": "lab", "queries": "lab", "methods": RIVALS, "sizes": [8], "seeds": [0],
        "token": {"means": "a json object with the keys thought and hallucination"},
        "sample": {"max_new_tokens": 48}, "tune": {"preset": "lab", "step_task_rows": 4, "num_train_epochs": 2},
        "evaluate": {"max_new_tokens": 32, "limit_test": 2}, "out": str(tmp_path),
    }  # fmt: skip
    recipe, task = resolve(recipes.parse(values, "test"), tmp_path, stderr())
    folder = run(recipe, task, tmp_path, stderr())
    cells = [json.loads(path.read_text()) for path in folder.glob("cells/*/cell.json")]
    assert len(cells) == len(RIVALS) and all(cell["steps"] == 4 for cell in cells), [cell["steps"] for cell in cells]
    diverse = {
        cell["method"]: sum(part["rows"] for part in cell["mix"] if part["source"] == "diverse") for cell in cells
    }
    assert {name: rows for name, rows in diverse.items() if rows} == {
        "kl_on_pool": 16, "replay": 3, "sa_sft": 16, "chosen": 16
    }  # fmt: skip
