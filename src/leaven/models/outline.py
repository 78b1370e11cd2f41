"""A model without its weights: its size, and the names of its layers, from its configuration alone."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from leaven.errors import UserError, nearest
from leaven.models import hub, names
from leaven.models.load import foreign_errors


def outline(path: str, trust_remote_code: bool = False) -> Any:
    """The model at a folder or hub id on torch's meta device, which holds shapes and no numbers.

    Raises UserError for anything that is not a causal language model.
    """
    path = names.path(path)
    names.check_folder(path)
    hub.check(path)
    with foreign_errors(path):
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)


def check_targets(model: Any, target_modules: tuple[str, ...], field: str = "tune.target_modules") -> None:
    """Raises UserError unless the model has layers of each name that is to get an adapter; `field` says who wants it.

    >>> check_targets(outline("lab"), ("q_proj",))
    """
    layers = {name for name, _ in model.named_modules()}
    endings = {
        name.rpartition(".")[2] for name, layer in model.named_modules() if getattr(layer, "weight", None) is not None
    }
    for target in target_modules:
        if not any(name == target or name.endswith(f".{target}") for name in layers):
            raise UserError(
                f"{field}: the model has no layer called {target!r}",
                nearest(target, [name for name in endings if not name.isdigit()]),
            )
