"""No key in anything that a run leaves: files, stores, logs, reports, errors, what is printed."""

import json
import os
import subprocess
import sys

import pytest
from tests.llm.test_openai import serving

KEY = "sk-very-secret-0123456789"


def command(folder, *words, **environment):
    known = {**os.environ, "OPENAI_API_KEY": KEY, "XDG_CACHE_HOME": str(folder / "cache"), **environment}
    line = [sys.executable, "-m", "leaven", *map(str, words)]
    return subprocess.run(line, cwd=folder, env=known, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    rows = [
        {"instruction": f"Tell of thing {n}.", "input": "", "output": "An old answer. " * (n + 1)} for n in range(12)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def nowhere(folder, *runs):
    """The key is in no byte that lies under the folder, and in nothing that was said."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert not any(KEY in run.stdout + run.stderr for run in runs)
    return True


def test_a_whole_lift_a_sample_and_a_diversify_leave_no_key(folder):
    with serving(folder, key=KEY) as url:
        flags = ("--llm", "openai:m", "--base-url", url)
        done = [
            command(
                folder, "lift", "rows.jsonl", *flags, "--rounds", 1, "--n", 4, "--quality", "length", "--out", "run"
            ),
            command(folder, "sample", "rows.jsonl", *flags, "-o", "answers.jsonl"),
            command(
                folder, "diversify", "rows.jsonl", *flags, "--token", "", "--mode", "per_row", "-o", "varied.jsonl"
            ),
            command(folder, "store", "export"),
        ]
    assert [run.returncode for run in done] == [0, 0, 0, 0], [run.stderr for run in done]
    assert (folder / "cache" / "leaven" / "replies.db").is_file()
    assert nowhere(folder, *done)


def test_a_server_that_repeats_the_key_it_refuses(folder):
    with serving(folder, key="another") as url:
        refused = command(folder, "sample", "rows.jsonl", "--llm", "openai:m", "--base-url", url, "-o", "a.jsonl")
    assert refused.returncode == 2
    assert "refuses the key" in refused.stderr
    assert nowhere(folder, refused)


def test_an_embedder_that_is_refused_or_has_a_key_in_its_address(folder):
    words = ("curate", "k_center", "rows.jsonl", "--embedder", "openai:m", "--n", 4, "-o", "k.jsonl")
    with serving(folder, key="another") as url:
        refused = command(folder, *words, OPENAI_BASE_URL=url)
        bad = command(folder, *words, OPENAI_BASE_URL=url.replace("127", f"user:{KEY}@127"))
    assert (refused.returncode, bad.returncode) == (2, 2)
    assert "Incorrect API key" in refused.stderr
    assert "carries a user name" in bad.stderr
    assert nowhere(folder, refused, bad)


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@127.0.0.1:1/v1", f"http://127.0.0.1:1/v1?key={KEY}", f"nonsense-{KEY}"]
)
def test_a_key_in_a_bad_url(folder, url):
    refused = command(
        folder, "sample", "rows.jsonl", "--llm", "openai:m", "--base-url", url.format(KEY), "-o", "a.jsonl"
    )
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert nowhere(folder, refused)
