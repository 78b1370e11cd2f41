"""The rows of a lift: filters beside the audit, the story of a row, and thresholds beside `leaven lift --from`."""

import io
import json

import numpy as np
import polars as pl
import pytest

from leaven.errors import UserError
from leaven.lift import audit, run
from leaven.lift.settings import Settings
from leaven.runs.progress import Progress
from leaven.view import again, bundle, data_map, live, overview
from leaven.view.rows import Query, Rows
from leaven.view.source import Source

WORDS = "red green blue heavy light round flat long short new old warm cold quick slow".split()


def no_engine(spec, what):
    pytest.fail(f"{spec} was opened for {what}")


def lifted(folder, source=None, **values):
    settings = Settings(**{"embedder": "lsa:8", "dedup": "minhash", "quality": "longest", "n": 10, **values})
    run.run(settings, folder, Progress(io.StringIO()), no_engine, source)
    return folder


@pytest.fixture(scope="module")
def lift(tmp_path_factory):
    """Forty rows, every fourth of which is a copy of the one before."""
    place, lines = tmp_path_factory.mktemp("lift"), []
    for i in range(40):
        j = i - (i % 4 == 3)
        said = " ".join(WORDS[(j * 7 + k * (j % 5 + 1)) % len(WORDS)] for k in range(j % 9 + 3))
        lines.append({"instruction": f"Describe thing {j}.", "input": "", "output": said})
    (place / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lifted(place / "run", data=str(place / "d.jsonl"), keep_variety=0.8)


@pytest.fixture
def rows(lift):
    return Rows(pl.scan_parquet(lift / "audit.parquet"))


def test_filters_leave_what_the_audit_says(lift, rows):
    frame = audit.read(lift)
    for query, left in [
        (Query(), frame),
        (Query(verdict="kept"), frame.filter(pl.col("verdict") == "kept")),
        (Query(stage="minhash"), frame.filter(pl.col("stage") == "minhash")),
        (Query(search="THING 12."), frame.filter(pl.col("question").str.contains("thing 12.", literal=True))),
        (Query(search="d.jsonl:3"), frame.filter(pl.col("place") == "d.jsonl:3")),
        (Query(verdict="dropped", search="thing"), frame.filter(pl.col("verdict") == "dropped")),
        (Query(verdict="dropped", search="nobody"), frame.clear()),
    ]:  # fmt: skip
        page = rows.page(query)
        assert [row["row"] for row in page["rows"]] == left["row"].to_list()[:30]
        assert (page["total"], page["hits"]) == (40, left.height)
    best = rows.page(Query(sort="variety"))["rows"]
    assert [row["score"] for row in best[:5]] == frame["variety"].drop_nulls().sort(descending=True).to_list()[:5]


def test_the_story_of_a_row_tells_what_the_audit_knows(lift, rows):
    for line in audit.read(lift).filter(pl.col("stage") == "variety").head(2).iter_rows(named=True):
        story = rows.story(line["row"])
        assert (story["verdict"], story["stage"], story["reason"]) == ("dropped", "variety", "not varied enough")
        (last,) = [stage for stage in story["stages"] if not stage["passed"]]
        assert last["stage"] == "variety" and last["values"]["variety"] == line["variety"]
        assert story["nearest"]["row"] == line["nearest_kept"] and story["nearest"]["verdict"] == "kept"
    assert rows.story(1_000) is None


def test_parents_and_children_are_told_to_the_first_and_the_last(tmp_path):
    names = ["row", "id", "step", "place", "round", "parent", "model", "prompt", "strategy", "question", "answer",
             "stage", "reason", "detail", "verdict", "nearest_kept", "nearest_cosine"]  # fmt: skip
    lines = [(n, f"id{n}", "evolve" if n else "read", "d:1", n, n - 1 if n else None, "", "", "deepen", f"q{n}", None,
              "", "", "", "kept", None, None) for n in range(4)]  # fmt: skip
    frame = pl.DataFrame(lines, names, orient="row", infer_schema_length=None)
    story = Rows(frame.with_columns(pl.col("nearest_cosine").cast(pl.Float64)).lazy()).story(2)
    assert [one["row"] for one in story["parents"]] == [1, 0]
    assert [one["row"] for one in story["children"]] == [3]


def test_other_thresholds_keep_what_a_lift_from_it_keeps(lift, tmp_path):
    told = again.decide(lift, {"n": 6.0, "keep_variety": 0.5})
    anew = audit.read(lifted(tmp_path / "anew", lift, **{**_settings(lift), "n": 6, "keep_variety": 0.5}))
    now, before = anew["verdict"] == "kept", audit.read(lift)["verdict"] == "kept"
    assert (told["kept"], told["was"]) == (int(now.sum()), 10)
    assert told["exits"]["rows"] == int((before & ~now).sum()) and told["entries"]["rows"] == int((now & ~before).sum())
    assert told["command"] == f"leaven lift --from {lift} --n 6 --keep-variety 0.5 --out FOLDER"


def _settings(lift):
    from leaven.lift import settings

    return settings.read(lift).model_dump(exclude={"n", "variety"})


def test_what_a_lift_can_be_decided_by_is_said_with_its_bounds(lift):
    sliders = {slider["name"]: slider for slider in again.sliders(lift)}
    assert list(sliders) == ["n", "keep_variety", "dedup.threshold"]
    assert (sliders["n"]["value"], sliders["n"]["high"]) == (10, 40)
    with pytest.raises(UserError, match="embedder can't be changed here"):
        again.decide(lift, {"embedder": 1.0})


def test_a_large_lift_is_not_decided_while_somebody_waits(lift, monkeypatch):
    monkeypatch.setattr(again, "LARGEST", 39)
    told = again.decide(lift, {"n": 6.0})
    assert not told["decided"] and told["command"].startswith("leaven lift --from")


def test_a_folder_has_the_stories_of_its_rows(lift, tmp_path):
    page = bundle.write(lift, tmp_path / "page")
    data = json.loads((page.parent / "data" / "lift.js").read_text().partition(" = ")[2].rstrip().rstrip(";"))
    rows = Rows(pl.scan_parquet(lift / "audit.parquet"))
    assert len(data["stories"]) == data["total"] == 40
    assert data["stories"][7] == json.loads(json.dumps(rows.story(7)))


def test_a_run_tells_how_far_it_is(lift, tmp_path):
    state = live.state(lift)
    assert "NovelSum and Vendi are higher" in overview.of_lift(lift)["sets"]["about"]
    assert [stage["name"] for stage in state["stages"]][-2:] == ["quality", "n"] and state["finished"]
    (tmp_path / "plan.json").write_text('["a-n5-s0", "b-n5-s0", "a-n5-s1", "b-n5-s1"]')
    events = [{"time": 1.0, "event": "cell", "name": "a-n5-s0", "seconds": 4.0},
              {"time": 2.0, "event": "cell", "name": "b-n5-s0", "seconds": 6.0}]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"time": 3, "torn')
    sittings = [(10.0, "sitting"), (14.0, "stage"), (15.0, "stage"), (90.0, "sitting"), (93.0, "stage")]
    named = [{"time": time, "event": event, "name": "s", "rows": 1} for time, event in sittings]
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in named))
    assert [stage["seconds"] for stage in live.state(tmp_path / "stopped")["stages"]] == [4.0, 1.0, 3.0]
    cells = live.state(tmp_path)["cells"]
    assert cells["rest"] == ["a-n5-s1", "b-n5-s1"] and cells["seconds_left"] == 10.0
    (tmp_path / "llm.log").write_text("2026-11-21 concurrency 8\n2026-11-21 a call failed: 500\n")
    assert live.state(tmp_path)["failures"] == ["2026-11-21 a call failed: 500"]


