"""Models of transformers in this process, by their own `generate`."""

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
BATCH = 16
"""Prompts read and answered together: a step then reads the weights once, which is most of what it costs on a CPU."""


def asking(model: Any, tokenizer: Any) -> Ask:
    """Greedy answers as `generate` gives them, special tokens kept but for those that end an answer."""
    model = model.eval().to(device())

    def ask(prompts: Sequence[Prompt], max_new_tokens: int) -> list[Reply]:
        ids = [encode(tokenizer, render(tokenizer, prompt, True)) for prompt in prompts]
        by_length = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        replies: dict[int, Reply] = {}
        for start in range(0, len(ids), BATCH):
            batch = by_length[start : start + BATCH]
            answers = _replies(model, tokenizer, [ids[place] for place in batch], max_new_tokens)
            replies |= dict(zip(batch, answers, strict=True))
        return [replies[place] for place in range(len(ids))]

    return ask


def likeliest(logits: torch.Tensor) -> dict[int, float]:
    """The highest log-probabilities of one token, by their ids; logits: (vocabulary,)."""
    values, ids = logits.float().log_softmax(-1).topk(min(LIKELIEST, logits.shape[-1]))
    return dict(zip(ids.tolist(), values.tolist(), strict=True))


def _replies(model: Any, tokenizer: Any, ids: Sequence[Sequence[int]], max_new_tokens: int) -> list[Reply]:
    longest, pad = max(map(len, ids)), tokenizer.pad_token_id
    read = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in ids], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=model.device)
    out = model.generate(
        input_ids=read, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=pad,
        return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    ends = {*stop_ids(model, tokenizer), pad}
    replies = []
    for row, logits in zip(out.sequences[:, longest:].tolist(), out.logits[0], strict=True):
        tokens = [each for each in row if each not in ends]
        text, bare = (tokenizer.decode(tokens, skip_special_tokens=skip) for skip in (False, True))
        replies.append(Reply(text, bare, likeliest(logits), frozenset(tokens)))
    return replies
