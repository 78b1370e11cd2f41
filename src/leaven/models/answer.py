"""What a model makes of a row's own answer: the logits of its tokens, read in one pass, and how likely they are."""

from typing import NamedTuple

import torch
from torch.nn import functional

from leaven.models import mask
from leaven.models.load import Loaded
from leaven.rows.example import Example


class Nats(NamedTuple):
    """Of the tokens of an answer the mean loss, and the mean entropy of what the model expects in their places."""

    loss: float
    entropy: float


@torch.no_grad()
def nats(loaded: Loaded, row: Example) -> Nats:
    """How likely the model finds the row's answer, and how sure it is along it, by one pass."""
    predicted, tokens = logits(loaded, row)
    shares = torch.softmax(predicted.double(), -1)  # (tokens, vocabulary)
    entropy = -torch.special.xlogy(shares, shares).sum(-1).mean()
    return Nats(float(functional.cross_entropy(predicted, tokens, reduction="none").double().mean()), float(entropy))


def logits(loaded: Loaded, row: Example) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of the tokens that carry loss, (tokens, vocabulary), in float32, and these tokens.

    A row alone, so that no padding touches a logit. Raises UserError for a row without an answer.
    """
    encoded = mask.encode(loaded.tokenizer, row)
    ids = torch.tensor([encoded.input_ids], device=loaded.model.device)
    trained = torch.tensor(encoded.completion_mask[1:], device=ids.device).bool()  # nothing predicts the first token
    predicted = loaded.model(input_ids=ids, use_cache=False).logits[0, :-1][trained].float()
    return predicted, ids[0, 1:][trained]
