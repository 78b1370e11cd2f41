"""`leaven export --push-to-hub` against a small hub on loopback, which keeps what was committed."""

import base64
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

TOKEN = "hf_not_a_real_token_0123456789"


class Hub(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state = self.server.state
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            state["repo"] = json.loads(body)
            return self.answer({"url": f"{self.server.url}/datasets/me/sums"})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            return self.answer({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    state["files"][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.answer({"commitUrl": f"{self.server.url}/datasets/me/sums/commit/1", "commitOid": "1" * 40})
        return self.answer({"error": "not found"}, 404)

    def do_GET(self):
        about = {"id": "me/sums", "sha": "0" * 40, "siblings": []}
        self.answer({**about, "private": self.server.state.get("private", True)})

    def answer(self, value, status=200):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url, server.state = f"http://127.0.0.1:{server.server_port}", {"files": {}}
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def export(folder, hub, token, out="out"):
    known = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder)}
    words = ("export", "rows.jsonl", "-o", out, "--name", "sums", "--push-to-hub", "me/sums")
    line = [sys.executable, "-m", "leaven", *words]
    return subprocess.run(line, cwd=folder, env=known, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    rows = [{"prompt": f"What is {n} plus 1?", "completion": f"It is {n + 1}."} for n in range(5)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_the_folder_is_committed_to_a_private_dataset_as_it_is(folder, hub):
    done = export(folder, hub, TOKEN)
    assert done.returncode == 0, done.stderr
    assert f"Uploaded: {hub.url}/datasets/me/sums" in done.stdout
    assert (hub.state["repo"]["type"], hub.state["repo"]["visibility"]) == ("dataset", "private")
    here = {path.name: path.read_bytes() for path in (folder / "out").iterdir() if path.is_file()}
    assert hub.state["files"] == here
    assert TOKEN not in done.stdout + done.stderr


def test_a_hub_that_refuses_the_token_is_said_so(folder, hub):
    done = export(folder, hub, "hf_wrong")
    assert done.returncode == 2
    assert "the hub did not take me/sums" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "out" / "train.jsonl").is_file()


def test_a_folder_with_secrets_is_neither_uploaded_nor_written_to(folder, hub):
    (folder / ".env").write_text("KEY=secret")
    (folder / "README.md").write_text("mine")
    done = export(folder, hub, TOKEN, out=".")
    assert done.returncode == 2
    assert "holds what export did not write: .env" in done.stderr
    assert not hub.state["files"] and "repo" not in hub.state
    assert (folder / "README.md").read_text() == "mine"


def test_what_comes_into_the_folder_later_is_not_uploaded(folder, hub):
    assert export(folder, hub, "hf_wrong").returncode == 2
    assert export(folder, hub, TOKEN).returncode == 0, "the folder that it made is taken again"
    (folder / "out" / "notes.txt").write_text("private")
    hub.state["files"].clear()
    assert export(folder, hub, TOKEN).returncode == 2
    assert not hub.state["files"]


def test_a_public_repository_is_not_filled_unless_that_is_said(folder, hub):
    hub.state["private"] = False
    done = export(folder, hub, TOKEN)
    assert done.returncode == 2
    assert "me/sums is there already, and public" in done.stderr
    assert not hub.state["files"]
