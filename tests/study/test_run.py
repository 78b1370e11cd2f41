"""A whole study on the lab's model, small: it resumes, it repeats, and it leaves what the report needs."""

import json
import os
import shutil

import polars as pl
import pytest

from leaven.cli.work import resolve
from leaven.errors import UserError
from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.cells import cells
from leaven.study.run import run

VALUES = {
    "methods": ["original", {"name": "delia", "ratio": 1}],
    "sizes": [8],
    "seeds": [0],
    "token": {"means": "a json object with the key thought"},
    "sample": {"max_new_tokens": 24},
    "tune": {"preset": "lab"},
    "evaluate": {"max_new_tokens": 16, "limit_test": 4},
}


def study(folder, **changes):
    recipe, task = resolve(recipes.parse({**VALUES, **changes}, "test"))
    return run(recipe, task, folder, stderr())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return study(tmp_path_factory.mktemp("runs") / "study")


def scores(folder):
    return pl.read_parquet(folder / "scores.parquet")


def test_it_leaves_every_file_of_a_run(finished):
    for name in ("recipe.yaml", "env.json", "plan.json", "log.jsonl", "scores.parquet", "summary.json", "DONE"):
        assert (finished / name).is_file(), name
    cell = finished / "cells" / "delia-n8-s0"
    for name in ("cell.json", "answers.parquet", "scores.parquet", "mix.json", "data/mixture.parquet", "adapter"):
        assert (cell / name).exists(), name
    about = json.loads((cell / "cell.json").read_text())
    assert [(part["source"], part["rows"]) for part in about["mix"]] == [("task", 8), ("diverse", 8)]
    assert about["steps"] == len(about["losses"]) == 1
    assert not list(finished.rglob("*.partial")) and not (finished / "lock").exists()


def test_every_test_is_scored_for_every_method(finished):
    found = scores(finished)
    assert set(found["method"]) == {"original", "delia"}
    tests = {metric.split("/")[0] for metric in found["metric"]}
    assert tests == {"unseen_phrasing", "negation", "transfer", "general", "layers"}
    assert found.filter(pl.col("metric") == "general/exact").height == 8


def test_the_same_recipe_gives_the_same_scores(finished, tmp_path):
    assert scores(study(tmp_path / "again")).equals(scores(finished), null_equal=True)


