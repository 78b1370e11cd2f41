"""The page on loopback: whoever has no secret gets nothing, and a folder from disk says the same as the server."""

import json
import re
import threading
import urllib.error
import urllib.request

import pytest
from tests.view.runs import OBJECT, study

from leaven.errors import UserError
from leaven.view import bundle, server

TEXTS = {"original": {0: ["no", "no"]}, "delia": {0: [OBJECT, "no"]}}


@pytest.fixture
def served(tmp_path):
    """The address of a page that is served."""
    with server.serve(study(tmp_path / "run", TEXTS)) as page:
        threading.Thread(target=page.serve_forever, args=(0.05,), daemon=True).start()
        yield server.url(page)
        page.shutdown()


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as reply:
        return reply.headers, reply.read().decode()


def refused(url, **headers):
    """The status and the words of a request that is refused."""
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(url, **headers)
    with refusal.value as reply:
        return reply.code, reply.read().decode()


def test_the_page_and_its_files_come_with_a_policy_that_allows_nothing_else(served):
    for name in ("", "core.js", "style.css"):
        headers, body = get(served + name)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"] and body
    _, page = get(served)
    assert "<script>" not in page and "style=" not in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("path", ["..%2Frun.json", "charts/..%2Frun.json", "cells", "api/nothing", "run.json"])
def test_what_is_no_part_of_the_page_is_not_given(served, path):
    assert refused(served + path)[0] == 404


def test_without_the_secret_or_from_another_host_nothing_is_said(served):
    root = served.rsplit("/", 2)[0]
    assert refused(f"{root}/")[0] == refused(f"{root}/guess/api/run")[0] == 404
    assert refused(f"{served}api/run", Host="evil.example")[0] == 404
    assert json.loads(get(f"{served}api/run")[1])["kind"] == "study"


def test_answers_are_asked_for_in_the_address(served):
    asked = "test=unseen_phrasing&measure=format&size=5&a=original&b=delia&show=better"
    page = json.loads(get(f"{served}api/answers?{asked}")[1])
    (question,) = page["questions"]
    assert {one["method"]: one["text"] for one in question["answers"]} == {"delia": OBJECT, "original": "no"}
    assert json.loads(get(f"{served}api/difference?{asked}")[1])["difference"] == 0.5
    code, said = refused(f"{served}api/answers?test=unseen_phrasing")
    assert code == 400 and "no query" in json.loads(said)["problem"]


def loaded(path):
    """What a script of the folder's data holds."""
    return json.loads(path.read_text(encoding="utf-8").partition(" = ")[2].rstrip().rstrip(";"))


def test_a_folder_holds_all_that_a_small_run_has(tmp_path):
    run = study(tmp_path / "run", TEXTS)
    page = bundle.write(run, tmp_path / "page")
    found = loaded(page.parent / "data" / "answers.js")
    assert found["total"] == len(found["questions"]) == 2
    assert [gap["difference"] for gap in found["differences"]] == [0.5]
    assert "Content-Security-Policy" in page.read_text() and "data/answers.js" in page.read_text()
    assert bundle.write(run, tmp_path / "page") == page  # and again


def test_of_a_large_run_a_folder_holds_a_sample_and_says_of_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "LIMIT", 3_000)
    texts = {method: {0: [OBJECT] * 50} for method in TEXTS}
    page = bundle.write(study(tmp_path / "run", texts), tmp_path / "page")
    found = loaded(page.parent / "data" / "answers.js")
    numbers = [question["number"] for question in found["questions"]]
    assert found["total"] == 50 and 1 < len(numbers) < 20
    assert numbers == sorted(numbers) and numbers != list(range(len(numbers)))


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    run = study(tmp_path / "run", TEXTS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="not empty"):
        bundle.write(run, tmp_path / "mine")


def test_what_is_no_run_is_said_so(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        server.serve(tmp_path)


def test_no_answer_of_a_folder_takes_the_name_of_another():
    text = (server.BROWSER / "sample.js").read_text(encoding="utf-8")
    names = re.findall(r"^  (\w+)(?:\(|:)", text.partition("leaven.sample = {")[2].partition("\n};")[0], re.MULTILINE)
    assert len(names) > 8 and len(names) == len(set(names))
