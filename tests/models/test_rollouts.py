"""What a model says while it learns: its own draws, beside the context of a teacher; and a training on them."""

from functools import partial

import pytest
import torch

from leaven.models import rollouts, train
from leaven.models.base import Base
from leaven.models.batches import Batch
from leaven.models.load import load
from leaven.models.losses import self_distillation
from leaven.models.settings import TuneSection
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Origin, pair, user

ROWS = Dataset.of(pair(f"is {word} so?", f"yes, {word}", Origin("x")) for word in "one two three four".split())


def with_answer(row):
    return (Message("user", f"{row.question} {row.answer}"),)


SETTINGS = {"teacher_prompt": with_answer, "temperature": 1.0, "max_new_tokens": 5, "skip": 0, "seed": 0}


def sampled(loaded, step=0, **changes):
    return rollouts.sample(loaded, step, list(ROWS), **{**SETTINGS, **changes})


def test_rollouts_are_the_models_own_answers_and_differ_from_step_to_step(tiny_model):
    loaded = load(tiny_model("qwen3"))
    first, again, next_step = sampled(loaded), sampled(loaded), sampled(loaded, step=1)
    assert first == again and [row.input_ids for row in first] != [row.input_ids for row in next_step]
    for row, example in zip(first, ROWS, strict=True):
        prompt = encode(loaded.tokenizer, render(loaded.tokenizer, example.prompt, True))
        assert row.input_ids[: len(prompt)] == prompt and not any(row.completion_mask[: len(prompt)])
        assert row.context == tuple(encode(loaded.tokenizer, render(loaded.tokenizer, with_answer(example), True)))


def test_a_teacher_reads_the_same_answers_and_what_is_skipped_carries_no_loss(tiny_model):
    loaded = load(tiny_model("qwen3"))
    plain, rows = sampled(loaded), sampled(loaded, skip=2)
    for skip, all_of_them in zip(rows, plain, strict=True):
        assert skip.input_ids == all_of_them.input_ids and skip.trained == all_of_them.trained[2:]
        assert [*skip.context, *skip.input_ids][-2:] == skip.input_ids[-2:]
        assert skip.taught.input_ids == all_of_them.taught.input_ids
    batch = Batch.of(rows, 0, True, torch.device("cpu"))  # packed, which it is not: both must stand in one order
    assert batch.inputs["input_ids"].shape[0] == len(rows)
    assert torch.equal(batch.answers, batch.teacher.answers)


def test_a_teacher_that_reads_the_students_own_prompt_says_the_same(tiny_model, tmp_path):
    fitted = fit(tiny_model, tmp_path, teacher_prompt=lambda row: user(row.question), max_steps=1)
    assert fitted.losses[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_the_divergence_falls(tiny_model, tmp_path, direction):
    fitted = fit(tiny_model, tmp_path, max_steps=12, direction=direction)
    assert sum(fitted.losses[-4:]) < 0.9 * sum(fitted.losses[:4])


def test_a_killed_training_on_rollouts_goes_on_as_if_it_had_not_been(tiny_model, tmp_path):
    def die(step, *_):
        if step == 3:
            raise KeyboardInterrupt

    whole = fit(tiny_model, tmp_path / "whole", max_steps=5, save_steps=2)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_model, tmp_path / "killed", max_steps=5, save_steps=2, on_step=die)
    rest = fit(tiny_model, tmp_path / "killed", max_steps=5, save_steps=2)
    assert (rest.losses, rest.tokens, rest.trained_tokens) == (whole.losses, whole.tokens, whole.trained_tokens)


def fit(tiny_model, folder, direction="reverse", on_step=None, teacher_prompt=with_answer, **settings):
    return train.fit(
        Base(tiny_model("qwen3")).lend(),
        ROWS,
        TuneSection.model_validate({"learning_rate": 1e-2, "small_data_batch": 4, **settings}),
        seed=0,
        token_id=None,
        folder=folder,
        on_step=on_step,
        objective=partial(self_distillation.loss, direction=direction),
        rollouts=partial(rollouts.sample, **{**SETTINGS, "teacher_prompt": teacher_prompt}),
    )
