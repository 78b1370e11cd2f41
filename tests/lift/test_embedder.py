"""What a lift is embedded by where nobody says it, and what stands in variety's place without a sentence encoder."""

import io
import json

import polars as pl
import pytest

from leaven.errors import UserError
from leaven.lift import run, vector_store
from leaven.lift.settings import Settings, read
from leaven.models import shelf
from leaven.runs.progress import Progress


@pytest.fixture
def lift(tmp_path):
    lines = (json.dumps({"instruction": f"Tell {n} of {n % 7}", "output": f"tale{n % 9} {n} " * (1 + n % 3)})
             for n in range(40))  # fmt: skip
    (tmp_path / "d.jsonl").write_text("\n".join(lines))

    def made(name="run", **values):
        settings = {"data": str(tmp_path / "d.jsonl"), "quality": "length", "n": 5, "keep_variety": 0.5, **values}
        said = io.StringIO()
        run.run(Settings(**settings), tmp_path / name, Progress(said), None)
        return said.getvalue()

    return made


def test_without_an_encoder_k_center_stands_in_varietys_place_and_it_is_said(lift, tmp_path):
    said = lift()
    assert "leaven model get minilm" in said
    stage = pl.read_parquet(tmp_path / "run/stages/k_center.parquet")
    assert stage["kept"].sum() == 20 and "distance" in stage.columns
    assert not (tmp_path / "run/stages/variety.parquet").exists()
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["variety"] == "" and any("sentence encoder" in note["text"] for note in summary["notes"])


def test_a_lift_goes_on_with_what_it_was_begun_with(lift, tmp_path, monkeypatch):
    lift()
    assert read(tmp_path / "run").embedder == "auto:lsa"
    monkeypatch.setattr(shelf, "is_available", lambda name: True)
    assert [stage.name for stage in read(tmp_path / "run").plan] == ["k_center", "quality"]
    with pytest.raises(UserError, match="embedder was auto:lsa and is auto:minilm"):
        lift()
    assert "nothing to do" in lift(embedder="auto:lsa")


def test_lsa_ranks_variety_where_it_is_named(lift, tmp_path):
    assert "sentence encoder" not in lift(embedder="lsa:8")
    assert (tmp_path / "run/stages/variety.parquet").exists()


def test_settings_of_variety_that_would_have_no_effect_stop_the_lift(lift):
    with pytest.raises(UserError, match="k_center stands in its place"):
        lift(compat="exact")


def test_a_cache_that_can_not_be_made_is_said(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="can't be made"):
        vector_store.embedded(["a"], "x", lambda: None, tmp_path / "cache" / "leaven" / "e.sqlite", lambda *done: None)
