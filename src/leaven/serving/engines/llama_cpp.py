"""llama.cpp's server over HTTP, by the wheel xllamacpp: a GGUF file, as Ollama and LM Studio run it too."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leaven.rows.example import Prompt
from leaven.serving.artefact import Artefact, Ask, Reply
from leaven.serving.engines import _in_process, _server

PACKAGES = ("xllamacpp", "gguf")
KINDS = ("gguf",)
PROGRAM = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.cpuparams.n_threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params.n_ctx, params.n_parallel, params.warmup, params.ui, params.fit_params = 4096, 1, False, False, False
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
sys.stdin.read()
"""
"""It ends with whoever holds its standard input. Keys and values are in float32: nothing but the file is rounded."""


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The server with a file, its chat template read from the file."""
    port = _server.free_port()
    threads = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count() or 1)
    command = [sys.executable, "-c", PROGRAM, str(artefact.path), str(port), threads]
    with _server.running(command, f"http://127.0.0.1:{port}") as address:

        def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
            probabilities = {"logprobs": True, "top_logprobs": _in_process.LIKELIEST, "cache_prompt": False}
            return [_reply(_server.chat(address, prompt, max_new_tokens, **probabilities)) for prompt in prompts]

        yield ask


def _reply(done: dict[str, Any]) -> Reply:
    (choice,) = done["choices"]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    # Tokens that end within a letter are held back, and nothing is told of them: then the first one is not known.
    held_back = done["usage"]["completion_tokens"] - len(tokens) - (choice["finish_reason"] == "stop")
    first = tokens[0]["top_logprobs"] if tokens and held_back <= 0 else []
    likeliest = {token["id"]: token["logprob"] for token in first}
    return Reply(choice["message"]["content"] or "", first=likeliest, ids=frozenset(token["id"] for token in tokens))
