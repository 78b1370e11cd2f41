"""What a lift is embedded by where nobody says it, and what stands in variety's place without a sentence encoder."""

import io
import json

import numpy as np
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

    def made(name="run", continue_anyway=False, **values):
        settings = {"data": str(tmp_path / "d.jsonl"), "quality": "length", "n": 5, "keep_variety": 0.5, **values}
        said = io.StringIO()
        run.run(Settings(**settings), tmp_path / name, Progress(said), None, continue_anyway=continue_anyway)
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


def test_a_lift_that_goes_on_over_other_embeddings_chooses_by_them(lift, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    file, size = tmp_path / "e.npy", {"keep_variety": 0.25, "n": 10}

    def bring(seed):
        np.save(file, np.random.default_rng(seed).normal(size=(40, 4)).astype(np.float32))

    bring(1)
    lift("anew", embeddings=str(file), **size)
    bring(0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "_cut", stop)
        lift(embeddings=str(file), **size)
    bring(1)
    with pytest.raises(UserError, match=r"e\.npy has changed since the stage quality"):
        lift(embeddings=str(file), **size)
    lift(continue_anyway=True, embeddings=str(file), **size)
    stages = [pl.read_parquet(tmp_path / name / "stages/variety.parquet") for name in ("run", "anew")]
    assert stages[0].equals(stages[1])
    assert (tmp_path / "run/kept.jsonl").read_text() == (tmp_path / "anew/kept.jsonl").read_text()


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
