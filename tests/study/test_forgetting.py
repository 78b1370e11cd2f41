"""Benchmarks before and after: the difference is paired, a floor is said, and a study keeps both."""

import json
from math import comb

import polars as pl
import pytest

pytest.importorskip("lm_eval")

from leaven.errors import UserError
from leaven.runs.progress import stderr
from leaven.study import forgetting, preflight
from leaven.study import recipe as recipes
from leaven.study.headline import tell
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve


def answers(values, chance=0.25, measure="acc"):
    rows = [(f"t/{place}", measure, "", "", "", float(value), chance) for place, value in enumerate(values)]
    names = ("item", "measure", "prompt", "reference", "answer", "value", "chance")
    return pl.DataFrame(rows, schema=names, orient="row")


def table(untouched, **after):
    rows = list(forgetting.scores(untouched, [(8, 0)]))
    rows += [
        (method, 8, 0, "quiz/acc", f"t/{place}", float(value))
        for method, values in after.items()
        for place, value in enumerate(values)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_what_is_lost_is_paired_item_by_item():
    before = {"quiz": answers([1] * 30 + [0] * 10)}
    (lost, same) = forgetting.compare(table(before, common=[1] * 10 + [0] * 30, delia=[1] * 30 + [0] * 10), before)
    assert (lost["method"], lost["before"], lost["after"], lost["difference"]) == ("common", 0.75, 0.25, -0.5)
    assert lost["high"] < 0 and lost["verdict"] == "worse than before" and lost["items"] == 40
    assert same["difference"] == 0 and same["verdict"] == "no difference can be told"


def at_least(right, items, chance):
    return sum(comb(items, k) * chance**k * (1 - chance) ** (items - k) for k in range(right, items + 1))


@pytest.mark.parametrize(("right", "chance"), [(right, chance) for right in range(21) for chance in (0.0, 0.25, 0.5)])
def test_a_model_that_may_guess_is_at_the_floor(right, chance):
    said = forgetting.floor(answers([1] * right + [0] * (20 - right), chance))
    assert bool(said) == (at_least(right, 20, max(chance, 0.05)) >= 0.05)
    if said:
        assert said == f"{right} of 20 right, a guess {100 * chance:.0f} %"


def test_at_the_floor_no_verdict_is_given():
    before = {"quiz": answers([1, 0] * 20, chance=0.5)}
    (row,) = forgetting.compare(table(before, delia=[0] * 40), before)
    assert row["verdict"] == "at the floor, not testable" and row["floor"] == "20 of 40 right, a guess 50 %"
    assert row["after"] == 0


def test_a_share_between_right_and_wrong_has_no_floor():
    assert forgetting.floor(answers([0.1, 0.2, 0.1])) == ""


def test_the_headline_tells_the_benchmarks_of_its_method():
    before = {"quiz": answers([1] * 40)}
    rows = forgetting.compare(table(before, delia=[0] * 40), before)
    summary = {"headline_metrics": [], "methods": ["delia"], "rows": [], "comparisons": [], "notes": []}
    row = {"method": "delia", "size": 8, "metric": "x", "mean": 0.0, "low": None, "n_seeds": 1}
    told = tell({**summary, "rows": [row], "forgotten": rows}, [])
    assert "Public benchmarks with DELIA: quiz 0 %, before 100 % (worse than before)." in told["findings"]


VALUES = {
    "methods": ["original", {"name": "common"}],
    "sizes": [8],
    "token": {"means": "a json object with the key thought"},
    "tune": {"preset": "lab"},
    "probes": [],
}


def recipe_of(copies, **evaluate):
    asked = {"benchmarks": ["mmlu", "bbh"], "benchmark_data": str(copies), "benchmark_limit": 5}
    return recipes.parse({**VALUES, "evaluate": {"max_new_tokens": 8, "limit_test": 2, **asked, **evaluate}}, "test")


def study(recipe, folder):
    recipe, task = resolve(recipe, folder, stderr())
    return run(recipe, task, folder, stderr())


def test_a_study_asks_before_and_after_the_same_items(copies, tmp_path):
    folder = study(recipe_of(copies), tmp_path / "study")
    scores = pl.read_parquet(folder / "scores.parquet").filter(pl.col("metric").str.starts_with("mmlu/"))
    items = scores.group_by("method").agg(pl.col("item").sort())
    assert sorted(items["method"]) == ["common", "original"] and items["item"][0].equals(items["item"][1])
    assert len(items["item"][0]) == 5
    rows = json.loads((folder / "summary.json").read_text())["forgotten"]
    assert [(row["benchmark"], row["method"], row["items"]) for row in rows] == [
        ("mmlu", "common", 5),
        ("bbh", "common", 5),
    ]
    assert (folder / "cells" / "common-n8-s0" / "benchmarks" / "bbh.parquet").is_file()
    assert not (folder / "cells" / "original-n8-s0" / "benchmarks").exists()
    from leaven.view import page

    html = page.write(folder).read_text()
    assert "What is forgotten" in html and "at the floor, not testable: " in html
    with (copies / "bbh.jsonl").open("a") as file:
        file.write(json.dumps({"task": "navigate", "input": "More?", "target": "No"}) + "\n")
    with pytest.raises(UserError, match=r"bbh.jsonl has changed since cell 2"):
        study(recipe_of(copies), folder)


def test_what_cannot_be_asked_is_said_before_anything_is_trained(copies, tmp_path, few_tasks):
    recipe = recipe_of(copies, benchmarks=["mmlu", "mmllu", "piqa"])
    said = "\n".join(map(str, preflight.errors(recipe, None, tmp_path)))
    assert "there is no benchmark called 'mmllu'" in said and "Did you mean 'mmlu'?" in said
    assert "the benchmark piqa is neither in" in said and "piqa.jsonl" in said
    with pytest.raises(UserError, match="'mmlu' is there twice"):
        recipe_of(copies, benchmarks=["mmlu", "mmlu"])


def test_a_missing_extra_is_said_with_its_command(copies, tmp_path, monkeypatch):
    from leaven import extras

    installed = extras._installed
    monkeypatch.setattr(extras, "_installed", lambda package: package != "lm_eval" and installed(package))
    said = "\n".join(map(str, preflight.errors(recipe_of(copies), None, tmp_path)))
    assert "lm_eval is not installed" in said and "pip install 'leaven[benchmarks]'" in said
