"""How surprised a model is by an answer: its mean loss after the question, and without it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from leaven.models.load import Loaded
from leaven.models.template import render
from leaven.rows.example import Example

BATCH_TOKENS, LOGITS = 8192, 1 << 28


class Surprise(NamedTuple):
    """Mean loss of the answer's tokens after the question, and after the first token alone; NaN without an answer."""

    conditioned: float
    alone: float
    tokens: int


def surprises(loaded: Loaded, rows: Sequence[Example], max_tokens: int = 1024) -> Iterator[tuple[int, Surprise]]:
    """(index, its surprise) as they are found, each row once; what goes beyond `max_tokens` is cut off the answer."""
    pieces = [_pieces(loaded.tokenizer, row, max_tokens) for row in rows]
    pairs = [(index, 0, question, answer) for index, (question, answer) in enumerate(pieces) if answer]
    first = _first(loaded.tokenizer)
    pairs += [(index, 1, first, answer) for index, _, _, answer in pairs]
    halves: dict[int, list[float | None]] = {}
    for index, (_, answer) in enumerate(pieces):
        if not answer:
            yield index, Surprise(float("nan"), float("nan"), 0)
    for batch in _batches(pairs, loaded.model.config.get_text_config().vocab_size):
        losses = _losses(loaded, [(question, answer) for *_, question, answer in batch])
        for (index, which, _, answer), loss in zip(batch, losses, strict=True):
            both = halves.setdefault(index, [None, None])
            both[which] = loss
            conditioned, alone = both
            if conditioned is not None and alone is not None:
                yield index, Surprise(conditioned, alone, len(answer))
                del halves[index]


def _pieces(tokenizer: Any, row: Example, max_tokens: int) -> tuple[list[int], list[int]]:
    """The tokens of the question as the chat template writes it, and those of the answer with its end."""
    if not row.answer:
        return [], []
    question = render(tokenizer, row.prompt, add_generation_prompt=True, tools=row.tools)
    text = render(tokenizer, row.messages, add_generation_prompt=False, tools=row.tools)
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    before = sum(start < len(question) for start, _ in tokens["offset_mapping"])
    return tokens["input_ids"][:before], tokens["input_ids"][before:max_tokens]


def _first(tokenizer: Any) -> list[int]:
    """What stands before an answer without its question: a model predicts nothing from nothing."""
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [start if start is not None else tokenizer.pad_token_id]


def _batches(pairs: list[Any], vocabulary: int) -> Iterator[list[Any]]:
    """Pieces of like length together, as many as fit: the logits of a batch are its largest tensor."""
    limit = max(1, min(BATCH_TOKENS, LOGITS // vocabulary))
    batch: list[Any] = []
    for piece in sorted(pairs, key=lambda piece: len(piece[2]) + len(piece[3])):
        if batch and (len(piece[2]) + len(piece[3])) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


@torch.inference_mode()
def _losses(loaded: Loaded, pieces: list[tuple[list[int], list[int]]]) -> list[float]:
    longest = max(len(question) + len(answer) for question, answer in pieces)
    ids = torch.zeros(len(pieces), longest, dtype=torch.long)
    attention, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (question, answer) in enumerate(pieces):
        end = len(question) + len(answer)
        ids[row, :end] = torch.tensor(question + answer)
        attention[row, :end] = 1
        labels[row, len(question) : end] = ids[row, len(question) : end]
    device = loaded.model.device
    logits = loaded.model(input_ids=ids.to(device), attention_mask=attention.to(device)).logits
    labels = labels[:, 1:].to(device)  # (rows, tokens - 1): each position predicts the next token
    losses = cross_entropy(logits[:, :-1].float().transpose(1, 2), labels, ignore_index=-100, reduction="none")
    means: list[float] = (losses.sum(1) / (labels != -100).sum(1)).tolist()
    return means
