"""lm-evaluation-harness: the merged model, or the adapter on its base, as its own class `HFLM` loads them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from leaven.models.load import device, load_tokenizer, quiet_peft, text_config
from leaven.models.template import encode, render
from leaven.rows.example import Prompt
from leaven.serving.artefact import Artefact, Ask, Refused, Reply
from leaven.serving.engines import _in_process

PACKAGES = ("lm_eval",)
KINDS = ("merged", "adapter")


@contextmanager
def serve(artefact: Artefact) -> Iterator[Ask]:
    """The harness's model, in float32. Raises Refused where it would cut rows from the base."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    tokenizer = load_tokenizer(str(artefact.path))
    if artefact.kind == "adapter":
        rows = int(text_config(artefact.base).vocab_size)
        if rows != len(tokenizer):
            raise Refused(
                f"with peft= it cuts the base from {rows:,} rows to {len(tokenizer):,}, as many as its tokens"
            )
        loaded = {"pretrained": artefact.base, "peft": str(artefact.path), "tokenizer": str(artefact.path)}
    else:
        loaded = {"pretrained": str(artefact.path)}
    with quiet_peft():
        lm = HFLM(**loaded, dtype="float32", batch_size=_in_process.BATCH, device=str(device()))

    @torch.no_grad()
    def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
        texts = [render(tokenizer, prompt, True) for prompt in prompts]
        until = {"until": [], "max_gen_toks": max_new_tokens, "do_sample": False}
        requests = [Instance("generate_until", {}, (text, dict(until)), place) for place, text in enumerate(texts)]
        answers = lm.generate_until(requests, disable_tqdm=True)
        ids = (torch.tensor([encode(tokenizer, text)], device=lm.device) for text in texts)
        first = (_in_process.likeliest(lm._model_call(each)[0, -1]) for each in ids)
        return [Reply(text, first=told) for text, told in zip(answers, first, strict=True)]

    yield ask
