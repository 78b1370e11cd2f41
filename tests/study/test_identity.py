"""What makes two studies the same one."""

from dataclasses import replace

import pytest

from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.journal import differences
from leaven.study import recipe as recipes
from leaven.study.identity import LATER, identity
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test


def rows(*questions):
    return Dataset.of(pair(question, "a", Origin("x")) for question in questions)


@pytest.mark.parametrize(
    ("named", "other"),
    [
        ({"queries": "queries"}, {"pool": rows("others?")}),
        ({"test": "test rows"}, {"tests": (Test("task", rows("others?"), "text"),)}),
    ],
)
def test_rows_from_python_beside_a_file_make_another_study(tmp_path, named, other):
    """Of a task in a file nothing else was looked at: a finished study was handed back for other queries."""
    (tmp_path / "t.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    recipe = recipes.parse({"task": str(tmp_path / "t.jsonl"), "methods": ["original"], **named}, "here")
    task = Task(rows("a"), (Test("task", rows("b"), "text"),), rows("c"), open_format("text"))
    before, now = (identity(recipe, each, "float32") for each in (task, replace(task, **other)))
    assert len(list(differences(before, now, "the run began"))) == 1
    assert identity(recipe, task, "float32") == before
    assert identity(recipe.model_copy(update={"queries": "lab", "test": None}), task, "float32")["rows"] == {}


def test_settings_that_came_later_make_no_other_study_of_one_of_before(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    values = {"model": "lab", "task": str(tmp_path / "t.jsonl"), "methods": ["original"]}
    before = identity(recipes.parse(values, "here"), None, "float32")["settings"]
    assert not any(name in before[section] for section, name, _ in LATER)
    assert "sampler" not in before
    served = recipes.parse({**values, "sampler": "openai:m", "llm": {"base_url": "http://a/v1"}}, "here")
    assert len(list(differences(identity(recipes.parse(values, "here"), None, "float32"),
                                identity(served, None, "float32"), "the run began"))) == 1  # fmt: skip
    changed = recipes.parse({**values, "evaluate": {"judge_max_new_tokens": 100}}, "here")
    assert identity(changed, None, "float32")["settings"]["evaluate"]["judge_max_new_tokens"] == 100
