"""`leaven delia --explain`, on the lab, with a grid of two parts."""

import json

import polars as pl
import pytest

from leaven.study import explain
from leaven.study.shapley import Worth


@pytest.mark.slow
def test_explain_runs_the_grid_and_prints_shares_that_add_up(leaven, rows, monkeypatch):
    monkeypatch.setattr(explain, "PARTS", ("buffer", "exposures"))
    monkeypatch.setattr(explain, "PASSES", 2)
    words = "task.jsonl --model lab --test test.jsonl --queries pool.jsonl --out run --ratio 1 --explain".split()
    done = leaven("delia", *words, "--max-new-tokens", "12")
    assert done.code == 0, done.err
    assert "minutes for 4 cells" in done.err and "What each part is worth" in done.out and "buffer" in done.out
    folder = rows / "run" / "explain"
    names = {json.loads(path.read_text())["method"] for path in folder.glob("cells/*/cell.json")}
    assert names == {"none of them", "buffer", "exposures", "all of them"}
    again = leaven("delia", *words, "--max-new-tokens", "12")
    assert again.code == 0 and "minutes for" not in again.err and again.out == done.out
    scores = pl.read_parquet(folder / "scores.parquet")
    kept = explain.worths(scores)["general/kept"]
    gap = explain.mean(scores, explain.ALL, "general/kept") - explain.mean(scores, explain.NONE, "general/kept")
    assert sum(row.mean for row in kept) == pytest.approx(gap) and isinstance(kept[0], Worth)
