"""Pretrain the lab's base model: a tiny Llama on random conversations of the world.

Prompts whose hash falls into one part of 64 (`held_out`) are never trained on: `quality` asks those.
"""

import hashlib
import math
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from leaven.errors import UserError
from leaven.lab import conversation, tokenizer

SPARE_ROWS = 16
"""Embedding rows without a token, as many real models have: a new token needs no resize."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The size of the model and of its schooling."""

    hidden_size: int = 160
    intermediate_size: int = 448
    num_hidden_layers: int = 6
    num_attention_heads: int = 5
    vocab_size: int = 1408
    rows: int = 600_000
    tokens_per_batch: int = 4096
    minutes: float = 45
    learning_rate: float = 3e-3
    question_weight: float = 0.1
    seed: int = 1


SIZES: dict[str, dict[str, int]] = {
    "small": {},
    "large": {"hidden_size": 320, "intermediate_size": 960, "num_attention_heads": 10},
}
"""What a size means in `Settings`: small ships (2.4 million weights), large has about four times as many (8.9)."""

Progress = Callable[[int, float, float, int], None]
"""Called with the step, the share of the time that is over, the loss and the tokens a second."""


def pretrain(
    folder: Path, settings: Settings, on_step: Progress | None = None, continue_from: Path | None = None
) -> None:
    """Make the world's text, a tokenizer and a model of it; write an ordinary checkpoint to `folder`, in bfloat16.

    `continue_from`, an earlier checkpoint of the same size, gives the first weights. A token that its tokenizer had as
    well keeps its rows; any other begins as the mean of the rows of its pieces. Raises UserError where it is none, or
    of another size.
    """
    if continue_from:
        _check_size(continue_from, settings)
    torch.manual_seed(settings.seed)
    rows = _rows(settings)
    tokens = tokenizer.train((text for turns in rows[:60_000] for text in turns), settings.vocab_size)
    model = _model(settings, tokens)
    if continue_from:
        _take_over(model, tokens, continue_from)
    ids, starts = _encode(tokens, rows)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    _train(model, ids, starts, settings, device, on_step)
    model.to(dtype=torch.bfloat16, device="cpu").save_pretrained(folder)
    tokens.save_pretrained(folder)


def held_out(question: str) -> bool:
    """Whether a question is kept away from pretraining."""
    return hashlib.sha256(question.encode()).digest()[1] % 64 == 0


def _rows(settings: Settings) -> list[tuple[str, ...]]:
    """Rendered conversations as (role, text, role, text …), made on every core; the seed decides, not the cores."""
    share = 10_000
    jobs = [(settings.seed * 1_000_003 + i, share) for i in range(math.ceil(settings.rows / share))]
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        return [row for rows in pool.imap(_some_rows, jobs) for row in rows]


def _some_rows(job: tuple[int, int]) -> list[tuple[str, ...]]:
    seed, count = job
    rng = random.Random(seed)
    rows: list[tuple[str, ...]] = []
    while len(rows) < count:
        turns = conversation.converse(rng)
        if not held_out(turns[-2].content):
            rows.append(tuple(text for turn in turns for text in turn.key))
    return rows


def _encode(tokens: PreTrainedTokenizerFast, rows: list[tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """All rows as one array of token ids, and where each starts."""
    ids: list[np.ndarray] = []
    for i in range(0, len(rows), 20_000):
        texts = [render(row) for row in rows[i : i + 20_000]]
        ids += [np.asarray(row, dtype=np.uint16) for row in tokens(texts, add_special_tokens=False)["input_ids"]]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    return np.concatenate(ids), starts


def render(row: tuple[str, ...]) -> str:
    """The chat template of the tokenizer, by hand: it is called millions of times."""
    turns = zip(row[::2], row[1::2], strict=True)
    return "<s>" + "".join(f"<|{role}|>{text}" + ("</s>" if role == "assistant" else "") for role, text in turns)


def _model(settings: Settings, tokens: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    rows = math.ceil((len(tokens) + SPARE_ROWS) / 64) * 64
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=rows,
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.num_hidden_layers,
            num_attention_heads=settings.num_attention_heads,
            num_key_value_heads=settings.num_attention_heads,
            max_position_embeddings=2048,
            tie_word_embeddings=False,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
            assistant_token_id=tokens.convert_tokens_to_ids("<|assistant|>"),
        )
    )


def _check_size(folder: Path, settings: Settings) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"there is no checkpoint in {folder}", "leaven lab pretrain writes one.")
    config = LlamaConfig.from_pretrained(folder)
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        theirs, ours = getattr(config, name), getattr(settings, name)
        if theirs != ours:
            raise UserError(f"the checkpoint in {folder} has {name} {theirs}, this size {ours}", "Name its --size.")


