"""What makes two studies the same one."""

from leaven.study import recipe as recipes
from leaven.study.identity import LATER, identity


def test_settings_that_came_later_make_no_other_study_of_one_of_before(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    values = {"model": "lab", "task": str(tmp_path / "t.jsonl"), "methods": ["original"]}
    before = identity(recipes.parse(values, "here"), None, "float32")["settings"]
    assert not any(name in before[section] for section, name, _ in LATER)
    changed = recipes.parse({**values, "evaluate": {"judge_max_new_tokens": 100}}, "here")
    assert identity(changed, None, "float32")["settings"]["evaluate"]["judge_max_new_tokens"] == 100
