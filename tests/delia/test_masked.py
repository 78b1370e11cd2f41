"""The primary control: what `masked` trains, batch by batch, is what DELIA trains, but for the loss mask."""

from leaven.delia.methods import delia
from leaven.models.batches import IGNORED, Batch


def batches_of(monkeypatch, bench, train, buffer):
    """Every batch of a training as the model and its loss get it, and the fitted model."""
    batches, of = [], Batch.of
    monkeypatch.setattr(Batch, "of", lambda *rows: batches.append(of(*rows)) or batches[-1])
    tune = {"step_task_rows": 2, "max_steps": 5, "per_device_train_batch_size": 4}
    fitted = delia.fit(train(6), bench(tune=tune), delia.Config(ratio=3, buffer=buffer))
    monkeypatch.undo()
    return batches, fitted


def test_the_masked_control_differs_from_delia_in_the_loss_mask_alone(monkeypatch, bench, train):
    (own, fitted), (silent, masked) = (batches_of(monkeypatch, bench, train, kind) for kind in ("own", "masked"))
    assert len(own) == len(silent) >= fitted.steps == masked.steps == 5
    trained = [0, 0]
    for one, other in zip(own, silent, strict=True):
        assert one.inputs.keys() == other.inputs.keys()
        assert all(one.inputs[name].equal(other.inputs[name]) for name in one.inputs)
        on, still_on = one.target != IGNORED, other.target != IGNORED
        assert (on | ~still_on).all() and one.target[still_on].equal(other.target[still_on])
        rows = still_on.any(dim=1)  # a row keeps its whole mask, or has none
        assert on[rows].equal(still_on[rows])
        trained = [trained[0] + int(on.sum()), trained[1] + int(still_on.sum())]
    assert 0 < trained[1] < trained[0]
    assert fitted.tokens == masked.tokens and (fitted.trained_tokens, masked.trained_tokens) == tuple(trained)