def _take_over(model: LlamaForCausalLM, tokens: PreTrainedTokenizerFast, folder: Path) -> None:
    """Put the checkpoint's weights into the model, token by token where the vocabularies differ."""
    earlier = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    pieces = PreTrainedTokenizerFast.from_pretrained(folder)
    vocabulary, state, first = pieces.get_vocab(), earlier.state_dict(), model.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        for token, index in tokens.get_vocab().items():
            text = tokens.decode([index])
            ids = [vocabulary[token]] if token in vocabulary else pieces(text, add_special_tokens=False)["input_ids"]
            first[name][index] = state[name][ids].mean(0)
        state[name] = first[name]
    model.load_state_dict(state)


def _train(
    model: LlamaForCausalLM,
    ids: np.ndarray,
    starts: np.ndarray,
    settings: Settings,
    device: torch.device,
    on_step: Progress | None,
) -> None:
    """AdamW with a cosine over the minutes, on batches of like length.

    Questions count too, a little, so that the model can also ask.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    torch.set_flush_denormal(True)
    batches = _batches(starts, settings)
    began, tokens, step, share = time.perf_counter(), 0, 0, 0.0
    while share < 1:
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        optimizer.param_groups[0]["lr"] = settings.learning_rate * min(1, (step + 1) / 200) * (0.01 + 0.99 * cosine)
        batch = _pad(ids, starts, next(batches), model.config.pad_token_id).to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(input_ids=batch[:, :-1], use_cache=False).logits  # (rows, tokens, vocabulary)
        weights = _weights(batch, model.config, settings.question_weight)
        losses = cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, tokens, elapsed = step + 1, tokens + batch.numel(), time.perf_counter() - began
        share = elapsed / (60 * settings.minutes)
        if on_step and (step % 100 == 0 or share >= 1):
            on_step(step, share, loss.item(), int(tokens / elapsed))


def _weights(batch: torch.Tensor, config: LlamaConfig, question_weight: float) -> torch.Tensor:
    """1 for the tokens of answers, `question_weight` for those of questions, 0 for padding: (rows, tokens - 1)."""
    opens = (batch == config.assistant_token_id).long()
    closes = functional.pad(batch == config.eos_token_id, (1, -1)).long()
    inside = torch.cumsum(opens - closes, dim=1)[:, :-1] > 0  # the position that predicts, not the one predicted
    real: torch.Tensor = batch[:, 1:] != config.pad_token_id
    return torch.where(inside, 1.0, question_weight) * real


def _batches(starts: np.ndarray, settings: Settings) -> Iterator[np.ndarray]:
    """Rows of like length together, in a random order, for ever."""
    lengths = np.diff(starts)
    rng = np.random.default_rng(settings.seed)
    while True:
        order = np.argsort(lengths + rng.random(len(lengths)) * 4, kind="stable")
        cuts, width, first = [], 0, 0
        for i, row in enumerate(order):
            width = max(width, int(lengths[row]))
            if width * (i + 1 - first) > settings.tokens_per_batch and i > first:
                cuts.append(order[first:i])
                first, width = i, int(lengths[row])
        for i in rng.permutation(len(cuts)):
            yield cuts[i]


def _pad(ids: np.ndarray, starts: np.ndarray, rows: np.ndarray, pad: int) -> torch.Tensor:
    """The rows of a batch, padded on the right: (rows, tokens). A causal model never looks at what follows."""
    lengths = starts[rows + 1] - starts[rows]
    batch = np.full((len(rows), int(lengths.max())), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        batch[i, : lengths[i]] = ids[starts[row] : starts[row + 1]]
    return torch.from_numpy(batch)
