import pytest
import yaml

from leaven.errors import RecipeError, UserError
from leaven.study import recipe
from leaven.study.cells import cells
from leaven.study.recipe import RECIPES

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
    part = {"name": "delia", "label": "p", "tests": ["general"], "probes": [], "sizes": [100], "first_seeds": 1}
    first = recipe.parse({"methods": ["original", {"name": "delia", "label": "d", "ratio": 5}, part]}, "x")
    assert first.methods[2].part() == {"sizes": (100,), "tests": ("general",), "probes": (), "first_seeds": 1}
    assert first.methods[2].config == {} and first.methods[1].part() == {}
    recipe.write(first, tmp_path / "r.yaml")
    assert recipe.read(tmp_path / "r.yaml") == first


def test_two_methods_of_one_name_need_labels():
    with pytest.raises(RecipeError, match="used twice"):
        recipe.parse({"methods": ["delia", {"name": "delia", "ratio": 3}]}, "x")


def test_no_method_but_the_untouched_model_is_called_so():
    """Its rows were taken for the untouched model's: no opponent of any other, and not counted as trained."""
    with pytest.raises(RecipeError, match="methods: 'original' is the label of the untouched model, not of common"):
        recipe.parse({"methods": [{"name": "common", "label": "original"}, "delia"]}, "x")


def test_a_method_has_no_probe_that_the_recipe_has_not():
    with pytest.raises(RecipeError, match=r"methods.original.probes: token_loss is not one of the recipe's probes"):
        recipe.parse({"methods": [{"name": "original", "probes": ["token_loss"]}], "probes": ["layers"]}, "x")


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


def test_probes_and_metrics_of_a_users_file_are_taken_and_a_broken_one_is_said(tmp_path):
    (tmp_path / "mine.py").write_text("def measure(loaded, task):\n    return []\n")
    (tmp_path / "score.py").write_text("def score(answers, rows, scoring):\n    return []\n")
    mine, score = str(tmp_path / "mine.py"), str(tmp_path / "score.py")
    found = recipe.parse({**MINIMAL, "probes": ["layers", mine], "evaluate": {"metric": score}}, "x")
    assert found.probes == ("layers", mine) and found.evaluate.metric == score
    with pytest.raises(RecipeError) as caught:
        recipe.parse({**MINIMAL, "probes": [score, "gradients"], "evaluate": {"more_tests": [score]}}, "x")
    assert len(caught.value.faults) == 3
    for said in ("has no measure", "'gradients' is no probe", "it has no function rows"):
        assert said in caught.value.problem


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"methods": [{"name": "delia", "ratoi": 1}]}, "methods.delia.ratoi: unknown key. Did you mean 'ratio'?"),
        ({"token": {"tetx": "<x>"}}, "token.tetx: unknown key. Did you mean 'text'?"),
        ({"seeds": [0, 1, 0]}, "seeds: 0 is there twice"),
        ({"sizes": [-1]}, "sizes.0: Input should be greater than or equal to 0"),
        ({"methods": [{"name": "delia", "label": "a/b"}]}, "the label 'a/b' names a folder too"),
        ({"methods": [{"name": "./no.py"}]}, "does not exist"),
    ],
)
def test_a_fault_is_said_with_its_place_and_the_nearest_key(values, said):
    with pytest.raises(RecipeError) as caught:
        recipe.parse({**MINIMAL, **values}, "x")
    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (
            {"name": "delia", "tune": {"num_epochs": 5}},
            "methods.delia.tune.num_epochs: unknown key. Did you mean 'num_",
        ),
        ({"name": "delia", "tune": {"learning_rate": -1}}, "methods.delia.tune.learning_rate: Input should be greater"),
        (
            {"name": "delia", "tune": {"preset": "papr"}},
            "methods.delia.tune.preset: Input should be 'auto', 'ours', 'paper'",
        ),
        ({"name": "delia", "diversify": {"mod": "x"}}, "methods.delia.diversify.mod: unknown key. Did you mean 'mode'"),
        (
            {"name": "delia_no_diverse", "diversify": False},
            "delia_no_diverse is common with diversify: true: leave di",
        ),
        ("delia_no_divers", "there is no method called 'delia_no_divers'. Did you mean 'delia_no_diverse'?"),
    ],
)
def test_what_a_method_changes_is_checked(method, sentence):
    with pytest.raises(RecipeError) as caught:
        recipe.parse({"methods": [method]}, "r.yaml")
    assert sentence in caught.value.problem


def test_an_ablation_is_a_setting_of_a_method_under_its_own_name(tmp_path):
    parsed = recipe.parse({"methods": ["common", "delia_no_diverse", {"name": "mean_embedding", "label": "m"}]}, "x")
    assert [(m.label, m.name, m.config) for m in parsed.methods] == [
        ("common", "common", {}),
        ("delia_no_diverse", "common", {"diversify": True}),
        ("m", "original", {"init": "mean"}),
    ]
    recipe.write(parsed, tmp_path / "r.yaml")
    assert recipe.read(tmp_path / "r.yaml") == parsed


def test_how_instructions_are_diversified_is_a_section():
    parsed = recipe.parse({**MINIMAL, "diversify": {"mode": "per_row", "count": 5}}, "x")
    assert (parsed.diversify.mode, parsed.diversify.count) == ("per_row", 5)
    with pytest.raises(RecipeError, match=r"diversify\.near"):
        recipe.parse({**MINIMAL, "diversify": {"near": 2}}, "x")


def test_a_method_may_run_with_the_first_so_many_seeds():
    few = {"name": "delia", "label": "few", "first_seeds": 2}
    plan = cells(recipe.parse({"methods": ["original", few], "seeds": [4, 5, 6], "sizes": [10]}, "x"), 100)
    assert [cell.seed for cell in plan if cell.method.label == "few"] == [4, 5]
    assert [cell.seed for cell in plan if cell.method.label == "original"] == [4, 5, 6]
