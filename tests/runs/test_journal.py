"""A run is known by content: the same files from elsewhere are the same, an edited one is named."""

import json
import time

import pytest

from leaven.errors import UserError
from leaven.runs import content, journal


def told(before, now, free=()):
    return list(journal.differences({"settings": before}, {"settings": now}, "cell 3 (delia-n100-s0)", free))


def test_a_file_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "task.jsonl").write_text("a")
    monkeypatch.chdir(tmp_path)
    here, there = content.named({"task": "rows/task.jsonl"}), content.named({"task": f"{tmp_path}/rows/task.jsonl"})
    assert here == there and here["task"]["name"] == "task.jsonl"
    (tmp_path / "copy.jsonl").write_text("a")
    assert told(here, content.named({"task": "copy.jsonl"})) == []
    (tmp_path / "rows" / "task.jsonl").write_text("b")
    assert told(here, content.named({"task": "rows/task.jsonl"})) == [
        "task.jsonl has changed since cell 3 (delia-n100-s0)"
    ]
    (tmp_path / "copy.jsonl").write_text("c")
    assert told(here, content.named({"task": "copy.jsonl"})) == ["task was task.jsonl and is copy.jsonl"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("./mine.py", "mine.py"), ("./mine.py:small", "mine.py:small"), ("scripted:./r.jsonl", "scripted:r.jsonl"),
     ("./table.parquet:column", "table.parquet:column"), ("hf:./model", "hf:model"), ("./model", "model")],
)  # fmt: skip
def test_files_stand_in_settings_in_many_ways(tmp_path, monkeypatch, text, name):
    for file in ("mine.py", "r.jsonl", "table.parquet"):
        (tmp_path / file).write_text(file)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    before = content.named({"x": [text]})
    assert before["x"][0]["name"] == name
    inside = {"model": "model/config.json"}.get(name.removeprefix("hf:"), text.partition(":")[0])
    (tmp_path / ("r.jsonl" if "scripted" in text else inside)).write_text("another")
    assert told(before, content.named({"x": [text]})) == [f"{name} has changed since cell 3 (delia-n100-s0)"]


def test_words_are_no_files(tmp_path, monkeypatch):
    (tmp_path / "json").write_text("a file that happens to be here")
    monkeypatch.chdir(tmp_path)
    settings = {"format": "json", "text": "Is it so?\nYes.", "long": "x" * 5000, "rate": 2e-3, "none": None}
    settings |= {
        "condition": "Answer as a list. " + "No more. " * 40,
        "about": "~ five points.",
        "home": "~nobody/x.json",
    }
    assert content.named(settings) == settings


def test_large_weights_are_known_by_blocks_that_training_moves(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "LARGE", 100_000)
    monkeypatch.setattr(content, "BLOCKS", 16)
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(200_000))
    before = content.of(path)
    assert content.of(path) == before
    path.write_bytes(bytes(199_999) + b"x")
    assert content.of(path) != before
    path.write_bytes(bytes(200_001))
    assert content.of(path) != before


def test_the_commit_of_a_model_of_the_hub_is_known_once_it_was_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    before = content.named({"model": "Qwen/Qwen3-0.6B"})
    (tmp_path / "models--Qwen--Qwen3-0.6B" / "refs").mkdir(parents=True)
    main = tmp_path / "models--Qwen--Qwen3-0.6B" / "refs" / "main"
    main.write_text("a" * 40)
    first = content.named({"model": "Qwen/Qwen3-0.6B"})
    assert told(before, first) == []
    main.write_text("b" * 40)
    (main.parent / "v2").write_text("c" * 40)
    commits = {"st:Qwen/Qwen3-0.6B": "b", "hf:Qwen/Qwen3-0.6B@v2": "c", f"Qwen/Qwen3-0.6B@{'d' * 40}": "d"}
    commits["vllm:Qwen/Qwen3-0.6B"] = "b"
    for name, letter in commits.items():
        assert content.named(name) == content.leaf(name, letter * 16)
    assert content.named("Qwen/Qwen3-0.6B@v3") == "Qwen/Qwen3-0.6B@v3"
    changed = ["Qwen/Qwen3-0.6B has changed since cell 3 (delia-n100-s0)"]
    assert told(first, content.named({"model": "Qwen/Qwen3-0.6B"})) == changed


