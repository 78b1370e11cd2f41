"""Models of transformers in this process: one prompt at a time, by their own `generate`."""

from collections.abc import Sequence
from typing import Any

import torch

from leaven.models.generate import stop_ids
from leaven.models.load import device
from leaven.models.template import encode, render
from leaven.rows.example import Prompt
from leaven.serving.artefact import Ask, Reply

LIKELIEST = 20
"""Of the first token's log-probabilities so many are compared; servers tell no more."""


def asking(model: Any, tokenizer: Any) -> Ask:
    """Greedy answers as `generate` gives them, special tokens kept but for those that end an answer."""
    model = model.eval().to(device())

    @torch.no_grad()
    def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
        return [_reply(model, tokenizer, prompt, max_new_tokens) for prompt in prompts]

    return ask


def likeliest(logits: torch.Tensor) -> dict[int, float]:
    """The highest log-probabilities of one token, by their ids; logits: (vocabulary,)."""
    values, ids = logits.float().log_softmax(-1).topk(min(LIKELIEST, logits.shape[-1]))
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def _reply(model: Any, tokenizer: Any, prompt: Prompt, max_new_tokens: int) -> Reply:
    read = torch.tensor([encode(tokenizer, render(tokenizer, prompt, True))], device=model.device)
    first = likeliest(model(input_ids=read).logits[0, -1])
    out = model.generate(
        input_ids=read, attention_mask=torch.ones_like(read), max_new_tokens=max_new_tokens, do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
    )[0, read.shape[1] :].tolist()  # fmt: skip
    ends = {*stop_ids(model, tokenizer), tokenizer.pad_token_id}
    ids = [each for each in out if each not in ends]
    text, bare = (tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True))
    return Reply(text, bare, first)
