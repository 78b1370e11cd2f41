"""What methods will tune on, told before they run."""

import pytest

from leaven.delia.work import of
from leaven.models.settings import TuneSection
from leaven.plugs import load

TUNE = TuneSection(per_device_train_batch_size=10, small_data_batch=0, num_train_epochs=2)
MINE = '''"""As many pairs as are said, whatever the task has."""
from leaven.delia import work as works
from leaven.delia.settings import TuneChanges
from leaven.models.schedule import Schedule
from leaven.section import Section
class Config(Section):
    pairs: int = 7
    ratio: float = 5
    tune: TuneChanges = TuneChanges()
def fit(train, bench, config):
    ...
'''
SAYS = """def work(task_rows, tune, config):
    return works.Work(config.pairs, 0, 0, Schedule.of(config.pairs, tune))
"""


def work(name, **values):
    """(task rows, diverse rows, sampled rows, queries, steps) of a method with 20 task rows."""
    method = load("methods", name)
    one = of(method, method.Config.model_validate(values), 20, TUNE)
    return one.task_rows, one.diverse_rows, one.sampled_rows, one.queries, one.schedule.steps


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("original", {}, (0, 0, 0, 0, 0)),
        ("common", {}, (20, 0, 0, 0, 4)),
        ("anchor", {"ratio": 2}, (20, 40, 40, 40, 12)),
        ("delia", {"ratio": 2}, (40, 80, 80, 80, 12)),  # two passes, each with a buffer of its own
        ("delia", {"ratio": 2, "tune": {"num_train_epochs": 1.5}}, (20, 40, 40, 40, 9)),
        ("delia", {"ratio": 2, "contrast": 5}, (40, 90, 90, 90, 13)),
        ("delia", {"ratio": 2, "buffer": "task"}, (120, 0, 0, 0, 12)),
        ("delia", {"ratio": 2, "buffer": "task", "contrast": 5}, (120, 10, 90, 90, 13)),
        ("common_equal_steps", {"ratio": 2}, (20, 0, 0, 0, 12)),
        ("fact_based", {"ratio": 2}, (20, 0, 0, 0, 12)),
        ("fact_based", {"ratio": 2, "budget": "own"}, (20, 0, 0, 0, 4)),
        ("replay", {"share": 0.5}, (20, 20, 0, 20, 8)),
    ],
    ids=str,
)
def test_rows_and_steps_by_hand(name, values, told):
    assert work(name, **values) == told


def test_a_method_of_a_users_own_says_what_it_tunes_on_or_is_told_by_its_ratio(tmp_path):
    for name, code in (("mine", MINE + SAYS), ("silent", MINE)):
        (tmp_path / f"{name}.py").write_text(code)
    assert work(str(tmp_path / "mine.py")) == (7, 0, 0, 0, 2)
    assert work(str(tmp_path / "silent.py")) == (20, 100, 100, 100, 24)
