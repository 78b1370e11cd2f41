"""What a model makes of a row's own answer: the logits of its tokens, read in one pass."""

import torch

from leaven.models import mask
from leaven.models.load import Loaded
from leaven.rows.example import Example


def logits(loaded: Loaded, row: Example) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of the tokens that carry loss, (tokens, vocabulary), in float32, and these tokens.

    A row alone, so that no padding touches a logit. Raises UserError for a row without an answer.
    """
    encoded = mask.encode(loaded.tokenizer, row)
    ids = torch.tensor([encoded.input_ids], device=loaded.model.device)
    trained = torch.tensor(encoded.completion_mask[1:], device=ids.device).bool()  # nothing predicts the first token
    predicted = loaded.model(input_ids=ids, use_cache=False).logits[0, :-1][trained].float()
    return predicted, ids[0, 1:][trained]
