"""A selector by its name, with what it needs: what `leaven curate` and `leaven.select` both do."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from leaven import plugs
from leaven.errors import UserError, nearest
from leaven.lift import embedding, selection
from leaven.lift.selection import Context, no_vectors
from leaven.lift.selectors import variety
from leaven.llm.budget import Spend
from leaven.llm.protocol import LLM
from leaven.models import names
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import stderr
from leaven.section import faults

NEEDS = {"seed": ("seed",), "vectors": ("embedder", "embeddings", "embed_text"), "llm": (), "model": ("model",)}
"""The settings of what a selector needs besides rows and its own."""
DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "embedder": embedding.AUTO,
    "embeddings": "",
    "embed_text": "all",
    "model": "lab",
}


def select(
    selector: str | ModuleType,
    rows: Dataset,
    settings: Mapping[str, Any],
    llm: LLM | None = None,
    spend: Spend | None = None,
) -> Outcome:
    """What a selector keeps of the rows; `settings` are its own, and those of what it needs.

    Embeddings that are paid for are counted in `spend`, and stop at its limits. The selector is a name, a path, or
    loaded already. Raises UserError for a selector or a setting that it has not.
    """
    module = plugs.load("selectors", selector) if isinstance(selector, str) else selector
    needs = [need for need in NEEDS if need in getattr(module, "NEEDS", ())]
    own = set(module.Config.model_fields)
    values = {setting: DEFAULTS[setting] for need in needs for setting in NEEDS[need]}
    keys = own | set(values)
    if unknown := sorted(set(settings) - keys):
        raise UserError(
            f"{module.__name__.rpartition('.')[2]} has no setting {unknown[0]!r}", nearest(unknown[0], sorted(keys))
        )
    try:
        config = module.Config.model_validate({key: value for key, value in settings.items() if key in own})
    except ValidationError as error:
        raise UserError("; ".join(faults(error, module.Config)), "leaven ls selectors lists the settings.") from None
    values |= {key: value for key, value in settings.items() if key in values}
    progress = stderr()
    vectors = (
        embedding.source(values["embedder"], values["embeddings"], values["embed_text"], progress, spend)
        if "vectors" in needs
        else no_vectors
    )
    if "vectors" in needs and not values["embeddings"]:
        check_embedder(module, values["embedder"])
    model = names.path(values["model"]) if "model" in needs else ""
    context = Context(values.get("seed", 0), vectors, llm, model, progress, embed_text=values.get("embed_text", "all"))
    scores = selection.score(module, rows, config, context)
    return selection.choose(module, rows, scores, config, context)


def check_embedder(selector: ModuleType, embedder: str) -> None:
    """Raises UserError for one that there is not, and where variety would rank by LSA and nobody has asked for that."""
    embedding.check(embedder)
    if selector is variety and embedding.left_to_lsa(embedder):
        raise UserError(
            "variety needs embeddings that know more than words, and no sentence encoder is on this machine",
            "leaven model get minilm (84 MB), or bring --embeddings FILE.npy. Without any: leaven curate k_center, "
            "which LSA serves, or minhash. --embedder lsa keeps short rows, and does so where it is said.",
        )