def test_a_finished_cell_is_not_computed_again(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    shutil.rmtree(copy / "cells" / "delia-n8-s0")
    kept = (copy / "cells" / "original-n8-s0" / "cell.json").stat().st_mtime_ns
    chunks = {path: path.stat().st_mtime_ns for path in (copy / "pool").rglob("*.parquet")}
    study(copy)
    assert (copy / "cells" / "original-n8-s0" / "cell.json").stat().st_mtime_ns == kept
    assert chunks and all(path.stat().st_mtime_ns == time for path, time in chunks.items())
    assert scores(copy).equals(scores(finished), null_equal=True)


def test_another_recipe_in_the_same_folder_is_refused(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    with pytest.raises(UserError, match="other settings"):
        study(copy, seeds=[1])


def test_a_second_process_is_refused_and_a_dead_one_is_not(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    with lock(copy), pytest.raises(UserError, match=rf"another process \(process {os.getpid()} on .*\) works in"):
        study(copy)
    (copy / "lock").write_text("process 1 on here")
    study(copy)


def test_cells_come_seed_by_seed():
    recipe = recipes.parse({**VALUES, "seeds": [3, 1], "sizes": [4, 0]}, "test")
    assert [cell.name for cell in cells(recipe, 9)] == [
        f"{method}-n{size}-s{seed}" for seed in (3, 1) for size in (4, 9) for method in ("original", "delia")
    ]


def test_a_method_of_ones_own_is_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Mine."""\nfrom leaven.section import Section\nclass Config(Section):\n    """None."""\n'
        "def fit(train, bench, config):\n    return bench.base()\n"
    )
    folder = study(tmp_path / "run", methods=[str(path)], probes=[])
    assert set(scores(folder)["method"]) == {"mine"}


def test_only_some_methods_are_run_and_the_others_later(finished, tmp_path):
    recipe, task = resolve(recipes.parse(VALUES, "test"))
    folder = run(recipe, task, tmp_path / "part", stderr(), only={"original"})
    assert set(scores(folder)["method"]) == {"original"} and not (folder / "DONE").exists()
    run(recipe, task, folder, stderr())
    assert scores(folder).equals(scores(finished), null_equal=True) and (folder / "DONE").exists()


def test_a_raised_limit_and_a_field_that_is_newer_than_the_folder_are_no_other_settings(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    text = (copy / "recipe.yaml").read_text()
    (copy / "recipe.yaml").write_text(text.replace("  batch: false\n", ""))
    study(copy, llm={"max_requests": 7, "concurrency": 3})
    assert "max_requests: 7" in (copy / "recipe.yaml").read_text()
    assert scores(copy).equals(scores(finished), null_equal=True)
    with pytest.raises(UserError, match="other settings"):
        study(copy, llm={"engine": "scripted:other.jsonl"})


def test_a_study_grows_by_seeds(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    kept = (copy / "cells" / "delia-n8-s0" / "cell.json").stat().st_mtime_ns
    methods = [{"name": "original"}, VALUES["methods"][1]]
    study(copy, seeds=[0, 1], methods=methods)
    assert set(scores(copy)["seed"]) == {0, 1}
    assert (copy / "cells" / "delia-n8-s0" / "cell.json").stat().st_mtime_ns == kept
    with pytest.raises(UserError, match="other settings"):
        study(copy)


def test_a_method_may_have_sizes_of_its_own():
    methods = [{"name": "original", "sizes": [4]}, VALUES["methods"][1]]
    recipe = recipes.parse({**VALUES, "sizes": [4, 6], "methods": methods}, "test")
    assert [cell.name for cell in cells(recipe, 9)] == ["original-n4-s0", "delia-n4-s0", "delia-n6-s0"]
    with pytest.raises(UserError, match="not one of the recipe's sizes"):
        recipes.parse({**VALUES, "methods": [{"name": "original", "sizes": [5]}]}, "test")


def test_tests_can_be_made_from_others(tmp_path):
    evaluate = {**VALUES["evaluate"], "more_tests": ["robustness", "soft_prompt"]}
    folder = study(tmp_path / "run", methods=["original"], evaluate=evaluate, probes=["token_loss", "divergence"])
    found = set(scores(folder)["metric"])
    assert {"robustness/worst", "soft_prompt/controlled", "token_loss/important", "divergence/brace"} <= found


def test_a_teacher_says_the_instructions_in_other_words_and_its_cost_is_told(tmp_path, capsys):
    said = json.dumps(["Write it as <sep> wants it.", "Kindly answer by way of <sep>."])
    (tmp_path / "teacher.jsonl").write_text(json.dumps({"match": "different ways to give", "reply": said}) + "\n")
    llm = {"engine": f"scripted:{tmp_path / 'teacher.jsonl'}"}
    folder = study(tmp_path / "study", methods=[{"name": "delia", "ratio": 1}], llm=llm)
    mixture = pl.read_parquet(folder / "cells" / "delia-n8-s0" / "data" / "mixture.parquet")
    questions = [messages[0]["content"] for messages in mixture["messages"].to_list()]
    varied = [text for text in questions if "<sep>" in text]
    assert len(varied) == 8
    assert all("Write it as <sep>" in text or "by way of <sep>" in text for text in varied)
    assert "Spent 1 calls" in capsys.readouterr().err
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    (event,) = [event for event in events if event["event"] == "calls"]
    assert (event["calls"], event["engine"]) == (1, "scripted:teacher.jsonl")
