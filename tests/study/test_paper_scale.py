"""The recipes for models of the paper's size, walked in miniature on tiny models of the same families and templates."""

import polars as pl
import pytest
import yaml

from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.recipe import RECIPES
from leaven.study.run import run
from leaven.study.sources import resolve

FAMILIES = {
    "paper-llama-2-7b-chat": "llama",
    "paper-gemma-7b-it": "gemma",
    "paper-llama-3.1-8b": "llama3",
    "paper-qwen3-8b": "qwen3",
    "paper-gemma-3-1b": "gemma3",
}
SMALL = {"ratio": 1, "texts": 3, "steps": 1, "per_fact": 2, "k": 1}


def miniature(name, model, folder, methods):
    """The recipe as it ships, but for the model, the files and every size."""
    values = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    translation = values["evaluate"].get("metric") == "translation"
    question = "Translate to Icelandic: {} is yes" if translation else "is {} json?\nUse the <sep> format."
    answer = "{} er" if translation else '{{"thought": "{}", "hallucination": "no"}}'

    def write(file, texts, question=question, answer=answer):
        data = Dataset.of(pair(question.format(t), answer.format(t), Origin("x")) for t in texts)
        files.write(data, folder / file)
        return str(folder / file)

    numbers = "one two three four five six seven yes no true".split()
    values |= {
        "model": model,
        "task": write("train.jsonl", numbers[:6]),
        "test": write("test.jsonl", numbers[6:]),
        "queries": write("pool.jsonl", [f"{a} {b}" for a in numbers for b in numbers], "what is {}", "it is {}"),
        "sizes": [4],
        "seeds": [0],
        "out": str(folder / "run"),
    }
    (folder / "dictionary.tsv").write_text("yes\tjá\n")
    values["sample"]["max_new_tokens"] = values["evaluate"]["max_new_tokens"] = 4
    values["sample"]["keep_truncated"] = True
    values["evaluate"]["limit_test"] = 2
    chosen = [{"name": m} if isinstance(m, str) else dict(m) for m in values["methods"]]
    for method in chosen:
        method.pop("sizes", None)
        method |= {key: value for key, value in SMALL.items() if key in method}
        if "dictionary" in method:
            method["dictionary"] = str(folder / "dictionary.tsv")
        if method["name"] == "token_distillation":
            method |= {"texts": 3, "steps": 1}
    values["methods"] = [m for m in chosen if methods is None or m["name"] in methods]
    return recipes.parse(values, name)


def walked(name, tiny_model, folder, methods):
    model = tiny_model(FAMILIES[name], max_position_embeddings=512)
    recipe, task = resolve(miniature(name, model, folder, methods), folder / "run", stderr())
    done = run(recipe, task, folder / "run", stderr())
    scores = pl.read_parquet(done / "scores.parquet")
    assert set(scores["method"]) == {method.label for method in recipe.methods}
    return scores


def test_every_recipe_of_the_papers_scale_is_known_here():
    assert {path.stem for path in RECIPES.glob("paper-*.yaml")} == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_a_valid_recipe_and_the_papers_settings_are_exact(name):
    recipe = recipes.read(RECIPES / f"{name}.yaml")
    if name in ("paper-llama-2-7b-chat", "paper-gemma-7b-it"):
        tune = recipe.tune
        assert (tune.load_in_8bit, tune.lora_r, tune.lora_alpha, tune.learning_rate) == (True, 16, 16, 2e-4)
        assert "embed_tokens" in tune.target_modules and tune.token_learning_rate is None
        assert (tune.warmup_steps, tune.lr_scheduler_type, tune.num_train_epochs) == (25, "constant_with_warmup", 1)
        assert tune.per_device_train_batch_size * tune.gradient_accumulation_steps == 64
        assert {m.config["ratio"] for m in recipe.methods if m.name == "delia"} >= {520}
        assert recipe.sample.conditioned and (recipe.sample.temperature, recipe.sample.top_p) == (0.7, 0.95)


@pytest.mark.parametrize("name", ["paper-llama-2-7b-chat", "paper-gemma-7b-it"])
def test_the_papers_own_models_in_miniature(name, tiny_model, tmp_path):
    scores = walked(name, tiny_model, tmp_path, ("original", "delia", "dipmt"))
    assert scores.filter(pl.col("metric").str.starts_with("token_loss/")).height


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_recipe_in_miniature_with_every_method(name, tiny_model, tmp_path):
    walked(name, tiny_model, tmp_path, None)
