"""A base model that is loaded once and lent as often as it is needed, with or without a new token."""

import copy
from functools import cached_property
from typing import Any

import torch

from leaven.models import names, tokens
from leaven.models.load import Loaded, load
from leaven.task.token import TokenSection


class Base:
    """The untouched model at `path` (a name, a folder or a hub id); it is loaded when the first copy is lent.

    A lent copy shares the memory of the base's weights, and nothing else: its modules, flags, configuration, tokenizer
    and the rows of its embedding where it has a token are its own. What tunes it, folds an adapter into it or takes
    gradients of it puts new tensors in place of the shared ones and never writes into those. (peft's merge does, unless
    it is told `safe_merge=True`.)

        base = Base("lab")
        loaded = base.lend(TokenSection(text="<sep>"), seed=0)
    """

    def __init__(
        self, path: str, *, dtype: str = "auto", load_in_8bit: bool = False, trust_remote_code: bool = False
    ) -> None:
        self.path, self.dtype, self.load_in_8bit = names.path(path), dtype, load_in_8bit
        self.trust_remote_code = trust_remote_code

    def lend(self, token: TokenSection | None = None, seed: int = 0, init: str | None = None) -> Loaded:
        """A copy of the model; with `token`, its vocabulary is longer by the token, whose first row `seed` decides.

        `init` overrides the token's own. A base in 8 bits is loaded anew each time: its layers move their weights at
        their first pass, so that they can't be shared. Raises UserError for a token that can't be added.
        """
        loaded = self._load() if self.load_in_8bit else _copy(self._loaded, embedding=token is not None)
        if token is not None:
            section = token if init is None else token.model_copy(update={"init": init})
            tokens.add(loaded.model, loaded.tokenizer, section, seed)
        return loaded

    @cached_property
    def _loaded(self) -> Loaded:
        return self._load()

    def _load(self) -> Loaded:
        return load(
            self.path, dtype=self.dtype, load_in_8bit=self.load_in_8bit, trust_remote_code=self.trust_remote_code
        )


def _copy(loaded: Loaded, embedding: bool) -> Loaded:
    """A copy whose weights are parameters of their own over the same memory; with `embedding`, its rows are copied."""
    model = loaded.model
    shared: dict[int, Any] = {
        id(weight): torch.nn.Parameter(weight.detach(), requires_grad=weight.requires_grad)
        for weight in model.parameters()
    }
    if embedding:
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            if layer is not None:
                shared.pop(id(layer.weight), None)
    # Of whatever the memo names, deepcopy takes what stands there; weights that are tied stay tied.
    return Loaded(copy.deepcopy(model, shared), copy.deepcopy(loaded.tokenizer), loaded.path)
