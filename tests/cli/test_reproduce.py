"""`leaven reproduce`: what is asked for wrongly is told, with what to type; what is finished is shown."""

import polars as pl
import pytest

from leaven.runs import folder as runs
from leaven.study import reproduce, score_tables
from leaven.study.run import SCHEMA


@pytest.fixture
def finished(tmp_path):
    """Cells of a study of scale smol, twelve seeds of two methods, as a run leaves them."""
    for label, leaks in (("no_buffer", 1.0), ("delia", 0.0)):
        for seed in range(12):
            place = tmp_path / "run" / "json" / "cells" / f"{label}-n100-s{seed}"
            rows = [(label, 100, seed, "general/leak", f"i{number}", leaks) for number in range(20)]
            runs.stage(place / "scores.parquet", pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet)
            runs.close(place)
    return tmp_path / "run"


def test_what_is_finished_is_shown(leaven, finished):
    done = leaven("reproduce", "all", "--scale", "smol", "--as-is", "--out", finished)
    assert done.code == 0, done.err
    claim = "The buffer keeps the format out of plain questions (against equal steps and exposures without it)"
    assert f"{claim} (json, controls): holds here" in done.out
    page = (finished / "results.md").read_text()
    assert (
        ", 12 seeds." in page
        and "No verdict yet, since their cells have not all run" in page
        and "- The buffer's loss keeps what the model says to plain questions (list)" in page
        and "SmolLM2-135M-Instruct" in page
    )
    assert (finished / "dose-json.svg").exists() and "![" in (finished / "dose-json.md").read_text()


def test_one_table_of_one_study_is_named_by_its_file(leaven, finished):
    done = leaven("reproduce", "dose", "--scale", "smol", "--as-is", "--out", finished)
    assert f"read {finished}/dose-json.md" in done.out and (finished / "dose-json.md").exists()


def test_whoever_has_the_score_tables_can_compute_each_figure_anew(leaven, finished, tmp_path):
    """`docs/make.py --reproduced` keeps them under docs/runs; the page is the same to the letter."""
    order = reproduce.Order("smol", (), finished)
    about, table = (
        score_tables.About({"transfer": {"testable": False, "reason": "why"}}, ("Leak check: 1 row.",)),
        tmp_path / "tables",
    )
    score_tables.write("smol", "json", reproduce.finished(finished / "json"), about, table)
    assert sorted(path.name for path in table.iterdir()) == ["smol-json.json", "smol-json.parquet"]
    assert reproduce.about("json", order._replace(tables=table)).untestable == {"transfer": "why"}
    assert reproduce.about("json", order) == score_tables.About()
    pages = []
    for flags in (("--as-is", "--out", finished), ("--from", table, "--out", tmp_path / "new")):
        done = leaven("reproduce", "dose", "--scale", "smol", *flags)
        assert done.code == 0, done.err
        pages.append((flags[-1] / "dose-json.md").read_text().replace("*Leak check: 1 row.*\n\n", ""))
    assert pages[0] == pages[1] and "12 seeds" in pages[1]
    assert leaven("reproduce", "dose", "--scale", "smol", "--from", tmp_path / "run").code == 2


def test_a_score_table_holds_what_is_read_of_it_and_nothing_else(finished, tmp_path):
    scores = reproduce.finished(finished / "json")
    more = scores.with_columns(metric=pl.lit("general/other"))
    score_tables.write("smol", "json", pl.concat([more, scores]), score_tables.About(), tmp_path)
    kept = score_tables.read("smol", "json", tmp_path)
    assert set(kept["metric"]) == {"general/leak"} and len(kept) == len(scores) and kept["phrasing"].is_null().all()


def test_where_nothing_is_finished_nothing_is_shown(leaven, tmp_path):
    done = leaven("reproduce", "all", "--scale", "smol", "--as-is", "--out", tmp_path)
    assert done.code == 2 and "nothing is finished" in done.err


def test_a_scale_of_published_rows_asks_for_them(leaven):
    done = leaven("reproduce", "table2", "--scale", "smol")
    assert done.code == 2 and "works on published rows, and none of them ship" in done.err
    assert "--data FOLDER" in done.err


def test_a_table_that_a_scale_has_not_is_told(leaven):
    done = leaven("reproduce", "figure2", "--scale", "smol", "--data", ".")
    assert done.code == 2 and "'figure2' to reproduce at scale smol" in done.err and "figure3, figure4" in done.err


def test_an_unknown_scale_is_told(leaven):
    done = leaven("reproduce", "table2", "--scale", "smoll")
    assert done.code == 2 and "'smoll'" in done.err and "smol" in done.err


def test_a_folder_without_copies_says_which_is_missing(leaven, tmp_path):
    done = leaven("reproduce", "demo", "--scale", "smol", "--data", tmp_path)
    assert done.code == 2 and "alpaca_52k/alpaca_data*" in done.err
    assert not (tmp_path / "runs").exists()
