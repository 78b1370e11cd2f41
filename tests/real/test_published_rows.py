"""The scale `smol` of a reproduction on the real model, a few rows of each: what it is made of fits SmolLM2."""

import json

import polars as pl
import pytest

from leaven.models import shelf
from leaven.runs.progress import stderr
from leaven.study import reproduce, reproduction
from leaven.study.reproduce import Order
from leaven.study.run import run
from leaven.study.sources import resolve

pytestmark = pytest.mark.real

THINGS = "river apple lamp stone cloud bird chair wheel tower glove candle basket mirror ladder anchor feather".split()


@pytest.fixture
def copies(tmp_path):
    """Alpaca's layout with rows of our own."""
    rows = [
        {"instruction": f"Name number {n} of the {THINGS[n % 16]}s.", "input": "", "output": f"It is {n}, a {thing}."}
        for n in range(400)
        for thing in (THINGS[n // 16 % 16],)
    ]
    path = tmp_path / "copies" / "alpaca_52k" / "alpaca_data.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(rows))
    return path.parent.parent


def test_json_in_miniature(copies, tmp_path):
    recipe = reproduce.read("json", Order("smol", [0], tmp_path, data=copies))
    few = {"limit_test": 2, "ceiling_questions": 1, "max_new_tokens": 8}
    part = {"sizes": (), "tests": ("unseen_phrasing",), "probes": ("token_loss",)}
    wanted = [m.model_copy(update=part) for m in recipe.methods if m.label in ("no_buffer", "delia")]
    small = {"sizes": (8,), "methods": tuple(wanted), "evaluate": recipe.evaluate.model_copy(update=few)}
    recipe, task = resolve(recipe.model_copy(update=small), tmp_path / "json", stderr())
    assert recipe.model == shelf.path("smollm2")
    place = run(recipe, task, tmp_path / "json", stderr(), pool=tmp_path / "pool")
    cells = {path.parent.name: json.loads(path.read_text()) for path in place.glob("cells/*/cell.json")}
    assert cells["no_buffer-n8-s0"]["steps"] == cells["delia-n8-s0"]["steps"] == 2
    assert [part["rows"] for part in cells["delia-n8-s0"]["mix"]] == [8, 10]
    scores = pl.read_parquet(place / "scores.parquet")
    assert [name for name, _ in reproduction.tables("table2", scores, "smol")[0].rows] == [
        "The same, said in many ways (DELIA without its buffer)", "DELIA",
    ]  # fmt: skip
    assert {point.x for point in reproduction.points("figure3", scores, "smol")} == {0, 1.25}
