"""All that would stop a study is said before its first step, at once, and nothing is left behind."""

import os
from dataclasses import replace

import pytest

from leaven import extras
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.preflight import check_writable
from leaven.study import preflight
from leaven.study import recipe as recipes
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.token import TokenSection


def rows(n=12):
    return Dataset.of(pair(f"Is fish number {i} red? <sep>", "a", Origin("x")) for i in range(n))


def checked(tmp_path, tiny_model, **values):
    recipe = recipes.parse({"methods": ["original"], "sizes": [4], "model": tiny_model("llama"), **values}, "test")
    preflight.check(recipe, Task(rows(), (), rows(), open_format("json"), recipe.token), tmp_path / "run")


def test_a_study_that_can_run_passes(tmp_path, tiny_model):
    checked(tmp_path, tiny_model)


def test_everything_is_said_at_once_and_nothing_is_written(tmp_path, tiny_model, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    values = {
        "methods": ["original", "mean_embedding", {"name": "dipmt", "dictionary": "nowhere.tsv"}],
        "sizes": [500],
        "tune": {"target_modules": ["q_prj"]},
        "token": {"init": "meen", "text": "</s>"},
        "llm": {"engine": "openai:gpt-4o"},
    }
    with pytest.raises(UserError) as caught:
        checked(tmp_path, tiny_model, **values)
    told = str(caught.value)
    for said in (
        "7 faults", "OPENAI_API_KEY is not set", "'</s>' is in the model's vocabulary", "Did you mean 'mean'?",
        "no layer called 'q_prj'. Did you mean 'q_proj'?", "500 rows are asked for, the task has 12",
        "methods.mean_embedding: token.means is empty", "methods.dipmt: the dictionary nowhere.tsv can't be read",
    ):  # fmt: skip
        assert said in told
    assert not (tmp_path / "run").exists()


def test_an_engine_that_is_paid_for_is_not_asked_by_a_cluster(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with pytest.raises(UserError, match="cells on ray can't ask openai:gpt-4o: its store of replies"):
        checked(tmp_path, tiny_model, scale={"on": "ray"}, llm={"engine": "openai:gpt-4o"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"token": {"init": "mean"}}, "token.means is empty"),
        ({"token": {"init": "copy:"}}, "token.init is 'copy:'"),
        ({"token": {"init": "random:x"}}, "token.init is 'random:x'"),
        ({"token": {"init": "reserved:<none>"}}, "the vocabulary has no '<none>'"),
        ({"token": {"text": " x"}}, "without blanks around it"),
        ({"model": "./nowhere"}, "the model ./nowhere does not exist"),
        ({"llm": {"engine": "scripted:no.jsonl"}}, "no.jsonl"),
        ({"llm": {"engine": "opnai:x"}}, "Did you mean 'openai'?"),
        ({"llm": {"engine": "hf:"}}, "'hf:' names no engine"),
        ({"sampler": "opnai:x"}, "Did you mean 'openai'?"),
        ({"llm": {"engine": "hf:./nowhere"}}, "the model ./nowhere does not exist"),
        ({"llm": {"engine": "openai:x", "base_url": "ftp://x"}}, "no http address"),
        ({"llm": {"engine": "openai:x", "base_url": "http://127.0.0.1:1/v1", "max_cost": 1}}, "price of openai:x"),
    ],
)
def test_a_fault_is_said_before_the_first_step(tmp_path, tiny_model, values, said):
    with pytest.raises(UserError) as caught:
        checked(tmp_path, tiny_model, **values)
    assert said in str(caught.value)


def test_a_cluster_has_no_cells_for_processes_that_tune_each_together(tmp_path, tiny_model, monkeypatch):
    from leaven.models import mesh

    monkeypatch.setattr(mesh, "processes", lambda: 2)
    with pytest.raises(UserError, match="2 processes tune each cell together"):
        checked(tmp_path, tiny_model, scale={"on": "ray"})


def test_the_layers_of_a_methods_own_tuning_are_looked_for_too(tmp_path, tiny_model):
    methods = ["original", {"name": "delia", "label": "wide", "tune": {"target_modules": ["q_proj", "k_prj"]}}]
    with pytest.raises(UserError, match=r"methods\.wide\.tune\.target_modules: the model has no layer called 'k_prj'"):
        checked(tmp_path, tiny_model, methods=methods)


def test_a_buffer_of_outside_answers_needs_answered_queries(tmp_path, tiny_model):
    recipe = recipes.parse(
        {"methods": [{"name": "delia", "buffer": "external"}], "sizes": [4], "model": tiny_model("llama")}, "test"
    )
    bare = Dataset.of(replace(row, messages=row.prompt) for row in rows())
    with pytest.raises(UserError, match="not every query has one"):
        preflight.check(recipe, Task(rows(), (), bare, open_format("json"), recipe.token), tmp_path / "run")


def test_a_folder_in_which_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check_writable(tmp_path / "file" / "run")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="nothing can be written"):
        check_writable(tmp_path / "a" / "b")


def test_a_package_that_is_missing_is_said_with_its_extra(monkeypatch):
    monkeypatch.setattr(extras, "_installed", lambda package: package not in ("torch", "altair"))
    with pytest.raises(UserError) as caught:
        extras.require(*extras.STUDY)
    assert "torch, altair are not installed" in str(caught.value)
    assert "pip install 'leaven[train,report]'" in str(caught.value)
    assert extras.explain(ImportError("x", name="somebodys_package")) is None
    assert "leaven[curate]" in str(extras.explain(ImportError("x", name="sklearn.feature_extraction")))


def test_what_a_token_means_can_be_said_by_a_method_instead():
    assert TokenSection(means="a list").meaning() == "a list"
    assert TokenSection().meaning("xml") == "xml"


def test_a_method_is_asked_tests_that_there_are(tmp_path, tiny_model):
    with pytest.raises(UserError, match=r"methods\.original\.tests: there is no test 'generel'") as caught:
        checked(tmp_path, tiny_model, methods=[{"name": "original", "tests": ["generel"]}])
    assert "This study has" in str(caught.value.hint)
