"""Fixed prompts are answered while a model learns, and the model that comes out is the same to the bit."""

import json
from functools import partial

import pytest
import torch

from leaven.delia.watch import Watch
from leaven.models import train
from leaven.models.load import load
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.test import Test

ROWS = Dataset.of(pair(f"is {word} so?", f"yes, {word}", Origin("x")) for word in "one two three four".split())
TESTS = [Test(name, ROWS, "format") for name in ("unseen_phrasing", "negation", "general")]


def fitted(model, folder, look=None, on_step=None, **settings):
    """The weights of an adapter after six steps with dropout, which draws a number for every unit."""
    config = TuneSection(**{"lora_dropout": 0.2, "max_steps": 6, "save_steps": 2, "learning_rate": 0.01, **settings})
    tuned = train.fit(
        load(model, dtype=config.dtype), ROWS, config, seed=3, token_id=None, folder=folder / "checkpoints", look=look,
        on_step=on_step,
    )  # fmt: skip
    return {name: weight.clone() for name, weight in tuned.model.named_parameters()}, tuned.losses


@pytest.mark.parametrize("settings", [{}, {"gradient_checkpointing": True}, {"dtype": "bfloat16"}], ids=str)
def test_who_looks_on_changes_no_bit(tiny_model, tmp_path, settings):
    watch = Watch.of(TESTS, 2, tmp_path)
    alone, losses = fitted(tiny_model("qwen3"), tmp_path, **settings)
    watched, same = fitted(tiny_model("qwen3"), tmp_path, watch.look, **settings)
    assert losses == same and all(torch.equal(alone[name], watched[name]) for name in alone)
    lines = [json.loads(line) for line in (tmp_path / "watch.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"], line["steps"]) for line in lines] == [(1, 2, 6), (1, 4, 6)]
    assert [one["prompt"] for one in lines[0]["answers"]] == 2 * [row.question for row in list(ROWS)[:3]]
    assert [one["test"] for one in lines[0]["answers"]] == ["unseen_phrasing"] * 3 + ["general"] * 3


def test_a_training_that_was_killed_and_goes_on_is_looked_at_where_it_stands(tiny_model, tmp_path):
    def die(step, *_):
        if step == 4:
            raise KeyboardInterrupt

    watch = Watch.of(TESTS, 5, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fitted(tiny_model("qwen3"), tmp_path, watch.look, on_step=die)
    fitted(tiny_model("qwen3"), tmp_path, partial(watch.look, stage=2))
    lines = [json.loads(line) for line in (tmp_path / "watch.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 5)]


def test_nothing_is_asked_where_nobody_looks_or_no_test_has_such_rows(tmp_path):
    assert Watch.of(TESTS, 0, tmp_path) is None
    assert Watch.of([Test("mine", ROWS, "text")], 2, tmp_path) is None
    assert [name for name, _ in Watch.of([Test("task", ROWS, "text")], 2, tmp_path).questions] == ["task"] * 3
