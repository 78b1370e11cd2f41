"""Which tokens of a row carry loss: those of its last answer, and the token that ends it, unless it was cut.

The row is rendered once with the model's chat template and tokenised once; the answer is found by its place in the
text, so that no token boundary moves. A token that starts before the answer and ends inside it carries no loss.
"""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from leaven.errors import UserError
from leaven.models.template import render
from leaven.rows.example import Example

WITHOUT_LOSS = "without_loss"
"""A row with this field is read and carries no loss: it takes its place in a step, and teaches nothing."""
HELD = "held"
"""The answer of a row with this field is not learnt: the model is held to what the base model makes of its tokens."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row in tokens; where `completion_mask` is 1, the token carries loss.

    That loss is another one where the row is `held` (`losses/kl_on_pool`). A `context` is what a teacher reads in place
    of the tokens before the answer (`losses/self_distillation`).
    """

    input_ids: list[int]
    completion_mask: list[int]
    held: bool = False
    context: tuple[int, ...] = ()

    @property
    def trained(self) -> list[int]:
        """The tokens that carry loss; the first of the row never does, since nothing predicts it."""
        return [token for token, on in zip(self.input_ids[1:], self.completion_mask[1:], strict=True) if on]

    @property
    def taught(self) -> "Encoded":
        """The row as its teacher reads it: the context, and from the answer on the same tokens."""
        start = self.completion_mask.index(1) if 1 in self.completion_mask else len(self.input_ids)
        return Encoded([*self.context, *self.input_ids[start:]], [0] * len(self.context) + self.completion_mask[start:])


def encode(tokenizer: Any, example: Example) -> Encoded:
    """The row in tokens, with its mask; earlier answers of a conversation carry no loss, nor do rows `WITHOUT_LOSS`.

    The line break that some templates write after the end of an answer is not learnt, and a template that ends an
    answer with no special token gets the tokenizer's end token, or the model would never learn to stop. A row whose
    answer was cut (`Example.truncated`) ends with it: that the model stops there is nobody's word.
    Raises UserError when the row has no answer, or the template writes the question otherwise once it is answered.
    """
    if example.answer is None:
        raise UserError(f"the row {example.origin.place or example.id} has no answer", "Only answered rows train.")
    tools = example.tools
    question = render(tokenizer, example.prompt, add_generation_prompt=True, tools=tools)
    text = render(tokenizer, example.messages, add_generation_prompt=False, tools=tools)
    if not text.startswith(question):
        raise UserError(
            "the model's chat template does not continue a question into its answer",
            "leaven needs a template whose generation prompt opens the assistant's turn.",
        )
    if example.truncated:
        encoded = _encode_cut(tokenizer, text, len(question), example.answer.strip())
    else:
        encoded = _encode(tokenizer, text, len(question))
    if example.meta.get(WITHOUT_LOSS):
        return Encoded(encoded.input_ids, [0] * len(encoded.input_ids))
    return replace(encoded, held=bool(example.meta.get(HELD)))


def colour(tokenizer: Any, encoded: Encoded) -> list[tuple[str, bool]]:
    """The row's text in pieces, each with whether it carries loss."""
    pairs = zip(encoded.input_ids, encoded.completion_mask, strict=True)
    return [
        (tokenizer.decode([token for token, _ in group]), bool(trained))
        for trained, group in groupby(pairs, key=lambda pair: pair[1])
    ]


def _encode(tokenizer: Any, text: str, start_of_answer: int) -> Encoded:
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, spans = list(tokens["input_ids"]), tokens["offset_mapping"]
    mask = [int(start >= start_of_answer and end > start) for start, end in spans]
    last = len(ids)
    while last and mask[last - 1] and not text[slice(*spans[last - 1])].strip():
        last -= 1
    if last and mask[last - 1] and _is_special(tokenizer, ids[last - 1]):
        return Encoded(ids, [*mask[:last], *[0] * (len(ids) - last)])
    if tokenizer.eos_token_id is None:
        return Encoded(ids, mask)
    return Encoded([*ids[:last], tokenizer.eos_token_id], [*mask[:last], 1])


def _encode_cut(tokenizer: Any, text: str, start_of_answer: int, answer: str) -> Encoded:
    """The row up to the last token that lies in the answer as a whole."""
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, spans = list(tokens["input_ids"]), tokens["offset_mapping"]
    place = text.find(answer, start_of_answer)
    end_of_answer = place + len(answer) if place >= 0 else len(text)
    mask = [
        int(start_of_answer <= start < end <= end_of_answer and not _is_special(tokenizer, token))
        for token, (start, end) in zip(ids, spans, strict=True)
    ]
    last = max((place + 1 for place, on in enumerate(mask) if on), default=len(ids))
    return Encoded(ids[:last], mask[:last])


def _is_special(tokenizer: Any, token_id: int) -> bool:
    added = tokenizer.added_tokens_decoder.get(token_id)
    return token_id in tokenizer.all_special_ids or (added is not None and added.special)
