from functools import partial

import pytest
import torch

from leaven.models import tokens, train
from leaven.models.load import load
from leaven.models.losses import cross_entropy, kl_to_base
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.token import TokenSection

ROWS = Dataset.of(pair(f"is {word} so in <sep>?", f"yes, {word}", Origin("x")) for word in "one two three four".split())


def tuned(path, folder, objective, **settings):
    loaded = load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    config = TuneSection.model_validate(
        {"learning_rate": 1e-2, "token_learning_rate": 1e-1, "small_data_batch": 3, **settings}
    )
    return train.fit(loaded, ROWS, config, seed=0, token_id=token_id, folder=folder, objective=objective)


@pytest.mark.parametrize("batching", ["length", "packed"])
def test_with_weight_zero_it_is_ordinary_tuning(tiny_model, tmp_path, batching):
    losses = [
        tuned(tiny_model(), tmp_path, objective, max_steps=6, batching=batching).losses
        for objective in (cross_entropy.loss, partial(kl_to_base.loss, weight=0.0))
    ]
    assert len(losses[0]) == 6 and losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_in_the_first_step_tuned_and_base_are_one_and_later_the_rope_pulls(tiny_model, tmp_path):
    plain, roped = (
        tuned(tiny_model(), tmp_path, partial(kl_to_base.loss, weight=weight), max_steps=8).losses
        for weight in (0.0, 50.0)
    )
    assert roped[0] == pytest.approx(plain[0], rel=1e-5)
    assert roped[-1] > plain[-1]


def test_divergence_by_hand():
    shares = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    values = kl_to_base.divergence(shares.log(), torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log())
    expected = 0.9 * torch.tensor(1.8).log() + 0.1 * torch.tensor(0.2).log()
    assert values.tolist() == pytest.approx([0, float(expected)], abs=1e-6)
