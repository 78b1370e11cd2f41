"""What a model has measured of a lift's rows is not measured again when the lift goes on."""

import io
import json

import pytest

from leaven.errors import UserError
from leaven.lift import run
from leaven.lift.pieces import with_archive
from leaven.lift.selectors import ifd
from leaven.lift.settings import Settings
from leaven.runs.progress import Progress
from leaven.scale.crew import here


def test_pieces_that_are_there_are_given_to_nobody(tmp_path):
    asked = []
    hire = with_archive(tmp_path / "pieces", here)
    work = lambda shared, piece: asked.append(piece) or [shared * piece, float("nan")]  # noqa: E731
    with hire(lambda: 10, gpu=True) as workers:
        results = workers.each(work, iter([1, 2, 3]))
        assert next(results)[0] == 0 and next(results)[0] == 1
    with hire(lambda: 10, gpu=True) as workers:
        again = dict(workers.each(work, iter([1, 2, 3])))
    assert asked == [1, 2, 3] and [again[place][0] for place in range(3)] == [10, 20, 30]
    with hire(lambda: 10) as workers:
        assert len(list(workers.each(work, [1]))) == 1 and asked == [1, 2, 3, 1]


def test_a_lift_that_was_stopped_while_it_measured_goes_on_with_the_other_pieces(tmp_path, monkeypatch):
    lines = [{"prompt": f"q{row}", "completion": "a" * (row + 1)} for row in range(7)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "model").mkdir()
    chosen = Settings(data=str(tmp_path / "rows.jsonl"), model=str(tmp_path / "model"), stages=["ifd"], n=2)
    measured = []

    def score(config, loaded, rows):
        measured.append([row.question for row in rows])
        if len(measured) == 3:
            raise UserError("the lights go out", "Wait.")
        return [1 / len(row.answer) for row in rows]

    monkeypatch.setattr(ifd, "PIECE", 2)
    monkeypatch.setattr(ifd, "_load", lambda model: None)
    monkeypatch.setattr(ifd, "_measure", score)
    monkeypatch.setattr(run.preflight, "check", lambda *_, **__: None)
    monkeypatch.setattr(run.embedding, "settled", lambda _: "lsa")
    with pytest.raises(UserError, match="the lights go out"):
        run.run(chosen, tmp_path / "a", Progress(io.StringIO()), None)
    assert len(list((tmp_path / "a" / "pieces").glob("ifd-*/*.json"))) == 2
    for folder in "ab":
        run.run(chosen, tmp_path / folder, Progress(io.StringIO()), None)
    assert measured[:5] == [["q0", "q1"], ["q2", "q3"], ["q4", "q5"], ["q4", "q5"], ["q6"]]
    assert not list((tmp_path / "a" / "pieces").iterdir())
    assert (tmp_path / "a" / "kept.jsonl").read_text() == (tmp_path / "b" / "kept.jsonl").read_text()
