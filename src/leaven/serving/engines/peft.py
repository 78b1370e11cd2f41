"""peft: the adapter on its base, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig

from leaven.models.load import load_tokenizer, quiet_peft
from leaven.serving.artefact import Artefact, Ask
from leaven.serving.engines import _in_process

PACKAGES = ("peft",)
KINDS = ("adapter",)


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The adapter as its README loads it, in float32."""
    base = AutoModelForCausalLM.from_pretrained(artefact.base, dtype=torch.float32)
    with quiet_peft():
        model = PeftModel.from_pretrained(base, str(artefact.path))
    model.generation_config = base.generation_config = GenerationConfig.from_pretrained(artefact.path)
    yield _in_process.asking(model, load_tokenizer(str(artefact.path)))
