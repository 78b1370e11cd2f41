"""`transformers serve`: the merged model behind its HTTP server."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from leaven.rows.example import Prompt
from leaven.serving.artefact import Artefact, Ask, Reply
from leaven.serving.engines import _server

PACKAGES = ("transformers", "fastapi", "uvicorn", "openai")
KINDS = ("merged",)


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The server as its own command starts it, in float32."""
    port, model = _server.free_port(), str(artefact.path.resolve())
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", model, "--port", str(port), "--dtype", "float32"]
    with _server.running(command, f"http://localhost:{port}") as address:

        def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
            done = (_server.chat(address, each, max_new_tokens, model=model, stream=False) for each in prompts)
            return [Reply(each["choices"][0]["message"]["content"] or "") for each in done]

        yield ask
