"""How far the work is stands in the run's folder as long as the work lasts, and no longer."""

import io
import json
import pickle

from leaven.runs import progress
from leaven.runs.progress import Progress, one_run, say_once, stderr


def test_what_is_under_way_is_written_down_once_a_second_and_goes_with_the_work(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "time", lambda: clock[0])
    file = tmp_path / progress.FILE
    with Progress(io.StringIO()).within(tmp_path).track("evolve", 0, "replies") as advance:
        advance(1)
        assert not file.exists()
        clock[0] += 2
        advance(20, 100, "19 ok, 1 failed", 800)
        clock[0] += 0.5
        advance(30, 100)
        told = json.loads(file.read_text())
    assert told == {"what": "evolve", "total": 100, "unit": "replies", "done": 20, "note": "19 ok, 1 failed",
                    "tokens": 800, "seconds": 2.0, "time": 1002.0}  # fmt: skip
    assert not file.exists()


def test_more_than_was_expected_is_no_share_and_leaves_no_time():
    said = io.StringIO()
    with Progress(said, every=0).track("quality", 300, "replies") as advance:
        advance(316, 300)
    assert said.getvalue() == "quality: 316 replies\n"


def test_the_first_of_many_tell_no_time():
    said = io.StringIO()
    with Progress(said, every=0).track("pii", 300, "rows") as advance:
        advance(2)
        advance(30)
    assert [" s left" in line for line in said.getvalue().splitlines()] == [False, True]


def test_nothing_is_written_where_no_run_is_or_there_is_no_folder_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for told in (Progress(io.StringIO()), Progress(io.StringIO()).within(tmp_path / "later")):
        with told.track("reading", 3, "rows") as advance:
            advance(3)
    assert list(tmp_path.iterdir()) == []
    assert pickle.loads(pickle.dumps(stderr().within(tmp_path))).folder is None  # elsewhere the folder is another's


def test_what_is_said_once_is_said_once_in_each_run(caplog):
    for _ in range(2):
        with one_run():
            for line in ("1 row is left out", "2 prompts are too long", "1 row is left out"):
                say_once(line)
    assert caplog.messages == ["1 row is left out", "2 prompts are too long"] * 2
