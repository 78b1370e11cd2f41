import pytest
import yaml

from leaven.cli.work import RECIPES
from leaven.errors import RecipeError, UserError
from leaven.study import recipe

MINIMAL = {"methods": ["original"]}


def test_every_fault_is_reported_at_once():
    values = {
        "methods": [{"name": "delai"}, {"name": "delia", "ratios": 3}],
        "sise": [3],
        "seeds": ["a"],
        "tune": {"learning_rat": 1, "lora_r": 0},
        "sample": {"top_p": 2},
    }
    with pytest.raises(RecipeError) as caught:
        recipe.parse(values, "r.yaml")
    text = caught.value.problem
    assert len(caught.value.faults) == 7
    for word in ("'delia'", "ratios", "'sizes'", "seeds.0", "'learning_rate'", "tune.lora_r", "sample.top_p"):
        assert word in text


def test_a_preset_fills_what_is_not_given():
    paper = recipe.TuneSection.model_validate({"preset": "paper", "lora_r": 4})
    assert (paper.warmup_steps, paper.lora_r, paper.token_learning_rate) == (25, 4, None)
    assert "embed_tokens" in paper.target_modules
    assert paper.per_device_train_batch_size * paper.gradient_accumulation_steps == 64


def test_the_resolved_copy_reads_back_as_the_same_recipe(tmp_path):
    first = recipe.parse({"methods": ["original", {"name": "delia", "label": "d", "ratio": 5}]}, "x")
    recipe.write(first, tmp_path / "r.yaml")
    assert recipe.read(tmp_path / "r.yaml") == first


def test_two_methods_of_one_name_need_labels():
    with pytest.raises(RecipeError, match="used twice"):
        recipe.parse({"methods": ["delia", {"name": "delia", "ratio": 3}]}, "x")


def test_an_unknown_probe_names_the_nearest():
    with pytest.raises(RecipeError, match="layers"):
        recipe.parse({**MINIMAL, "probes": ["layer"]}, "x")


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00"])
def test_a_file_that_is_no_recipe(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"r\.yaml"):
        recipe.read(path)


def test_every_shipped_recipe_is_valid_and_says_what_it_is():
    paths = sorted(RECIPES.glob("*.yaml"))
    assert paths
    for path in paths:
        assert recipe.read(path).methods
        assert path.read_text(encoding="utf-8").startswith("# ")
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["out"]


def test_metrics_and_made_tests_are_files_and_an_unknown_one_is_said():
    evaluate = {"metric": "translaton", "more_tests": ["robustnes", "negation"]}
    with pytest.raises(RecipeError) as caught:
        recipe.parse({**MINIMAL, "evaluate": evaluate}, "here")
    said = str(caught.value)
    assert "evaluate.metric: 'translaton' is no metric. Did you mean 'translation'?" in said
    assert "evaluate.more_tests: 'robustnes' is no test that can be made. Did you mean 'robustness'?" in said
    assert "evaluate.more_tests: 'negation' is no test that can be made" in said
    assert recipe.parse({**MINIMAL, "evaluate": {"metric": "general"}}, "here").evaluate.metric == "general"


def test_what_evaluate_said_of_objects_is_a_setting_of_the_tokens_format():
    old = recipe.parse({**MINIMAL, "evaluate": {"keys": ["why", "label"], "label_key": "label"}}, "x")
    assert old.token.answers == "json"
    assert old.token.answer_settings == {"keys": ["why", "label"], "label_key": "label"}
    # A resolved copy of before holds every default: these say nothing, the answers do.
    copy = recipe.parse({**MINIMAL, "evaluate": dict(recipe.JSON_OF_BEFORE), "token": {"text": "<x>"}}, "x")
    assert (copy.token.answers, copy.token.answer_settings, copy.token.text) == ("auto", {}, "<x>")
