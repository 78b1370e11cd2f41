"""A whole study on the lab's model, small: it resumes, it repeats, and it leaves what the report needs."""

import json
import os
import re
import shutil
from importlib import metadata

import polars as pl
import pytest
import torch

from leaven.delia import pool
from leaven.errors import UserError
from leaven.models import load
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.cells import cells
from leaven.study.run import run
from leaven.study.sources import resolve

VALUES = {
    "methods": ["original", {"name": "delia", "ratio": 1}],
    "sizes": [8],
    "seeds": [0],
    "token": {"means": "a json object with the key thought"},
    "sample": {"max_new_tokens": 12},
    "tune": {"preset": "lab"},
    "evaluate": {"max_new_tokens": 8, "limit_test": 4},
}


def study(folder, continue_anyway=False, **changes):
    recipe, task = resolve(recipes.parse({**VALUES, **changes}, "test"), folder, stderr())
    return run(recipe, task, folder, stderr(), continue_anyway=continue_anyway)


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    """Eight diverse rows are wanted: no need to sample 256 questions for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "chunk", lambda *_: 32)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return study(tmp_path_factory.mktemp("runs") / "study")


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


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


def test_both_stages_of_a_training_are_told_of(tmp_path, leaven):
    """The second stage's table took the place of the first's: a cell of DMT said that it had trained one task row."""
    evaluate = {"max_new_tokens": 2, "limit_test": 2}
    folder = study(tmp_path / "study", methods=[{"name": "dmt", "ratio": 0.5}], evaluate=evaluate)
    about = json.loads((folder / "cells" / "dmt-n8-s0" / "cell.json").read_text())
    mixes = about["mix"], about["second_stage"]["mix"]
    assert [[(part["source"], part["rows"]) for part in mix] for mix in mixes] == [
        [("task", 8)],
        [("task", 1), ("diverse", 4)],
    ]
    lines = leaven("show", "mix", folder).out.splitlines()
    titles = [line.strip() for line in lines if line.startswith("dmt")]
    assert titles == ["dmt-n8-s0", "dmt-n8-s0, second stage"]


def test_every_test_is_scored_for_every_method(finished):
    found = scores(finished)
    assert set(found["method"]) == {"original", "delia"}
    tests = {metric.split("/")[0] for metric in found["metric"]}
    assert tests == {"unseen_phrasing", "negation", "transfer", "general", "layers"}
    assert found.filter(pl.col("metric") == "general/exact").height == 8


def test_a_finished_cell_is_not_computed_again(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    shutil.rmtree(copy / "cells" / "delia-n8-s0")
    kept = (copy / "cells" / "original-n8-s0" / "cell.json").stat().st_mtime_ns
    chunks = {path: path.stat().st_mtime_ns for path in (copy / "pool").rglob("*.parquet")}
    study(copy)
    assert (copy / "cells" / "original-n8-s0" / "cell.json").stat().st_mtime_ns == kept
    assert chunks and all(path.stat().st_mtime_ns == time for path, time in chunks.items())
    assert scores(copy).equals(scores(finished), null_equal=True)


def test_another_recipe_in_the_same_folder_is_refused_and_each_difference_named(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    with pytest.raises(UserError, match="seeds were \\[0\\] and are \\[1\\]: a study may grow by seeds, but lose none"):
        study(copy, seeds=[1])
    methods = ["original", {"name": "delia", "ratio": 2}]
    with pytest.raises(UserError) as refused:
        study(copy, sample={"max_new_tokens": 25}, methods=methods)
    assert refused.value.problem == "sample.max_new_tokens was 12 and is 25; methods.delia.ratio was 1 and is 2"
    assert refused.value.hint.startswith("Start anew with another --out, or go on with --continue-anyway")


def test_a_study_grows_by_a_method_and_its_cells_stay(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    stamps = {path: path.stat().st_mtime_ns for path in copy.glob("cells/*/cell.json")}
    study(copy, methods=["original", {"name": "delia", "ratio": 1}, "random_embedding"])
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps and runs.closed(copy)
    old = pl.col("method") != "random_embedding"
    assert scores(copy).filter(old).equals(scores(finished), null_equal=True)
    assert scores(copy).filter(~old).height > 0
    with pytest.raises(UserError, match=r"methods\.random_embedding\.init was random and is not set"):
        study(copy)


def test_a_finished_study_says_so_and_does_nothing_wherever_it_was_moved(finished, tmp_path, capsys):
    copy = shutil.copytree(finished, tmp_path / "moved")
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    study(copy)
    assert f"{copy}: finished at {runs.finished(finished)}, nothing to do." in capsys.readouterr().err
    changed = {path for path in copy.rglob("*") if path.stat().st_mtime_ns != before.get(path)}
    assert changed <= {copy, copy / "recipe.yaml"}


def test_a_folder_of_an_earlier_leaven_is_not_gone_on_with(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / "run.json").unlink()
    with pytest.raises(UserError, match="was begun by an earlier leaven") as refused:
        study(copy)
    assert refused.value.hint == f"It can be read (leaven report {copy}), but not gone on with: choose another --out."


@pytest.fixture
def own(tmp_path):
    """A study on files, with a method of one's own: what it takes to write one, and the study."""
    rows = [(f"Is {a} a {b}? Use the <sep> format.", json.dumps({"thought": b})) for a in "cat dog owl".split()
            for b in "bird fish fox".split()]  # fmt: skip
    for name, part in (("task", rows[:5]), ("test", rows[5:])):
        lines = [json.dumps({"prompt": question, "completion": answer}) + "\n" for question, answer in part]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    lines = [json.dumps({"prompt": f"What is {n} plus {n}?", "completion": str(2 * n)}) + "\n" for n in range(40)]
    (tmp_path / "pool.jsonl").write_text("".join(lines))
    (tmp_path / "mine.py").write_text(MINE)
    files = {"task": "task.jsonl", "test": "test.jsonl", "queries": "pool.jsonl"}
    values = {name: str(tmp_path / file) for name, file in files.items()}
    return {**values, "methods": [str(tmp_path / "mine.py")], "sizes": [3], "probes": []}


