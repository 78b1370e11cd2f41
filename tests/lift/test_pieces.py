"""What was computed of pieces of a lift's rows is not computed again when the lift goes on."""

import io
import json
from contextlib import suppress

import numpy as np
import pytest

from leaven.errors import UserError
from leaven.lift import run
from leaven.lift.pieces import in_scratch, until_whole
from leaven.lift.selectors import ifd
from leaven.lift.settings import Settings
from leaven.runs import journal
from leaven.runs.progress import Progress
from leaven.scale.crew import here


def test_pieces_that_are_there_are_given_to_nobody(tmp_path):
    asked = []
    work = lambda shared, piece: asked.append(piece) or (np.full(2, shared * piece), np.eye(piece).T)  # noqa: E731
    with pytest.raises(UserError), until_whole(tmp_path, "s", "rows", here) as crew, crew(lambda: 10) as workers:
        results = workers.each(work, iter([1, 2, 3]))
        assert next(results)[0] == 0 and next(results)[0] == 1
        raise UserError("the lights go out", "Wait.")
    with until_whole(tmp_path, "s", "rows", here) as crew:
        with crew(lambda: 10) as workers:
            again = dict(workers.each(work, iter([1, 2, 3])))
            assert [place for place, _ in workers.stored(work, iter([7]))] == [0]  # a pass of its own
        with crew(lambda: 20) as workers:
            assert dict(workers.each(work, [1]))[0][0].tolist() == [20, 20]
    assert asked == [1, 2, 3, 7, 1] and [again[place][0][0] for place in range(3)] == [10, 20, 30]
    assert all(np.array_equal(again[place][1], np.eye(place + 1)) for place in range(3))
    assert not (tmp_path / "pieces").exists()


def test_pieces_of_another_beginning_are_not_taken_up(tmp_path):
    asked = []
    work = lambda _, piece: asked.append(piece) or (np.zeros(1),)  # noqa: E731

    def stopped(made_from, identity):
        journal.claim(tmp_path / journal.NAME, {"settings": identity}, continue_anyway=True)
        with suppress(UserError), until_whole(tmp_path, "s", made_from, here) as crew, crew(int) as workers:
            list(workers.each(work, [len(asked)]))
            raise UserError("the lights go out", "Wait.")

    stopped("rows", {"seed": 0})
    stopped("rows", {"seed": 0})
    stopped("other rows", {"seed": 0})
    stopped("rows", {"seed": 1})
    assert asked == [0, 1, 2]


def test_a_part_of_an_array_is_read_where_it_lies():
    rng = np.random.default_rng(0)
    keys, numbers = rng.integers(0, 9, (3, 5)), np.asfortranarray(rng.standard_normal((2, 4)).astype(np.float32))
    with in_scratch(lambda: None) as workers:
        ((place, (first, second)),) = workers.stored(lambda _, piece: (keys, numbers), ["all"])
        assert place == 0 and first.part(5, 10).tolist() == keys[1].tolist() and first.shape == (3, 5)
        assert np.array_equal(second.whole(), numbers) and second.whole().dtype == np.float32


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
        return (np.array([1 / len(row.answer) for row in rows]),)

    monkeypatch.setattr(ifd, "PIECE", 2)
    monkeypatch.setattr(ifd, "_load", lambda model: None)
    monkeypatch.setattr(ifd, "_measure", score)
    monkeypatch.setattr(run.preflight, "check", lambda *_, **__: None)
    monkeypatch.setattr(run.embedding, "settled", lambda _: "lsa")
    with pytest.raises(UserError, match="the lights go out"):
        run.run(chosen, tmp_path / "a", Progress(io.StringIO()), None)
    assert len(list((tmp_path / "a" / "pieces").glob("ifd/*/0/*.npy"))) == 2
    for folder in "ab":
        run.run(chosen, tmp_path / folder, Progress(io.StringIO()), None)
    assert measured[:5] == [["q0", "q1"], ["q2", "q3"], ["q4", "q5"], ["q4", "q5"], ["q6"]]
    assert not (tmp_path / "a" / "pieces").exists()
    assert (tmp_path / "a" / "kept.jsonl").read_text() == (tmp_path / "b" / "kept.jsonl").read_text()
