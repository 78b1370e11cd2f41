"""A new special token: an entry of the vocabulary, a first row of the embedding, and never a word of an answer.

A row that no training answer holds says nothing about when to say the token, and where the output layer is tied it is a
random direction that can win by chance. Such a token is *silent*: its id stands in `suppress_tokens` of the model's
generation config, which transformers, and our own sampler, obey, and which is saved with the model.
"""

from collections.abc import Iterable
from typing import Any

import torch

from leaven.errors import UserError, nearest
from leaven.models import unused
from leaven.models.load import grow
from leaven.task.token import TokenSection

INITS = ("neighbours", "random", "mean", "copy:TEXT", "reserved:TOKEN")


def add(model: Any, tokenizer: Any, token: TokenSection, seed: int) -> int:
    """Put the token into the vocabulary, give it its first row, silence it, and return its id.

    A vocabulary with spare rows (many models are padded) is not resized. The row of an untied output layer is the
    mean of the others, the same in every run: its logit is the mean of all logits, and never the highest. A token that
    is reused is there already, and its output row stays the base's: no engine has another.
    Raises UserError for a text that is empty or in the vocabulary already, and for an `init` that can't be made.
    """
    from tokenizers import AddedToken

    check_text(tokenizer, token)
    check_init(tokenizer, token)
    old = len(tokenizer)
    row = _first_row(model, tokenizer, token, seed)
    if not token.reuse:
        added = AddedToken(token.text, special=True, lstrip=token.lstrip, normalized=False)
        tokenizer.add_special_tokens({"additional_special_tokens": [added]}, replace_extra_special_tokens=False)
    token_id = int(tokenizer.convert_tokens_to_ids(token.text))
    grow(model, len(tokenizer))
    with torch.no_grad():
        inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings()
        inputs[token_id] = row.to(inputs)
        if outputs is not None and outputs.weight is not inputs and not token.reuse:
            outputs.weight[token_id] = outputs.weight[:old].float().mean(0).to(outputs.weight)
    silence(model, [token_id])
    return token_id


def silent(model: Any) -> list[int]:
    """The tokens that the model may not say."""
    return list(getattr(getattr(model, "generation_config", None), "suppress_tokens", None) or ())


def silence(model: Any, token_ids: Iterable[int]) -> None:
    """Forbid the model to say these tokens."""
    model.generation_config.suppress_tokens = sorted({*silent(model), *token_ids})


def allow(model: Any, token_id: int | None) -> None:
    """Let the model say a token: an answer that it learns from holds it."""
    rest = [each for each in silent(model) if each != token_id]
    model.generation_config.suppress_tokens = rest or None


def check_text(tokenizer: Any, token: TokenSection) -> None:
    """Raises UserError for a token that can't be added to the vocabulary, or can't be reused."""
    if token.reuse:
        return unused.check(tokenizer, token.reuse)
    if not token.text.strip() or token.text != token.text.strip():
        raise UserError(f"token.text is {token.text!r}", "A token is a text without blanks around it, such as '<sep>'.")
    if token.text in tokenizer.get_vocab():
        raise UserError(
            f"the token {token.text!r} is in the model's vocabulary already",
            "Choose a text that the model doesn't know, or reuse: TOKEN for one that it does not use "
            "(leaven show tokens MODEL).",
        )


def check_init(tokenizer: Any, token: TokenSection) -> None:
    """Raises UserError for a first row that can't be made; no weights are needed."""
    kind, _, text = token.init.partition(":")
    takes_text = {name: bool(given) for name, _, given in (known.partition(":") for known in INITS)}
    if kind not in takes_text:
        raise UserError(f"token.init is {token.init!r}", f"Known: {', '.join(INITS)}. {nearest(kind, takes_text)}")
    if takes_text[kind] != bool(text.strip()):
        raise UserError(f"token.init is {token.init!r}", f"Known: {', '.join(INITS)}.")
    if kind == "mean" and not token.means.strip():
        raise UserError("token.init is 'mean', but token.means is empty", "Say what the token means: --means TEXT.")
    if kind == "reserved" and text not in tokenizer.get_vocab():
        raise UserError(f"token.init is {token.init!r}, but the vocabulary has no {text!r}", "Check its spelling.")


def _first_row(model: Any, tokenizer: Any, token: TokenSection, seed: int) -> torch.Tensor:
    """The token's first row: (width,)."""
    table: torch.Tensor = (
        model.get_input_embeddings().weight.detach()[: len(tokenizer)].float().cpu()
    )  # (vocabulary, width)
    kind, _, text = token.init.partition(":")
    if kind in ("neighbours", "random"):
        noise = torch.randn(table.shape[1], generator=torch.Generator().manual_seed(seed))
        return noise * table.std() if kind == "random" else table.mean(0) + noise * table.std(0)
    if kind == "reserved":
        return table[int(tokenizer.convert_tokens_to_ids(text))]
    return _mean(table, tokenizer, text if kind == "copy" else token.means)


def _mean(table: torch.Tensor, tokenizer: Any, text: str) -> torch.Tensor:
    """The mean row of a text's tokens, as they stand after a space."""
    ids: list[int] = tokenizer(" " + text.strip(), add_special_tokens=False)["input_ids"]
    return table[ids].mean(0)
