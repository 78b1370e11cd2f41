"""Commands that write one file know what it was made from: the same is not made twice, what has changed is named."""

import json

import pytest
from typer.testing import CliRunner

from leaven.cli.main import app
from leaven.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    lines = [json.dumps({"prompt": f"Say {i}.", "completion": f"{i} " * (i + 1)}) + "\n" for i in range(12)]
    (tmp_path / "d.jsonl").write_text("".join(lines))
    (tmp_path / "r.jsonl").write_text(json.dumps({"match": "", "reply": "Well."}) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*words):
    done = CliRunner().invoke(app, words)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


CURATE = ("curate", "length", "d.jsonl", "-o", "kept.jsonl")
SAMPLE = ("sample", "d.jsonl", "--llm", "scripted:r.jsonl", "-o", "said.jsonl")


@pytest.mark.parametrize(("words", "out"), [((*CURATE, "--n", "5"), "kept.jsonl"), (SAMPLE, "said.jsonl")])
def test_a_finished_file_is_not_made_again_and_edited_rows_are_named(folder, words, out):
    told(*words)
    stamp = (folder / out).stat().st_mtime_ns
    assert f"{out}: finished at 20" in (said := told(*words)) and "nothing to do" in said
    assert (folder / out).stat().st_mtime_ns == stamp
    with (folder / "d.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "One more.", "completion": "Here."}) + "\n")
    with pytest.raises(
        UserError, match=r"^d\.jsonl has changed since the run began \(20.*\)\nName another file \(-o\), or"
    ):
        told(*words)
    assert "although d.jsonl has changed since" in told(*words, "--continue-anyway")
    assert (folder / out).stat().st_mtime_ns != stamp
    assert "nothing to do" in told(*words)
    (folder / out).unlink()
    told(*words)
    assert (folder / out).is_file()


def test_settings_that_differ_are_named_unless_nothing_was_made(folder):
    with pytest.raises(UserError, match="only 12 rows"):
        told(*CURATE, "--n", "500")
    told(*CURATE, "--n", "5", "--strict")
    with pytest.raises(UserError, match=r"^seed was 0 and is 1; top_p was 0\.95 and is 0\.9"):
        told(*SAMPLE, "-n", "4")
        told(*SAMPLE, "--seed", "1", "--top-p", "0.9")
    assert "12 kept" in told(*SAMPLE)  # more rows of the same
