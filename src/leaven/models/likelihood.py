"""How likely a model finds the continuations of a context: their log-probabilities, with each context read once.

A question with four answers is one context with four continuations. Of a batch the model reads first what all contexts
begin with (a benchmark's examples), once; then the rest of each, padded on the left; the cache is then repeated for
each continuation that has more than one token, and only those are read on.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import log_softmax

from leaven.models import cache as kv
from leaven.models import tokens as tokens_of_model
from leaven.models.fold import folded
from leaven.models.load import Loaded
from leaven.models.window import arguments, common_beginning, context_length, is_sliding

BATCH_TOKENS = {"cpu": 2048, "cuda": 1 << 16}
"""Tokens that the caches of a batch hold at most; a single context may hold more. On a CPU larger batches gain nothing
and pad more."""
LOGITS = 1 << 26
"""Logits of a batch at most."""

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
    """(index of the question, the likelihood of each continuation) as they are computed, each question once.

    Tokens that the model may not say have probability 0. Of a context that leaves no room for its longest continuation,
    the head is cut off; its last token always stays.
    """
    room, vocabulary = context_length(loaded.model), loaded.model.config.get_text_config().vocab_size
    cut = [Choices(each.context[-max(1, room + 1 - each.longest) :], each.continuations) for each in questions]
    with folded(loaded.model):
        budget = BATCH_TOKENS.get(loaded.model.device.type, BATCH_TOKENS["cpu"])
        for indices in _batches(cut, vocabulary, budget):
            yield from zip(indices, _of_batch(loaded.model, [cut[index] for index in indices]), strict=True)


def _batches(questions: Sequence[Choices], vocabulary: int, budget: int) -> Iterator[list[int]]:
    """The indices of questions whose contexts are of like length, as many together as fit."""
    batch: list[int] = []
    pairs = longest = 0
    for index in sorted(range(len(questions)), key=lambda index: len(questions[index].context)):
        question = questions[index]
        pairs, longest = pairs + len(question.continuations), max(longest, question.longest)
        tokens, logits = pairs * (len(question.context) + longest), pairs * longest * vocabulary
        if batch and (tokens > budget or logits > LOGITS):
            yield batch
            batch, pairs, longest = [], len(question.continuations), question.longest
        batch.append(index)
    if batch:
        yield batch


def _of_batch(model: Any, questions: Sequence[Choices]) -> list[list[Likelihood]]:
    cache, shared = _beginning(model, [question.context for question in questions])
    heads = [list(question.context[shared:]) for question in questions]
    columns = max(map(len, heads))
    ids = torch.tensor([[0] * (columns - len(head)) + head for head in heads])  # (rows, columns)
    mask = torch.tensor([[1] * shared + [0] * (columns - len(head)) + [1] * len(head) for head in heads])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, shared:]
    first = _log_shares(model, ids, mask, positions, cache, keep=1)[:, 0]  # (rows, vocabulary)
    likeliest = first.argmax(-1).tolist()
    pairs = [(row, tokens) for row, question in enumerate(questions) for tokens in question.continuations]
    rest = iter(_rest(model, cache, mask, [pair for pair in pairs if len(pair[1]) > 1]))
    values: list[list[Likelihood]] = [[] for _ in questions]
    for row, tokens in pairs:
        tail = next(rest) if len(tokens) > 1 else Likelihood(0.0, True)
        total = float(first[row, tokens[0]]) + tail.total
        values[row].append(Likelihood(total, likeliest[row] == tokens[0] and tail.greedy))
    return values


def _beginning(model: Any, contexts: Sequence[Tokens]) -> tuple[Any, int]:
    """A cache with a row for each context that holds what all begin with, and how many tokens that is.

    The last token of a context is never part of it: what follows that one is wanted.
    """
    several = len(contexts) > 1 and not is_sliding(model)
    shared = common_beginning([list(context[:-1]) for context in contexts]) if several else []
    if not shared:
        return kv.empty(), 0
    cache, ids = kv.empty(), torch.tensor([shared])
    _log_shares(model, ids, torch.ones_like(ids), torch.arange(len(shared))[None], cache, keep=1)
    return kv.repeat(cache, len(contexts)), len(shared)


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
    accepts = arguments(model)
    optional = {"position_ids": positions.to(model.device), "logits_to_keep": keep}
    logits = model(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), past_key_values=cache, use_cache=True,
        **{name: value for name, value in optional.items() if name in accepts},
    ).logits[:, -keep:].float()  # fmt: skip
    logits[..., tokens_of_model.silent(model)] = -torch.inf
    return log_softmax(logits, -1)
