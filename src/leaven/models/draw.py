"""The next token of each row: greedy, or drawn from the warped distribution by one number a row.

A nucleus needs no sort of the vocabulary: the tokens above a small share are a prefix of the sorted ones, and nearly
always they hold top_p of the mass. A row where they do not is done again with more of its tokens.
"""

import torch

RARE = 1e-4, 1e-6, 1e-8, 0.0
"""Shares below which tokens are left out: first by the first, and where the rest lacks top_p, by the next."""
ROUNDING = 1e-5
"""What float32 sums over a vocabulary may be off by."""
ROWS = 8
"""Rows that a CPU works on at a time, so that their shares over a large vocabulary stay in its cache."""


def draw(logits: torch.Tensor, temperature: float, top_p: float, uniforms: torch.Tensor) -> torch.Tensor:
    """The next tokens, (rows,), of logits (rows, vocabulary) and numbers in [0, 1), (rows,), by the inverse CDF.

    Temperature 0 is greedy. Else temperature, then top-p, as transformers' warpers: the smallest set of tokens whose
    probabilities reach top_p; of equal ones the lower id is in it.
    """
    size = ROWS if logits.device.type == "cpu" else len(logits)
    parts = [slice(start, start + size) for start in range(0, len(logits), size)]
    if temperature == 0:
        return torch.cat([logits[part].float().argmax(-1) for part in parts])  # bfloat16 would take four times as long
    shares = (torch.softmax(logits[part].float() / temperature, -1) for part in parts)
    return torch.cat([_draw(share, top_p, uniforms[part]) for share, part in zip(shares, parts, strict=True)])


def _draw(shares: torch.Tensor, top_p: float, uniforms: torch.Tensor, trial: int = 0) -> torch.Tensor:
    """A token for each row of shares, (rows, vocabulary), which sum to 1."""
    if top_p >= 1:
        return _inverse_cdf(shares, uniforms)
    few, ids = _sorted(shares, RARE[trial])
    nucleus = few.masked_fill(few.cumsum(-1) - few >= top_p, 0)
    tokens = ids.gather(-1, _inverse_cdf(nucleus, uniforms)[:, None])[:, 0]
    short = (few.sum(-1) < top_p + ROUNDING).nonzero()[:, 0]
    if RARE[trial] and len(short):
        tokens[short] = _draw(shares[short], top_p, uniforms[short], trial + 1)
    return tokens


def _sorted(shares: torch.Tensor, least: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The shares of at least `least`, largest first and then by id, and their ids, (rows, most of a row); 0 pads."""
    row, token = (shares >= least).nonzero(as_tuple=True)  # (candidates,), row by row, by id
    counts = row.bincount(minlength=len(shares))
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    few = shares.new_zeros(len(shares), max(1, int(counts.max())))
    ids = torch.zeros_like(few, dtype=torch.long)
    few[row, place], ids[row, place] = shares[row, token], token
    few, order = few.sort(dim=-1, descending=True, stable=True)
    return few, ids.gather(-1, order)


def _inverse_cdf(shares: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Columns (rows,) drawn in proportion to shares (rows, columns)."""
    # float64: over a vocabulary of 100,000 a float32 sum loses the rare tokens
    total = shares.cumsum(-1, dtype=torch.float64)
    end = total[:, -1:]
    # A number next to 1 may round up to the end of the sum, where there may be tokens without a share.
    where = torch.minimum(uniforms[:, None].to(total) * end, torch.nextafter(end, torch.zeros_like(end)))
    return torch.searchsorted(total, where, right=True)[:, 0].clamp(max=shares.shape[-1] - 1)
