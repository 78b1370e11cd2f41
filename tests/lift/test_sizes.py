"""What a lift takes at other sizes, worked by hand."""

import os

import pytest
import yaml

from leaven.errors import UserError
from leaven.lift import sizes
from leaven.lift.settings import parse, written
from leaven.llm.budget import Price
from leaven.llm.pilot import Step
from leaven.llm.protocol import Reply
from leaven.runs import folder as runs


def test_calls_money_and_hours_grow_with_the_rows():
    said = (Reply("a", prompt_tokens=100, completion_tokens=50),) * 4
    price = Price(1.0, 2.0, "2026-01-31")
    steps = [Step("reanswer", 100, said, 3.6, price), Step("quality", 100, said, 7.2, price)]
    size = sizes.size(1000, 100, steps, at_once=10, pace=0.036)
    assert (size.rows, size.calls) == (1000, 2000)
    assert size.dollars == pytest.approx((0.36, 0.44))  # 200,000 tokens in, 100,000 out, give or take a tenth
    assert size.asking == pytest.approx((1000 * 3.6 + 1000 * 7.2) / 10 / 3600)
    assert size.other == pytest.approx(0.01)


def test_where_servers_are_many_the_client_is_the_limit_and_what_is_not_known_is_not_guessed():
    step = Step("reanswer", 100, (), seconds=1.0)
    assert sizes.size(7_200_000, 100, [step], 10**6, None).asking == pytest.approx(1.0)
    unheard = sizes.size(200, 100, [Step("quality", 100, ())], 10, None)
    assert (unheard.dollars, unheard.asking, unheard.other) == (None, None, None)


def test_the_pace_is_that_of_the_stages_that_ask_no_engine(tmp_path, monkeypatch):
    settings = parse({"data": "d.jsonl", "llm": "scripted:s.jsonl", "n": 5, "stages": ["exact", "reanswer", "variety"]})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(written(settings)))
    with pytest.raises(UserError, match="is not finished"):
        sizes.pace(tmp_path)
    clock = iter([100.0, 103.0, 150.0, 157.0])
    monkeypatch.setattr(runs.time, "time", lambda: next(clock))
    for name, rows in (("read", 1000), ("exact", 900), ("reanswer", 900), ("variety", 100)):
        runs.log(tmp_path, "stage", name=name, rows=rows)
    runs.close(tmp_path)
    os.utime(tmp_path / "DONE", (159.0, 159.0))
    assert sizes.pace(tmp_path) == pytest.approx((3 + 7 + 2) / 1000)


def test_the_hours_between_two_sittings_are_no_work(tmp_path, monkeypatch):
    settings = parse({"data": "d.jsonl", "n": 5, "stages": ["exact", "minhash", "longest"]})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(written(settings)))
    day = 86_400.0
    lines = [(1.0, sizes.SITTING, ""), (2.0, "stage", "read"), (5.0, "stage", "exact"), (day, sizes.SITTING, ""),
             (day + 7, "stage", "minhash"), (2 * day, sizes.SITTING, ""), (3 * day, sizes.SITTING, ""),
             (3 * day + 4, "stage", "longest")]  # fmt: skip
    for time, event, name in lines:
        monkeypatch.setattr(runs.time, "time", lambda time=time: time)
        runs.log(tmp_path, event, name=name, rows=100)
    runs.close(tmp_path)
    os.utime(tmp_path / "DONE", (3 * day + 6, 3 * day + 6))
    assert sizes.pace(tmp_path) == pytest.approx((3 + 7 + 4 + 2) / 100)
