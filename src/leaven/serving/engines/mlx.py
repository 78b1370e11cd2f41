"""MLX, on Apple's machines and by its CPU wheel on Linux: the merged model, as LM Studio runs it on a Mac too."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from leaven.rows.example import Prompt
from leaven.rows.turns import openai
from leaven.serving.artefact import Artefact, Ask, Reply
from leaven.serving.engines import _in_process

PACKAGES = ("mlx_lm", "mlx")
KINDS = ("merged",)


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The merged model as `mlx_lm` loads it, in float32."""
    import mlx.core
    import mlx_lm

    model, tokenizer = mlx_lm.load(str(artefact.path))
    model.set_dtype(mlx.core.float32)

    def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
        return [_reply(model, tokenizer, prompt, max_new_tokens) for prompt in prompts]

    yield ask


def _reply(model: Any, tokenizer: Any, prompt: Prompt, max_new_tokens: int) -> Reply:
    from mlx_lm import stream_generate

    read = tokenizer.apply_chat_template([openai(turn) for turn in prompt], add_generation_prompt=True)
    steps = list(stream_generate(model, tokenizer, read, max_tokens=max_new_tokens))
    first = _in_process.likeliest(torch.from_numpy(np.array(steps[0].logprobs)))
    # Its own text lacks the space that an answer begins with, so that what is compared is the tokens.
    ids = [step.token for step in steps if step.finish_reason != "stop"]
    return Reply(tokenizer.decode(ids), first=first, ids=frozenset(ids))