MINE = (
    '"""Mine."""\nfrom leaven.section import Section\nclass Config(Section):\n    """None."""\n'
    "def fit(train, bench, config):\n    return bench.base()\n"
)


@pytest.mark.parametrize("file", ["task.jsonl", "test.jsonl", "pool.jsonl", "mine.py"])
def test_a_method_of_ones_own_runs_and_an_edited_file_is_named_with_the_cell_that_was_finished_before(
    own, tmp_path, file, capsys
):
    folder = study(tmp_path / "run", **own)
    assert set(scores(folder)["method"]) == {"mine"}
    (folder / "cells" / "mine-n3-s0" / "DONE").unlink()  # stopped before its last cell
    text = (tmp_path / file).read_text()
    (tmp_path / file).write_text(text.replace("Mine", "Yours") if file == "mine.py" else text.replace("a ", "the ", 1)
                                 .replace("What is", "How much is", 1))  # fmt: skip
    with pytest.raises(UserError) as refused:
        study(folder, **own)
    assert refused.value.problem == f"{file} has changed since cell 1 (mine-n3-s0)"
    study(folder, continue_anyway=True, **own)
    (said,) = [note for note in summary_of(folder)["notes"] if note.startswith("Continued on ")]
    assert said.endswith(f", although {file} has changed since cell 1 (mine-n3-s0).")
    study(folder, **own)


def test_another_version_of_what_computes_is_named(finished, tmp_path, monkeypatch):
    copy = shutil.copytree(finished, tmp_path / "copy")
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9.9" if name == "torch" else real(name))
    with pytest.raises(UserError, match=f"^torch was {re.escape(real('torch'))} and is 9.9"):
        study(copy)
    (copy / "DONE").unlink()
    study(copy, continue_anyway=True)
    assert any("although torch was " in note for note in summary_of(copy)["notes"])


def test_other_numbers_than_those_it_began_in_are_named(finished, tmp_path, monkeypatch):
    copy = shutil.copytree(finished, tmp_path / "copy")
    environment = json.loads((copy / "env.json").read_text())
    assert (environment["dtype"], environment["instructions"]) == ("float32", torch.backends.cpu.get_cpu_capability())
    monkeypatch.setattr(load, "dtype_name", lambda *_: "bfloat16")
    assert study(copy) == copy  # there is nothing left to run in any
    (copy / "DONE").unlink()
    with pytest.raises(UserError, match=r"^tune\.dtype was float32 and is bfloat16\n"):
        study(copy)


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


def test_the_same_recipe_gives_the_same_scores_and_only_some_methods_first_do_too(finished, tmp_path):
    recipe, task = resolve(recipes.parse(VALUES, "test"), tmp_path, stderr())
    folder = run(recipe, task, tmp_path / "part", stderr(), only=lambda cell: cell.method.label == "original")
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
    with pytest.raises(UserError, match=r"llm\.engine was empty and is scripted:other\.jsonl"):
        study(copy, llm={"engine": "scripted:other.jsonl"})


