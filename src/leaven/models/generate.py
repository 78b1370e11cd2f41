"""Answers of a model: its own decode loop, where rows leave the batch as they finish and others take their place.

Prompts are taken in order of length, and what all of them begin with (a system text, a long instruction) is read once.
Every row draws from its own stream of random numbers, fixed by (seed, index of the prompt): what a row says does not
depend on which rows share its batch (up to float rounding).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from leaven.errors import UserError
from leaven.models import cache as kv
from leaven.models import mesh, tokens
from leaven.models.attention import short_rows
from leaven.models.draw import draw
from leaven.models.fold import folded
from leaven.models.template import encode, end_ids, render
from leaven.models.window import arguments, common_beginning, context_length, head_width, is_sliding, layer_types
from leaven.rows.example import Prompt
from leaven.runs.progress import say_once

TOKENS_IN_FLIGHT = 16_384
"""Prompt and answer tokens that a batch may hold on a CPU, where larger ones gain nothing."""
TOKENS_READ = 512
"""Prompt tokens that a CPU reads at once: rows of like length need little padding, and its cache holds the rest."""
SHARED = 8
"""Prompts begin alike when they share so many tokens; fewer are not worth a copy of their keys and values."""


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer; `finish_reason` is "stop", or "length" when it was cut. Its end token counts as a completion token."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(slots=True)
class _Row:
    index: int
    prompt: list[int]
    limit: int
    answer: list[int] = field(default_factory=list)
    uniforms: Any = None
    done: bool = False


@dataclass(slots=True)
class _Batch:
    """Rows in flight, right-aligned: `mask` is (rows, columns), 1 at real tokens, as wide as the cache is long."""

    rows: list[_Row]
    mask: torch.Tensor
    cache: Any


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What all prompts begin with, read once: its tokens, and a cache of one row (none where there is nothing)."""

    ids: list[int]
    cache: Any