def test_every_setting_that_differs_is_named_with_both_values():
    before = {"tune": {"learning_rate": 0.001, "epochs": 1}, "sizes": [100], "seeds": [0], "llm": {"engine": ""}}
    now = {"tune": {"learning_rate": 0.002, "epochs": 1, "rank": 8}, "sizes": [100, 200], "seeds": [0, 1],
           "llm": {"engine": "x" * 100}}  # fmt: skip
    assert told(before, now, free=("seeds",)) == [
        "tune.learning_rate was 0.001 and is 0.002",
        "sizes was [100] and is [100, 200]",
        f"llm.engine was empty and is {'x' * 60}…",
        "tune.rank was not set and is 8",
    ]


def test_what_is_under_a_free_setting_may_change_and_what_is_called_alike_may_not():
    before = {"methods": {"delia": {"ratio": 1}, "delia_2": {"ratio": 2}}}
    now = {"methods": {"delia": {"ratio": 3}, "delia_2": {"ratio": 4}}}
    assert told(before, now, free=("methods.delia",)) == ["methods.delia_2.ratio was 2 and is 4"]


def test_what_a_run_was_continued_over_is_written_down(tmp_path):
    path = tmp_path / "run.json"
    one, two = {"settings": {"n": 1}}, {"settings": {"n": 2}}
    assert journal.claim(path, one) == ""
    today = time.strftime("%Y-%m-%d")
    with pytest.raises(UserError, match=r"^n was 1 and is 2\nStart anew with another --out, or go on with --continue"):
        journal.claim(path, two)
    assert journal.read(path)["identity"] == one and journal.notes(path) == []
    journal.claim(path, two, continue_anyway=True)
    (note,) = journal.notes(path)
    assert note.startswith(f"Continued on {today}") and note.endswith(", although n was 1 and is 2.")
    journal.claim(path, two)
    with pytest.raises(UserError, match="n was 2 and is 1"):
        journal.claim(path, one)
    assert len(json.loads(path.read_text())["continued"]) == 1


def test_a_run_of_one_file_is_finished_until_it_is_another(tmp_path):
    path = tmp_path / "out.jsonl.run.json"
    journal.claim(path, {"settings": {"n": 1}})
    journal.finish(path)
    assert journal.claim(path, {"settings": {"n": 1}}).startswith(time.strftime("%Y-%m-%d"))
    assert journal.claim(path, {"settings": {"n": 2}}, free=("n",)) == ""


def test_without_a_cell_it_says_when_the_run_began(tmp_path):
    (tmp_path / "a.jsonl").write_text("a")
    journal.claim(tmp_path / "run.json", content.named({"settings": {"data": f"{tmp_path}/a.jsonl"}}))
    (tmp_path / "a.jsonl").write_text("b")
    with pytest.raises(UserError, match=r"a\.jsonl has changed since the run began \(\d{4}-\d\d-\d\d \d\d:\d\d\)"):
        journal.claim(tmp_path / "run.json", content.named({"settings": {"data": f"{tmp_path}/a.jsonl"}}))


def test_a_folder_of_one_kind_of_run_is_kept_from_the_other(tmp_path):
    for kind, setting in (("a study", "seeds"), ("a lift", "seed")):
        journal.claim(tmp_path / kind / journal.NAME, {"settings": {setting: 1}})
    journal.refuse_others(tmp_path / "a study", "seeds")
    journal.refuse_others(tmp_path / "nothing yet", "seeds")
    with pytest.raises(UserError, match="a lift holds a run of another command"):
        journal.refuse_others(tmp_path / "a lift", "seeds")
