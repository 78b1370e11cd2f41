"""Go on from another state: what a model answers when a block finds other states at a place of a text than its own.

This is an interchange intervention (activation patching, as in 2004.12265 and 2202.05262): what the model says then
depends on these states, and not merely goes along with them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from leaven.errors import UserError
from leaven.models.generate import stop_ids
from leaven.models.hooks import Span, places
from leaven.models.load import Loaded
from leaven.models.reading import Reading, greedy
from leaven.models.template import encode


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A rendered text, and the state, (width,), that `block` finds at each token of a span of characters.

    Block 0 is the first, so that its state is an embedding; the number after the last is the norm before the output
    layer, where the state of any but the last token has no effect. Without a state the text is read as it stands.
    """

    text: str
    span: Span
    block: int = 0
    state: torch.Tensor | None = None


@torch.no_grad()
def answers(loaded: Loaded, patches: Sequence[Patch], max_new_tokens: int) -> list[str]:
    """The model's greedy answer to each text, read with its patch. Raises UserError for a span that holds no token."""
    model, tokenizer = loaded.model, loaded.tokenizer
    rows = [encode(tokenizer, patch.text) for patch in patches]
    with _patched(loaded, patches, max(map(len, rows))):
        reading = Reading(model, rows)
    stops = stop_ids(model, tokenizer)
    ids = greedy([reading], lambda: reading.logits, stops, max_new_tokens)
    return [tokenizer.decode([i for i in row if i not in stops], clean_up_tokenization_spaces=False) for row in ids]


def blocks(model: Any) -> list[torch.nn.Module]:
    """What a state goes into, in order: the blocks, and the norm after the last. Raises UserError where none are."""
    for module in model.modules():
        if isinstance(getattr(module, "layers", None), torch.nn.ModuleList) and hasattr(module, "norm"):
            return [*module.layers, module.norm]
    raise UserError(f"{type(model).__name__} has no list of blocks to swap states at", "Leave the probe swap out.")


@contextmanager
def _patched(loaded: Loaded, patches: Sequence[Patch], width: int) -> Iterator[None]:
    """The model, whose next reading of these texts, `width` tokens wide and padded on the left, is patched."""
    entrances = blocks(loaded.model)
    changes: dict[int, list[tuple[int, list[int], torch.Tensor]]] = {}
    for row, patch in enumerate(patches):
        if patch.state is not None:
            ids, inside = places(loaded.tokenizer, patch.text, patch.span)
            columns = [width - len(ids) + place for place in inside]
            changes.setdefault(patch.block, []).append((row, columns, patch.state))
    with ExitStack() as stack:
        for block, change in changes.items():
            hook = entrances[block].register_forward_pre_hook(partial(_put, change), with_kwargs=True)
            stack.callback(hook.remove)
        yield


def _put(
    change: Sequence[tuple[int, list[int], torch.Tensor]], module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a block with other states in their places."""
    hidden = (args[0] if args else kwargs["hidden_states"]).clone()  # (rows, width of the batch, width)
    for row, columns, state in change:
        hidden[row, columns] = state.to(hidden)
    return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})
