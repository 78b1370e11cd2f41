"""transformers: the merged model, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import AutoModelForCausalLM

from leaven.models.load import load_tokenizer
from leaven.serving.artefact import Artefact, Ask
from leaven.serving.engines import _in_process

PACKAGES = ("transformers",)
KINDS = ("merged",)


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The merged model, in float32."""
    model = AutoModelForCausalLM.from_pretrained(artefact.path, dtype=torch.float32)
    yield _in_process.asking(model, load_tokenizer(str(artefact.path)))