@dataclass(frozen=True, slots=True)
class _Decoder:
    """What every step needs: the model, how to draw, and when to stop."""

    model: Any
    temperature: float
    top_p: float
    seed: int
    stops: frozenset[int]
    room: int
    accepts: frozenset[str]
    silent: list[int]


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt | str],
    *,
    temperature: float = 0.0,
    top_p: float = 1.0,
    max_new_tokens: int = 512,
    seed: int = 0,
    batch_size: int = 0,
) -> Iterator[tuple[int, Generated]]:
    """Yield (index of the prompt, answer) as they finish. Temperature 0 is greedy; batch_size 0 is chosen for you.

    A prompt that leaves no room in the model's context has an empty answer, cut by length, and is said.
    Raises UserError for a model whose layers hold something other than keys and values.
    """
    _check_layers(model)
    room = context_length(model)
    rows = []
    for index, prompt in enumerate(prompts):
        ids = encode(tokenizer, render(tokenizer, prompt, True))
        rows.append(_Row(index, ids, min(max_new_tokens, room - len(ids))))
    stops = stop_ids(model, tokenizer)
    decoder = _Decoder(model, temperature, top_p, seed, stops, room, arguments(model), tokens.silent(model))
    possible = sorted((row for row in rows if row.limit > 0), key=lambda row: (len(row.prompt), row.index))
    unprinted = stops | {i for i in (tokenizer.bos_token_id, tokenizer.pad_token_id) if i is not None}
    without_room = [row for row in rows if row.limit <= 0]
    if without_room:
        count = f"{len(without_room):,} of {len(rows):,} prompts"
        say_once(f"{count} fill the model's context of {room:,} tokens, which leaves no answer")
    for row in without_room:
        yield row.index, Generated("", "length", len(row.prompt), 0)
    for row in _answered(decoder, possible, batch_size):
        text = tokenizer.decode([i for i in row.answer if i not in unprinted], clean_up_tokenization_spaces=False)
        reason = "stop" if row.answer[-1] in stops else "length"
        yield row.index, Generated(text, reason, len(row.prompt), len(row.answer))


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: all of the generation config's, and the tokenizer's."""
    ids = end_ids(getattr(model, "generation_config", None))
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)


def _answered(decoder: _Decoder, rows: list[_Row], batch_size: int) -> Iterator[_Row]:
    """Yield rows as their answers end; where several processes decode a share each, when all are done."""
    if not mesh.is_too_large(decoder.model):
        with folded(decoder.model):
            yield from _decode(decoder, rows, batch_size)
        return
    with mesh.spread(decoder.model, nullcontext) as shards:
        shares = shards.run(partial(_share, decoder=replace(decoder, model=None), batch_size=batch_size), rows)
    for share in shares:
        yield from share


def _share(model: Any, rows: list[_Row], decoder: _Decoder, batch_size: int) -> list[_Row]:
    with folded(model):
        return list(_decode(replace(decoder, model=model), rows, batch_size))


def _decode(decoder: _Decoder, rows: list[_Row], batch_size: int) -> Iterator[_Row]:
    """Yield rows as their answers end. Rows leave and join an eighth of the batch at a time: each change copies it."""
    prefix, size = _prefix(decoder, rows), batch_size or _rows_at_once(decoder.model, rows)
    waiting, enough = deque(rows), max(1, size // 8)
    batch = _Batch([], torch.empty(0), None)
    while waiting or batch.rows:
        busy = sum(not row.done for row in batch.rows)
        if len(batch.rows) - busy >= enough or busy == 0:
            batch = _without_done(batch)
        if waiting and size - busy >= enough:
            batch = _without_done(batch)
            newcomers = [waiting.popleft() for _ in range(min(size - busy, len(waiting)))]
            for part in _parts(decoder, prefix, newcomers):
                batch = _join(batch, _prefill(decoder, prefix, part))
        elif busy:
            _step(decoder, batch)
        for row in batch.rows:
            if not row.done and (row.answer[-1] in decoder.stops or len(row.answer) >= row.limit):
                row.done = True
                yield row


@torch.no_grad()
def _prefix(decoder: _Decoder, rows: list[_Row]) -> _Prefix:
    """What the prompts begin with, and its keys and values."""
    several = len(rows) > 1 and not is_sliding(decoder.model)
    ids = common_beginning([row.prompt[:-1] for row in rows]) if several else []
    if len(ids) < SHARED:
        return _Prefix([], None)
    cache, read = kv.empty(), torch.tensor([ids], device=decoder.model.device)
    _forward(decoder, cache, read, torch.ones_like(read), torch.arange(len(ids), device=read.device)[None])
    return _Prefix(ids, cache)


def _parts(decoder: _Decoder, prefix: _Prefix, rows: list[_Row]) -> Iterator[list[_Row]]:
    """The rows, sorted by length, in parts that are read at once."""
    most = TOKENS_READ if decoder.model.device.type == "cpu" else sum(len(row.prompt) for row in rows)
    part: list[_Row] = []
    for row in rows:
        if part and (len(part) + 1) * (len(row.prompt) - len(prefix.ids)) > most:
            yield part
            part = []
        part.append(row)
    yield part


@torch.no_grad()
def _prefill(decoder: _Decoder, prefix: _Prefix, rows: list[_Row]) -> _Batch:
    """A batch of these rows, their prompts read and the first token of each answer drawn."""
    shared = len(prefix.ids)
    columns = max(len(row.prompt) for row in rows) - shared
    padding = [shared + columns - len(row.prompt) for row in rows]
    ids = torch.tensor([[0] * blank + row.prompt[shared:] for blank, row in zip(padding, rows, strict=True)])
    mask = torch.tensor([[1] * shared + [0] * blank + [1] * (columns - blank) for blank in padding])
    for row in rows:
        if decoder.temperature > 0:
            bits = np.random.Philox(key=[decoder.seed % 2**64, row.index])
            row.uniforms = np.random.Generator(bits).random(row.limit)
    where = decoder.model.device
    cache = kv.repeat(prefix.cache, len(rows)) if shared else kv.empty()
    batch = _Batch(rows, mask.to(where), cache)
    _advance(decoder, batch, ids.to(where), (mask.cumsum(-1) - 1).clamp(min=0)[:, shared:].to(where))
    if shared and max(padding):
        order = batch.mask.argsort(dim=-1, stable=True)  # (rows, columns): padding first
        kv.reorder(batch.cache, order)
        batch.mask = batch.mask.gather(-1, order)
    return batch


@torch.no_grad()
def _step(decoder: _Decoder, batch: _Batch) -> None:
    """One more token for every row; of rows that are done, but still in the batch, it is thrown away."""
    where = batch.mask.device
    ids = torch.tensor([[row.answer[-1]] for row in batch.rows], device=where)  # (rows, 1)
    # A row that is done may go past the model's context before it leaves; learned positions end there.
    position = batch.mask.sum(-1, keepdim=True).clamp(max=decoder.room - 1)  # (rows, 1)
    batch.mask = torch.cat([batch.mask, torch.ones_like(position)], -1)
    _advance(decoder, batch, ids, position)


def _advance(decoder: _Decoder, batch: _Batch, ids: torch.Tensor, position: torch.Tensor) -> None:
    """Read tokens (rows, new) at their positions, and draw one more for each row that is not done."""
    logits = _forward(decoder, batch.cache, ids, batch.mask, position)  # (rows, vocabulary)
    uniforms = torch.zeros(len(batch.rows), dtype=torch.float64)
    if decoder.temperature > 0:
        uniforms[:] = torch.tensor([0.0 if row.done else row.uniforms[len(row.answer)] for row in batch.rows])
    logits[:, decoder.silent] = -torch.inf
    chosen = draw(logits, decoder.temperature, decoder.top_p, uniforms.to(ids.device)).tolist()
    for row, token in zip(batch.rows, chosen, strict=True):
        if not row.done:
            row.answer.append(token)


def _forward(
    decoder: _Decoder, cache: Any, ids: torch.Tensor, mask: torch.Tensor, position: torch.Tensor
) -> torch.Tensor:
    """Logits (rows, vocabulary) after the last of the new tokens, (rows, new), whose states the cache then holds."""
    optional = {"position_ids": position, "logits_to_keep": 1}
    more = {name: value for name, value in optional.items() if name in decoder.accepts}
    with short_rows():
        output = decoder.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **more)
    logits: torch.Tensor = output.logits[:, -1]
    return logits


@torch.no_grad()
def _without_done(batch: _Batch) -> _Batch:
    """The rows that are still busy, and only the columns that they use."""
    keep = [place for place, row in enumerate(batch.rows) if not row.done]
    if len(keep) == len(batch.rows) or not keep:
        return batch if keep else _Batch([], torch.empty(0), None)
    mask = batch.mask[keep]
    columns = int(mask.sum(-1).max())
    kv.select(batch.cache, torch.tensor(keep, device=mask.device), columns)
    return _Batch([batch.rows[place] for place in keep], mask[:, -columns:], batch.cache)


@torch.no_grad()
def _join(batch: _Batch, newcomers: _Batch) -> _Batch:
    if not batch.rows:
        return newcomers
    columns = max(batch.mask.shape[1], newcomers.mask.shape[1])
    wide = [torch.nn.functional.pad(b.mask, (columns - b.mask.shape[1], 0)) for b in (batch, newcomers)]
    kv.join(batch.cache, newcomers.cache)
    return _Batch([*batch.rows, *newcomers.rows], torch.cat(wide), batch.cache)


def _rows_at_once(model: Any, rows: list[_Row]) -> int:
    """How many rows share a batch: as many as the token budget holds."""
    if not rows:
        return 1
    tokens = max(len(row.prompt) + min(row.limit, 256) for row in rows)
    if model.device.type != "cuda":
        return max(1, min(256, TOKENS_IN_FLIGHT // tokens))
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    token_bytes = 2 * config.num_hidden_layers * heads * head_width(config) * model.dtype.itemsize
    # A quarter of the free memory: joining holds the caches twice, and each has spare room.
    return int(max(1, min(512, torch.cuda.mem_get_info()[0] // 4 // (token_bytes * tokens))))


def _check_layers(model: Any) -> None:
    odd = layer_types(model) - {"full_attention", "sliding_attention"}
    if odd or getattr(model, "_is_stateful", False):
        raise UserError(
            f"the model has layers of the kind {', '.join(sorted(odd)) or 'recurrent'}",
            "leaven samples from models with full or sliding attention: Llama, Qwen, Gemma, Mistral and their like.",
        )
