"""A command's flags are the fields of the settings that they change."""

from typing import get_args

import typer
from typer.main import get_command

from leaven.cli import flags
from leaven.cli.delia import app, recipe_of
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.leaks import LeaksSection
from leaven.task.settings import EvaluateSection


def told(words):
    """What `leaven delia` understands of these words."""
    return get_command(app).make_context("leaven delia", ["task.jsonl", "--model", "lab", *words]).params


def test_every_field_of_tuning_is_a_flag_of_delia_with_its_docstring_as_help():
    options = {option.name: option for option in get_command(app).params}
    for name, field in TuneSection.model_fields.items():
        assert name in options, name
        if name != "preset":
            assert " ".join(field.description.split()) in options[name].help


def test_what_is_said_is_given_and_what_is_not_is_left_to_the_preset():
    words = "--learning-rate 2e-3 --num-train-epochs 5 --lora-r 8 --target-modules q_proj --target-modules v_proj"
    found = flags.given(TuneSection, told([*words.split(), "--no-load-in-8bit", "--batching", "packed"]))
    assert found == {
        "learning_rate": 2e-3, "num_train_epochs": 5.0, "lora_r": 8, "target_modules": ["q_proj", "v_proj"],
        "load_in_8bit": False, "batching": "packed",
    }  # fmt: skip
    assert flags.given(TuneSection, told([])) == {}
    assert TuneSection.model_validate({"preset": "paper", **found}).warmup_steps == 25


def test_how_is_sampled_tested_and_guarded_are_flags_of_delia():
    words = "--temperature 0.9 --top-p 0.8 --keep-truncated --judge openai:m --more-tests robustness --no-leaks"
    recipe = recipe_of(told([*words.split(), "--max-new-tokens", "64", "--conditioned"]))
    assert recipe.sample == SampleSection(
        temperature=0.9, top_p=0.8, keep_truncated=True, max_new_tokens=64, conditioned=True
    )
    assert (recipe.evaluate.judge, recipe.evaluate.more_tests) == ("openai:m", ("robustness",))
    assert (recipe.evaluate.max_new_tokens, recipe.leaks.enabled) == (64, False)
    silent = recipe_of(told([]))
    assert (silent.sample, silent.evaluate, silent.leaks) == (SampleSection(), EvaluateSection(), LeaksSection())


def test_a_tuple_is_a_list_and_nothing_is_required():
    for flag in flags.of(TuneSection, "panel"):
        assert flag.default is None
        assert isinstance(get_args(flag.annotation)[1], typer.models.OptionInfo)
