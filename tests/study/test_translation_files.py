"""A translation task from files: guarded like every other, and its tests."""

import json

import pytest

from leaven.errors import UserError
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study.sources import resolve


def resolved(folder, **leaks):
    train = [
        {"question": f"Translate to Tavic: the {n} river runs past the old stone", "answer": str(n)} for n in range(6)
    ]
    test = [train[0], {"question": "Translate to Tavic: a bird sings at dawn", "answer": "b"}]
    pool = [{"question": f"What is {n} plus {n}?", "answer": "x"} for n in range(40)]
    for name, rows in (("train", train), ("test", test), ("pool", pool)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"task": "train", "test": "test", "queries": "pool"}
    values = {field: str(folder / f"{name}.jsonl") for field, name in files.items()}
    values |= {"methods": ["original"], "sizes": [0], "evaluate": {"metric": "translation"}, "leaks": leaks}
    return resolve(recipes.parse(values, "test"), folder / "run", stderr())[1]


def test_leaked_rows_leave_and_general_is_set_apart_from_the_pool(tmp_path):
    found = resolved(tmp_path)
    assert [row.answer for row in found.test("task").rows] == ["b"]
    assert [drop.example.answer for where, drop in found.dropped if where == "task"] == ["0"]
    assert (len(found.test("general").rows), len(found.pool)) == (5, 35)
    assert all(row.answer is None for row in found.test("general").rows)


def test_the_guard_can_be_turned_off_and_says_so(tmp_path):
    found = resolved(tmp_path, enabled=False)
    assert len(found.test("task").rows) == 2
    assert any("The leak check is off" in note for note in found.notes)


def test_a_test_that_training_has_seen_whole_is_refused(tmp_path):
    resolved(tmp_path)
    (tmp_path / "test.jsonl").write_text((tmp_path / "train.jsonl").read_text())
    values = {"task": str(tmp_path / "train.jsonl"), "test": str(tmp_path / "test.jsonl")}
    values |= {"queries": str(tmp_path / "pool.jsonl"), "methods": ["original"], "evaluate": {"metric": "translation"}}
    with pytest.raises(UserError, match="no row of the test is left"):
        resolve(recipes.parse({**values, "sizes": [0]}, "test"), tmp_path / "run", stderr())
