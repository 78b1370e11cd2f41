"""A server in a process of its own, asked over HTTP as OpenAI's, and ended when it is no more needed."""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from leaven.rows.example import Prompt
from leaven.rows.turns import openai
from leaven.serving.artefact import Refused

PATIENCE = 300
"""Seconds until a server must have loaded its model, and until it must have answered."""


@contextmanager
def running(command: Sequence[str], address: str) -> Iterator[str]:
    """A server's address, once it says that it is well. Raises Refused with its last words where it ends before."""
    quiet = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=quiet) as process,
    ):
        try:
            until = time.monotonic() + PATIENCE
            while not _answers(f"{address}/health"):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise Refused(_last_words(log.read()))
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def chat(address: str, prompt: Prompt, max_tokens: int, **more: Any) -> dict[str, Any]:
    """A greedy chat completion. Raises Refused where the server gives none."""
    body = {"messages": [openai(turn) for turn in prompt], "temperature": 0, "max_tokens": max_tokens, **more}
    return post(f"{address}/v1/chat/completions", body)


def post(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A server's answer in JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return dict(json.load(reply))
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code}: {error.read().decode(errors='replace')[:200]}") from error
    except OSError as error:
        raise Refused(f"no answer: {error}") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _last_words(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it ended without a word"])[-1][:200]
