"""End to end on a real server: `transformers serve` with the lab's model, through the commands."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from leaven.models.names import LAB

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    pytest.importorskip("fastapi")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(LAB)]
    with log.open("w") as output:
        server = subprocess.Popen([*command, "--port", str(port), "--host", "127.0.0.1"], stdout=output, stderr=output)
    try:
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def command(folder, *words):
    known = {**os.environ, "OPENAI_API_KEY": "none", "XDG_CACHE_HOME": str(folder / "cache")}
    line = [sys.executable, "-m", "leaven", *map(str, words)]
    return subprocess.run(line, cwd=folder, env=known, capture_output=True, text=True, timeout=300, check=False)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_sample_answers_every_query_and_the_second_time_from_the_store(tmp_path, url):
    asked = [f"What is {n} plus 2?" for n in range(40)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"question": text}) + "\n" for text in asked))
    flags = ("q.jsonl", "--llm", f"openai:{LAB}", "--base-url", url, "--temperature", 0)
    first = command(tmp_path, "sample", *flags, "-o", "a.jsonl")
    assert first.returncode == 0, first.stderr
    rows = lines(tmp_path / "a.jsonl")
    assert [row["messages"][0]["content"] for row in rows] == asked
    assert all(row["messages"][1]["content"].strip() for row in rows)
    second = command(tmp_path, "sample", *flags, "-o", "b.jsonl")
    assert "the store saved 40 calls" in second.stderr
    assert lines(tmp_path / "b.jsonl") == rows


def test_the_server_says_what_the_model_says_in_process(tmp_path, url):
    from leaven.llm.open import open_llm
    from leaven.llm.protocol import Sampling
    from leaven.rows.example import user

    prompts = [user(f"What is {n} plus 2?") for n in range(10)]
    greedy = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=48)
    here = dict(open_llm(f"hf:{LAB}").replies(prompts, greedy))
    there = dict(open_llm(f"openai:{LAB}", base_url=url).replies(prompts, greedy))
    assert [here[n].text.strip() for n in range(10)] == [there[n].text.strip() for n in range(10)]


def test_diversify_asks_sifts_and_keeps_every_row(tmp_path, url):
    rows = [{"question": f"Who is {name}? Use the <sep> format.", "answer": "x"} for name in ("Bo", "Ana", "Ned")]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--llm", f"openai:{LAB}", "--base-url", url)
    done = command(tmp_path, "diversify", "t.jsonl", *flags, "-n", 4, "-o", "v.jsonl")
    assert done.returncode == 0, done.stderr
    kept = lines(tmp_path / "v.jsonl")
    assert len(kept) == 3
    assert all("<sep>" in row["messages"][0]["content"] for row in kept)
    assert "1 calls" in done.stderr  # the instruction is one, so it is asked once; the tiny model's reply is no use
