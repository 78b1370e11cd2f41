"""How likely a model finds the continuations of a context: their log-probabilities, with each context read once.

A question with four answers is one context with four continuations. The model reads the contexts of a batch, padded on
the left; the cache is then repeated for each continuation that has more than one token, and only those are read on.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import log_softmax

from leaven.models import cache as kv
from leaven.models import tokens as tokens_of_model
from leaven.models.fold import folded
from leaven.models.load import Loaded

BATCH_TOKENS, LOGITS = 8192, 1 << 26
"""Of a batch: the tokens that its caches hold at most, and the logits; a single context may hold more."""

Tokens = Sequence[int]


class Likelihood(NamedTuple):
    """The log-probability of all of a continuation, in nats, and whether each of its tokens is the likeliest."""

    total: float
    greedy: bool


class Choices(NamedTuple):
    """A context, and the continuations that are compared after it; none of them is empty."""

    context: Tokens
    continuations: Sequence[Tokens]

    @property
    def longest(self) -> int:
        """Tokens of the longest continuation."""
        return max(map(len, self.continuations))


@torch.inference_mode()
def likelihoods(loaded: Loaded, questions: Sequence[Choices]) -> Iterator[tuple[int, list[Likelihood]]]:
    """(index of the question, the likelihood of each continuation) as they are found, each question once.

    Tokens that the model may not say have no share. Of a context that leaves no room for its longest continuation, the
    head is cut off.
    """
    config = loaded.model.config.get_text_config()
    room = getattr(config, "max_position_embeddings", None) or 2**31
    cut = [Choices(each.context[-(room + 1 - each.longest) :], each.continuations) for each in questions]
    with folded(loaded.model):
        for indices in _batches(cut, config.vocab_size):
            yield from zip(indices, _of_batch(loaded.model, [cut[index] for index in indices]), strict=True)


def _batches(questions: Sequence[Choices], vocabulary: int) -> Iterator[list[int]]:
    """The indices of questions whose contexts are of like length, as many together as fit."""
    batch: list[int] = []
    pairs = longest = 0
    for index in sorted(range(len(questions)), key=lambda index: len(questions[index].context)):
        question = questions[index]
        pairs, longest = pairs + len(question.continuations), max(longest, question.longest)
        tokens, logits = pairs * (len(question.context) + longest), pairs * longest * vocabulary
        if batch and (tokens > BATCH_TOKENS or logits > LOGITS):
            yield batch
            batch, pairs, longest = [], len(question.continuations), question.longest
        batch.append(index)
    if batch:
        yield batch


def _of_batch(model: Any, questions: Sequence[Choices]) -> list[list[Likelihood]]:
    columns = max(len(question.context) for question in questions)
    ids = torch.tensor([[0] * (columns - len(q.context)) + list(q.context) for q in questions])  # (rows, columns)
    mask = torch.tensor([[0] * (columns - len(q.context)) + [1] * len(q.context) for q in questions])
    cache = kv.empty()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    first = _log_shares(model, ids, mask, positions, cache, keep=1)[:, 0]  # (rows, vocabulary)
    likeliest = first.argmax(-1).tolist()
    pairs = [(row, tokens) for row, question in enumerate(questions) for tokens in question.continuations]
    rest = iter(_rest(model, cache, mask, [pair for pair in pairs if len(pair[1]) > 1]))
    found: list[list[Likelihood]] = [[] for _ in questions]
    for row, tokens in pairs:
        tail = next(rest) if len(tokens) > 1 else Likelihood(0.0, True)
        total = float(first[row, tokens[0]]) + tail.total
        found[row].append(Likelihood(total, likeliest[row] == tokens[0] and tail.greedy))
    return found


def _rest(model: Any, cache: Any, mask: torch.Tensor, pairs: Sequence[tuple[int, Tokens]]) -> list[Likelihood]:
    """The likelihoods of what follows the first token of each continuation, whose context is a row of the cache."""
    if not pairs:
        return []
    rows = torch.tensor([row for row, _ in pairs])
    width = max(len(tokens) for _, tokens in pairs) - 1
    ids, following = torch.zeros(len(pairs), width, dtype=torch.long), torch.zeros(len(pairs), width, dtype=torch.long)
    real = torch.zeros(len(pairs), width, dtype=torch.long)
    for place, (_, tokens) in enumerate(pairs):
        ids[place, : len(tokens) - 1] = torch.tensor(tokens[:-1])
        following[place, : len(tokens) - 1] = torch.tensor(tokens[1:])
        real[place, : len(tokens) - 1] = 1
    kv.select(cache, rows.to(model.device), mask.shape[1])
    positions = mask[rows].sum(-1, keepdim=True) + torch.arange(width)  # (pairs, width)
    shares = _log_shares(model, ids, torch.cat([mask[rows], real], -1), positions, cache, keep=width)
    each = shares.gather(-1, following.to(shares.device)[..., None])[..., 0].cpu()  # (pairs, width)
    right = shares.argmax(-1).cpu() == following
    totals, greedy = each.masked_fill(real == 0, 0).sum(-1).tolist(), (right | (real == 0)).all(-1).tolist()
    return [Likelihood(total, bool(all_right)) for total, all_right in zip(totals, greedy, strict=True)]


def _log_shares(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any, keep: int
) -> torch.Tensor:
    """The log-probabilities after the last `keep` columns, (rows, keep, vocabulary); the cache then holds the ids."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    accepts = inspect.signature(base.forward).parameters
    optional = {"position_ids": positions.to(model.device), "logits_to_keep": keep}
    logits = model(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), past_key_values=cache, use_cache=True,
        **{name: value for name, value in optional.items() if name in accepts},
    ).logits[:, -keep:].float()  # fmt: skip
    logits[..., tokens_of_model.silent(model)] = -torch.inf
    return log_softmax(logits, -1)