def test_a_study_grows_by_seeds(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    kept = (copy / "cells" / "delia-n8-s0" / "cell.json").stat().st_mtime_ns
    methods = [{"name": "original"}, VALUES["methods"][1]]
    study(copy, seeds=[0, 1], methods=methods)
    assert set(scores(copy)["seed"]) == {0, 1}
    assert (copy / "cells" / "delia-n8-s0" / "cell.json").stat().st_mtime_ns == kept
    with pytest.raises(UserError, match=r"seeds were \[0, 1\] and are \[0\]"):
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
    assert {"robustness/worst", "soft_prompt/controlled", "token_loss/important", "divergence/start"} <= found


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


def test_tests_of_ones_own_stand_beside_those_that_are_made_and_plain_text_is_judged(tmp_path):
    write = lambda name, rows: (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))  # noqa: E731
    words = (
        "river stone cloud apple bread horse ocean paper tiger music candle garden silver winter orange bottle".split()
    )
    task = [
        {
            "question": f"Who saw the {word}?",
            "answer": f"It was my aunt who saw the {word}. {word * n} is why she never told us.",
        }
        for n, word in enumerate(words)
    ]
    write("task.jsonl", task[:8])
    write("test.jsonl", task[8:])
    write("pool.jsonl", [{"question": f"How old is {word}{word}?"} for word in words])
    write("own.jsonl", [{"question": "Is the sky blue?", "answer": "Yes."}])
    marks = {"reason": "so", "clarity": 15, "difficulty": 0, "explanation": 0, "accuracy": 35}
    write("judge.jsonl", [{"match": ".", "reply": json.dumps(marks)}])
    own = {"name": "sky", "rows": str(tmp_path / "own.jsonl"), "metric": "general"}
    evaluate = {**VALUES["evaluate"], "tests": [own], "judge": f"scripted:{tmp_path / 'judge.jsonl'}"}
    files = {"task": "task", "test": "test", "queries": "pool"}
    values = {field: str(tmp_path / f"{name}.jsonl") for field, name in files.items()}
    folder = study(
        tmp_path / "run",
        **values,
        methods=["original"],
        sizes=[0],
        evaluate=evaluate,
        probes=[],
        leaks={"enabled": False},
    )
    found = scores(folder)
    assert {metric.split("/")[0] for metric in found["metric"]} == {"task", "general", "sky"}
    assert found.filter(pl.col("metric") == "task/judge")["value"].to_list() == [0.5] * 4
    assert found.filter(pl.col("metric") == "general/kept")["value"].to_list() == [1.0] * 4
    (event,) = runs.events(folder, "calls")
    assert (event["calls"], event["engine"]) == (4, "scripted:judge.jsonl")
    summary = json.loads((folder / "summary.json").read_text())
    assert any("plain text: unseen_phrasing, negation, transfer" in note for note in summary["notes"])
    with pytest.raises(UserError, match="'general' is the name of a test that leaven makes"):
        recipes.parse({**VALUES, "evaluate": {"tests": [{**own, "name": "general"}]}}, "test")


def test_the_untouched_model_is_asked_in_plain_words_once_a_study(finished, tmp_path):
    tests = json.loads((finished / "summary.json").read_text())["tests"]
    assert set(tests) == {"unseen_phrasing", "negation", "transfer"}
    assert all(
        0 <= test["ceiling"][name] <= 1
        for test, name in zip(tests.values(), ("format", "controlled", "format"), strict=True)
    )
    general = pl.read_parquet(finished / "data" / "tests" / "general.parquet")
    assert all("untouched" in json.loads(meta) for meta in general["meta"])
    copy = shutil.copytree(finished, tmp_path / "copy")
    shutil.rmtree(copy / "cells" / "delia-n8-s0")
    before = {path: path.stat().st_mtime_ns for path in (copy / "untouched").glob("*.parquet")}
    study(copy)
    assert len(before) == 3 and all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_method_with_a_part_in_a_study_has_its_tests_and_probes_and_no_others(tmp_path):
    """What no method is asked is not asked in plain words either."""
    part = {"name": "original", "label": "part", "tests": ["general"], "probes": []}
    whole = {"name": "original", "tests": ["unseen_phrasing", "general"]}
    folder = study(tmp_path / "run", methods=[whole, part], probes=["layers"])
    by_method = {
        method: {metric.partition("/")[0] for metric in frame["metric"]}
        for (method,), frame in scores(folder).partition_by("method", as_dict=True).items()
    }
    assert by_method == {"original": {"unseen_phrasing", "general", "layers"}, "part": {"general"}}
    assert set(pl.read_parquet(folder / "cells" / "part-n8-s0" / "answers.parquet")["test"]) == {"general"}
    assert [path.stem for path in (folder / "untouched").iterdir()] == ["unseen_phrasing"]
