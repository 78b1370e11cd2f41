"""Files are there whole or not at all, and the log is read and goes on after a line that was torn."""

import pytest

from leaven.runs import folder as runs


def test_a_file_that_could_not_be_written_whole_is_not_there(tmp_path):
    def half(path):
        path.write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        runs.stage(tmp_path / "deep" / "a.txt", half)
    assert list((tmp_path / "deep").iterdir()) == []
    assert runs.stage(tmp_path / "a.txt", lambda path: path.write_text("whole"))
    assert not runs.stage(tmp_path / "a.txt", half)
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_file_of_before_stays_when_it_can_not_be_written_anew(tmp_path):
    runs.write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(ValueError, match="Circular"):
        circle: list = []
        circle.append(circle)
        runs.write_json(tmp_path / "a.json", circle)
    assert (tmp_path / "a.json").read_text() == '{\n  "a": 1\n}'


@pytest.mark.parametrize(
    "torn", ['{"event": "calls", "co', '{"event": "calls", "text": "\u00e4'.encode()[:-1], b"\x00\x00", "7"]
)
def test_a_torn_line_is_left_out_and_the_next_one_begins_afresh(tmp_path, torn):
    runs.log(tmp_path, "calls", cost=1)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(torn if isinstance(torn, bytes) else torn.encode())
    assert [event["cost"] for event in runs.events(tmp_path, "calls")] == [1]
    runs.log(tmp_path, "note", text="\ud800 half a pair")
    runs.log(tmp_path, "calls", cost=2)
    assert [event["cost"] for event in runs.events(tmp_path, "calls")] == [1, 2]
    assert len((tmp_path / "log.jsonl").read_bytes().splitlines()) == 4


def test_a_line_ends_at_a_line_feed_and_at_no_other_sign_that_a_model_may_write(tmp_path):
    values = [{"answer": f"one{sign}two"} for sign in "\u2028\u2029\x85\x1c\x0b\r\n"]
    for value in values:
        runs.append(tmp_path / "lines.jsonl", value)
    assert list(runs.lines(tmp_path / "lines.jsonl")) == values


def test_a_folder_without_a_log_has_no_events(tmp_path):
    assert list(runs.events(tmp_path, "calls")) == []


def test_a_marker_says_since_when_and_an_empty_one_of_an_earlier_leaven_too(tmp_path):
    assert not runs.closed(tmp_path)
    runs.close(tmp_path)
    assert runs.closed(tmp_path) and len(runs.finished(tmp_path)) == len("2026-11-21 14:03")
    (tmp_path / "DONE").write_text("")
    assert len(runs.finished(tmp_path)) == len("2026-11-21 14:03")
    runs.reopen(tmp_path)
    assert not runs.closed(tmp_path)
