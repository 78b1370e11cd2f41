"""Special tokens that a model has and never learnt: a task may take one over, and no vocabulary grows.

Rows that no text has moved tell on themselves (2405.05417). Training pushes all of them the same way, so that they end
up alike; or they stay as small as they were drawn. In SmolLM2 the rows of `<gh_stars>` and `<jupyter_text>` have a
cosine of 1.00, while the nearest row to that of a word has one of 0.7 to 0.8.
"""

from dataclasses import dataclass
from typing import Any

from leaven.errors import UserError, nearest
from leaven.models.template import end_ids

ALIKE = 0.99
"""Cosine to the second nearest row from which a row is one of those that nothing has moved."""
SMALL = 0.5
"""Share of the median norm below which a row is as it was drawn."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A special token that stands for nothing in the chat template, and what its row looks like."""

    text: str
    token_id: int
    norm: float
    """Of its row, over the median of all rows."""
    neighbours: tuple[tuple[str, float], ...]
    """The nearest rows: their tokens, and the cosine."""

    @property
    def unused(self) -> bool:
        """Whether its row is one that no text has moved."""
        return self.norm < SMALL or self.neighbours[-1][1] >= ALIKE


def of(model: Any, tokenizer: Any) -> list[Reserved]:
    """The special tokens of a model that no prompt and no answer holds, the least used first."""
    table = model.get_input_embeddings().weight.detach()[: len(tokenizer)].float().cpu()  # (vocabulary, width)
    norms = table.norm(dim=1)
    directions = table / norms.clamp(min=1e-12)[:, None]
    reserved = []
    for token_id in candidates(tokenizer, model.generation_config):
        cosines = directions @ directions[token_id]
        cosines[token_id] = -1
        values, ids = cosines.topk(2)
        near = tuple(zip(tokenizer.convert_ids_to_tokens(ids.tolist()), values.tolist(), strict=True))
        share = float(norms[token_id] / norms.median())
        reserved.append(Reserved(tokenizer.convert_ids_to_tokens(token_id), token_id, share, near))
    return sorted(reserved, key=lambda each: (not each.unused, -each.neighbours[-1][1]))


def candidates(tokenizer: Any, generation_config: Any = None) -> list[int]:
    """Ids of special tokens that neither the tokenizer, the chat template nor the end of an answer needs."""
    named = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    needed = named | set(end_ids(generation_config))
    return [
        token_id
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special and token_id not in needed and token.content not in tokenizer.chat_template
    ]


def check(tokenizer: Any, text: str) -> None:
    """Raises UserError for a token that can't be taken over: not there, an ordinary one, or one that is needed."""
    free = [tokenizer.convert_ids_to_tokens(each) for each in candidates(tokenizer)]
    if text not in free:
        reason = "needs it, or it is an ordinary one" if text in tokenizer.get_vocab() else "does not have it"
        known = nearest(text, free) if free else "It has none: let the vocabulary grow (token.text)."
        raise UserError(f"token.reuse is {text!r}, but the model {reason}", f"leaven show tokens MODEL. {known}")
