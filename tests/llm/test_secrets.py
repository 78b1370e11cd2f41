"""No key in anything that a run leaves: files, stores, logs, reports, errors, what is printed."""

import json

import pytest
from tests.llm.test_openai import serving

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def command(leaven, process, folder):
    """Run a command with the key in its environment, in this process or in one of its own."""

    def call(*words, alone=False, **environment):
        known = {"OPENAI_API_KEY": KEY, "LEAVEN_CACHE": str(folder / "cache" / "leaven"), **environment}
        return (process if alone else leaven)(*words, **known)

    return call


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
    assert not any(KEY in run.out + run.err for run in runs)
    return True


def test_a_whole_lift_a_sample_and_a_diversify_leave_no_key(command, folder):
    with serving(folder, key=KEY) as url:
        flags = ("--llm", "openai:m", "--base-url", url)
        done = [
            command("lift", "rows.jsonl", *flags, "--rounds", 1, "--n", 4, "--quality", "length", "--out", "run"),
            command("sample", "rows.jsonl", *flags, "-o", "answers.jsonl"),
            command("diversify", "rows.jsonl", *flags, "--token", "", "--mode", "per_row", "-o", "varied.jsonl"),
            command("store", "export"),
        ]
    assert [run.code for run in done] == [0, 0, 0, 0], [run.err for run in done]
    assert (folder / "cache" / "leaven" / "replies.db").is_file()
    assert nowhere(folder, *done)


def test_a_server_that_repeats_the_key_it_refuses(command, folder):
    with serving(folder, key="another") as url:
        refused = command("sample", "rows.jsonl", "--llm", "openai:m", "--base-url", url, "-o", "a.jsonl", alone=True)
    assert refused.code == 2
    assert "refuses the key" in refused.err
    assert nowhere(folder, refused)


def test_an_embedder_that_is_refused_or_has_a_key_in_its_address(command, folder):
    words = ("curate", "k_center", "rows.jsonl", "--embedder", "openai:m", "--n", 4, "-o", "k.jsonl")
    with serving(folder, key="another") as url:
        refused = command(*words, OPENAI_BASE_URL=url)
        bad = command(*words, OPENAI_BASE_URL=url.replace("127", f"user:{KEY}@127"))
    assert (refused.code, bad.code) == (2, 2)
    assert "Incorrect API key" in refused.err
    assert "carries a user name" in bad.err
    assert nowhere(folder, refused, bad)


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@127.0.0.1:1/v1", f"http://127.0.0.1:1/v1?key={KEY}", f"nonsense-{KEY}"]
)
def test_a_key_in_a_bad_url(command, folder, url):
    refused = command("sample", "rows.jsonl", "--llm", "openai:m", "--base-url", url.format(KEY), "-o", "a.jsonl")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    assert nowhere(folder, refused)
