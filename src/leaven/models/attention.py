"""Attention over short rows in 16 bits on a CPU, as plain products of matrices.

There torch's own kernel, which works through small blocks, takes three times as long, forward and backward, for rows of
128 tokens, and is no faster up to a thousand; for one new token of many rows it takes nearly twice as long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

LONGEST = 512
"""New tokens of a row up to which products are faster; beyond, the scores they keep for the way back are many too."""
NAME = "sdpa"


@contextmanager
def short_rows() -> Iterator[None]:
    """`attend` in place of what transformers calls sdpa."""
    before = ALL_ATTENTION_FUNCTIONS[NAME]
    ALL_ATTENTION_FUNCTIONS[NAME] = attend
    try:
        yield
    finally:
        ALL_ATTENTION_FUNCTIONS[NAME] = before


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> Any:
    """Attention as transformers asks for it: a query of (rows, heads, tokens, width) to (rows, tokens, heads, width).

    What is not in 16 bits on a CPU, and a short row or one new token, goes to torch's kernel.
    """
    rows, heads, tokens, width = query.shape
    groups, columns = key.shape[1:3]
    suits = query.device.type == "cpu" and query.dtype in (torch.bfloat16, torch.float16) and tokens <= LONGEST
    plain = tokens in (1, columns) if attention_mask is None else tokens == 1 and attention_mask.dtype == torch.bool
    if not suits or not plain or dropout or _changes_scores(module, more):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )  # fmt: skip
    # Heads that share keys stand under one another: their scores are one product, and no key is repeated.
    shared = heads // groups
    queries = query.reshape(-1, shared * tokens, width)
    keys, values = (each.reshape(-1, columns, each.shape[-1]) for each in (key, value))
    scale = width**-0.5 if scaling is None else scaling
    causal = attention_mask is None and tokens > 1
    bias = _causal(tokens, shared, query.dtype) if causal else query.new_zeros(1)
    scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), beta=int(causal), alpha=scale)
    if attention_mask is not None:
        # (rows, 1, 1, columns): one new token sees the same of the others in every head
        scores.view(rows, groups, shared, columns).masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    answer = torch.bmm(scores.softmax(-1), values).view(rows, heads, tokens, -1)
    return answer.transpose(1, 2).contiguous(), None


def _changes_scores(module: Any, more: dict[str, Any]) -> bool:
    """Whether transformers asks for anything that changes the scores, such as a bias or a soft cap."""
    causal = more.get("is_causal")
    plain = getattr(module, "is_causal", True) if causal is None else causal
    return not plain or any(more.get(name) is not None for name in ("position_bias", "softcap", "cache"))


@lru_cache(maxsize=8)
def _causal(tokens: int, times: int, dtype: torch.dtype) -> torch.Tensor:
    """What is added to the scores, (times × tokens, tokens): nothing up to a token's own place, the least after it."""
    return torch.full((tokens, tokens), torch.finfo(dtype).min, dtype=dtype).triu(1).repeat(times, 1)