def test_of_a_lift_that_runs_the_first_page_says_so(tmp_path):
    (tmp_path / "stages").mkdir()
    source = Source(tmp_path)
    assert not source.run()["finished"]
    with pytest.raises(UserError, match="no finished lift"):
        source.rows({})


def test_the_map_draws_each_row_at_its_place_on_the_components_of_scikit_learn(lift):
    decomposition = pytest.importorskip("sklearn.decomposition")
    told = data_map.points(lift)
    vectors, numbers = np.load(lift / "embeddings.npy"), pl.read_parquet(lift / "embedded.parquet")["row"].to_list()
    scaled = (vectors - vectors.mean(0)) / np.where(vectors.std(0) > 1e-9, vectors.std(0), 1)
    pca = decomposition.PCA(2, svd_solver="full").fit(scaled)
    assert told["row"] == numbers and told["total"] == len(numbers)
    # The base works in float32, and rounds to thousandths.
    assert np.allclose(np.abs(np.column_stack([told["x"], told["y"]])), np.abs(pca.transform(scaled)), atol=2e-3)
    assert told["seen"] == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-4)
    verdicts = dict(audit.read(lift).select("row", "verdict").iter_rows())
    assert told["verdict"] == [verdicts[number] for number in numbers]


def test_of_a_large_lift_the_map_draws_a_sample_and_says_of_how_many(lift, monkeypatch):
    monkeypatch.setattr(data_map, "POINTS", 7)
    told = data_map.points(lift)
    assert len(told["row"]) == len(told["x"]) == 7 and told["total"] > 7
    assert set(data_map.points(lift, {told["row"][0], told["row"][3]})["row"]) == {told["row"][0], told["row"][3]}


def test_what_is_marked_is_told_with_whole_texts(lift):
    frame = audit.read(lift)
    marked = Source(lift).texts({"rows": "3,17,nobody,99999"})
    assert [(row["row"], row["question"], row["answer"]) for row in marked] == frame.filter(
        pl.col("row").is_in([3, 17])).select("row", "question", "answer").rows()  # fmt: skip


def test_an_address_that_asks_for_no_number_is_told_so(lift):
    source = Source(lift)
    for ask, parameters in [
        (source.story, {"row": "abc"}),
        (source.decide, {"n": "nan"}),
        (source.rows, {"page": "-1"}),
    ]:
        with pytest.raises(UserError, match="no query"):
            ask(parameters)
    assert [row["row"] for row in source.texts({"rows": "1,²,x"})] == [1]


def test_a_loss_that_ran_away_is_no_point_of_the_curve(tmp_path):
    (tmp_path / "cells" / "a").mkdir(parents=True)
    about = {"method": "a", "size": 5, "seed": 0, "losses": [2.0, None, float("inf"), 1.0]}
    (tmp_path / "cells" / "a" / "cell.json").write_text(json.dumps(about))
    assert live.state(tmp_path)["losses"][0]["points"] == [(1, 2.0), (4, 1.0)]
