"""What holds for every selector: rows are kept or dropped, none is lost, changed or made up."""

import json

import numpy as np
import pytest

from leaven import plugs
from leaven.rows.example import Drop

FLAGS = {"length_matched": {}, "quality": None}
NAMES = [name for name in plugs.names("selectors") if FLAGS.get(name, {}) is not None]


def settings(name, tmp_path):
    if name not in ("length_matched", "guard"):
        return {"field": "number"} if name == "marks" else {}
    rows = [{"prompt": f"q{i}", "completion": "x" * 12} for i in range(5)]
    (tmp_path / "like.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = str(tmp_path / "like.jsonl")
    return {"like": path} if name == "length_matched" else {"against": (path,)}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_kept_in_order_with_its_fields_or_dropped_with_a_reason(
    name, numbered, context, unit, tmp_path, tiny_model, select
):
    module = plugs.load("selectors", name)
    data = numbered(30)
    assert plugs.summary(module).endswith((".", ").", ":"))
    assert all(info.description for info in module.Config.model_fields.values())
    found = select(module, data, module.Config(**settings(name, tmp_path)), context(unit(30), model=tiny_model()))
    numbers = [row.meta["number"] for row in found.kept]
    assert numbers == sorted(numbers) == [place + 1 for place in found.positions]
    gone = [drop.example.meta["number"] for drop in found.dropped]
    assert sorted(numbers + gone) == list(range(1, 31))
    assert all(isinstance(drop, Drop) and drop.reason for drop in found.dropped)
    assert all(len(column) == 30 for column in found.scores.values())
    assert [row.messages for row in found.kept] == [data[place].messages for place in found.positions]


@pytest.mark.parametrize("name", [name for name in NAMES if "n" in plugs.load("selectors", name).Config.model_fields])
def test_asking_for_more_than_there_is_is_said(name, numbered, context, unit, tiny_model, select):
    module = plugs.load("selectors", name)
    from leaven.errors import UserError

    with pytest.raises(UserError, match="only 9 rows"):
        select(module, numbered(9), module.Config(n=10), context(unit(9), model=tiny_model()))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "keep" in plugs.load("selectors", name).Config.model_fields]
)
def test_a_share_of_few_rows_is_one_row_and_not_none(name, numbered, context, unit, tmp_path, tiny_model, select):
    module = plugs.load("selectors", name)
    config = module.Config(keep=0.05, **settings(name, tmp_path))
    assert len(select(module, numbered(9), config, context(unit(9), model=tiny_model())).kept) == 1
    assert config.of(0) == 0


def test_a_smaller_random_draw_is_inside_a_larger_one(numbered, context, select):
    module = plugs.load("selectors", "random")
    small, large = (set(select(module, numbered(50), module.Config(n=n), context(seed=3)).positions) for n in (5, 20))
    assert small < large


def test_length_matched_has_the_lengths_of_the_other(context):
    from leaven.lift.selectors.length_matched import matched

    rng = np.random.default_rng(0)
    pool, wanted = rng.integers(1, 1000, 2000).astype(float), rng.integers(400, 600, 100).astype(float)
    found = matched(pool, wanted, 20, 0)
    assert len(found) == len(set(found)) == 100
    assert np.abs(np.sort(pool[found]) - np.sort(wanted)).max() < 15
    assert len(matched(pool[:150], wanted, 20, 0)) == 100


def test_rows_as_long_as_others_that_are_all_as_long_are_no_shorter_ones():
    from leaven.lift.selectors import length_matched

    kept = length_matched.matched(np.arange(1.0, 101), np.full(5, 50.0), 20, 0)
    assert sorted(kept) == [47, 48, 49, 50, 51]  # there is one row of 50 characters; the nearest make up the number
    assert length_matched.matched(np.repeat([10.0, 50.0], 20), np.full(5, 50.0), 20, 0)[0] >= 20
