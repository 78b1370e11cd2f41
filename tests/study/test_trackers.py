"""A tracker gets the losses and scores of each cell once, by its own library; one that is missing is said before."""

import json
from importlib.util import find_spec

import pytest
from tests.view.runs import OBJECT, study

from leaven.errors import UserError
from leaven.runs import folder as runs
from leaven.runs.progress import stderr
from leaven.study import recipe as recipes
from leaven.study import trackers

CELLS = ["delia-n5-s0", "original-n5-s0"]


@pytest.fixture
def run(tmp_path):
    folder = study(tmp_path / "mine", {"original": {0: ["no"] * 4}, "delia": {0: [OBJECT, OBJECT, OBJECT, "no"]}})
    for path in folder.glob("cells/*/cell.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "config": {"ratio": 2}, "trained_tokens": 60}))
    return folder


def test_each_cell_is_told_of_once_and_what_was_refused_is_told_again(run, monkeypatch, capsys):
    told = []

    def send(cell):
        told.append(cell)
        if len(told) == 2:
            raise OSError("the server is down")

    monkeypatch.setitem(trackers.SEND, "wandb", send)
    monkeypatch.setattr(trackers, "check", lambda names: None)
    trackers.report(["wandb"], run, stderr())
    assert "wandb was not told of original-n5-s0: the server is down" in capsys.readouterr().err
    trackers.report(["wandb"], run, stderr())
    trackers.report(["wandb"], run, stderr())
    assert [cell.name for cell in told] == ["delia-n5-s0", "original-n5-s0", "original-n5-s0"]
    assert (told[0].project, told[0].losses, told[0].last) == ("mine", [(1, 2.0), (2, 1.0), (3, 0.5)], 3)
    assert told[0].scores == {"eval/unseen_phrasing/format": 0.75, "eval/unseen_phrasing/value": 0.75}
    assert [event["name"] for event in runs.events(run, "reported")] == CELLS


def test_a_recipe_names_trackers_as_hugging_face_does():
    base = {"methods": ["original"]}
    assert recipes.parse({**base, "report_to": "wandb"}, "here").report_to == ("wandb",)
    with pytest.raises(UserError, match=r"report_to.*'trackio', 'wandb' or 'tensorboard'"):
        recipes.parse({**base, "report_to": ["mlflow"]}, "here")


def test_a_library_that_is_missing_is_said_with_what_to_type(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="report_to: wandb is not installed") as error:
        trackers.check(["wandb"])
    assert error.value.hint == "pip install wandb"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_what_was_sent(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trackers.report(["tensorboard"], run, stderr())
    assert sorted(path.name for path in (run / "tensorboard").iterdir()) == CELLS
    there = EventAccumulator(str(run / "tensorboard" / "delia-n5-s0")).Reload()
    assert [(one.step, one.value) for one in there.Scalars("train/loss")] == [(1, 2.0), (2, 1.0), (3, 0.5)]
    (score,) = there.Scalars("eval/unseen_phrasing/format")
    assert (score.step, score.value) == (3, 0.75)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
@pytest.mark.filterwarnings("ignore")
def test_wandb_takes_it_without_a_server(run, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "offline")
    trackers.report(["wandb"], run, stderr())
    assert "was not told" not in capfd.readouterr().err
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 2


@pytest.mark.slow
@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
@pytest.mark.filterwarnings("ignore")
def test_trackio_takes_it_on_this_machine(run, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackers.report(["trackio"], run, stderr())
    assert "was not told" not in capfd.readouterr().err
    assert list((tmp_path / "trackio").rglob("mine*"))
