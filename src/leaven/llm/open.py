"""The engine that a text like `openai:MODEL` or `hf:MODEL` names, with its store and its budget around it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaven import extras
from leaven.errors import UserError, nearest
from leaven.llm.address import DEFAULT_URL, addresses, key
from leaven.llm.budget import Budgeted, Counted, Spend, price
from leaven.llm.protocol import LLM
from leaven.llm.settings import LLMSection
from leaven.llm.store import Store, Stored
from leaven.models import names

ENGINES = ("hf", "openai", "scripted", "vllm")
HINT = "Write openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE.jsonl."


def open_llm(spec: str, **options: Any) -> LLM:
    """The bare engine of `openai:MODEL`, `hf:MODEL`, `vllm:MODEL` or `scripted:FILE.jsonl`.

    `options` go to the engine: those of `OpenAI.open` or `HF.load`; scripted has none. Raises UserError.
    """
    engine, colon, place = spec.partition(":")
    if engine not in ENGINES or not colon or not place:
        raise UserError(f"{spec!r} names no engine", f"{HINT} {nearest(engine, ENGINES)}")
    if engine == "openai":
        from leaven.llm.engines.openai import OpenAI

        return OpenAI.open(place, **options)
    if engine == "scripted":
        from leaven.llm.engines.scripted import Scripted

        return Scripted.read(Path(place))
    if engine == "vllm":
        from leaven.llm.engines.vllm import VLLM

        return VLLM.load(place, **options)
    from leaven.llm.engines.hf import HF

    return HF.load(place, **options)


def spending(config: LLMSection) -> Spend:
    """What the engine may spend. Raises UserError for a limit on the cost of a model without a price."""
    spend = Spend(
        price(config.engine.partition(":")[2], Path(config.prices) if config.prices else None),
        config.max_cost, config.max_tokens, config.max_requests, batch=config.batch,
    )  # fmt: skip
    if config.max_cost is not None and spend.price is None:
        raise UserError(
            f"llm.max_cost can't be kept: the price of {config.engine} is unknown",
            "Name a table that has it: --prices FILE, for example {date: 2026-01-31, models: "
            "{MODEL: {prompt: 0.5, completion: 1.5}}}.",
        )
    return spend


def open_with_budget(
    config: LLMSection, on_reply: Callable[[Spend], None] | None = None, engine: LLM | None = None
) -> tuple[Counted, Spend]:
    """The engine of a recipe's `llm` section: counted(stored(budgeted(engine))), and what it spends.

    `engine` is the bare one, where it is open already. Engines in process cost nothing, and a folder's model may change
    under its name: they are stored only in a file that is named. Raises UserError for a limit on the cost of a model
    without a price.
    """
    spend = spending(config)
    store = None
    if config.store != "off" and (config.store or config.engine.startswith("openai:")):
        store = Store.open(Path(config.store).expanduser() if config.store else None)
    engine = engine or open_bare(config)
    if config.batch:
        from leaven.llm import batch

        engine = batch.of(engine, store)
    llm: LLM = Budgeted(engine, spend)
    return Counted(Stored(llm, store) if store else llm, spend, on_reply), spend


def check(config: LLMSection) -> None:
    """Raises UserError for an engine that can't be asked: no such engine, no key, no model, no price; asks nothing."""
    if not config.engine:
        return
    engine, _, model = config.engine.partition(":")
    if engine in ("openai", "scripted"):
        open_with_budget(config.model_copy(update={"store": "off", "batch": False}))
    elif engine in ("hf", "vllm") and model:
        extras.require("vllm" if engine == "vllm" else "transformers")
        names.check_folder(names.path(model))
    else:
        open_llm(config.engine)
    if engine == "openai" and DEFAULT_URL in addresses(config.base_url) and not key().value:
        raise UserError(
            "OPENAI_API_KEY is not set",
            "export OPENAI_API_KEY=…, or name another server that speaks Chat Completions: --base-url URL.",
        )


def open_bare(config: LLMSection) -> LLM:
    """The engine of a recipe's `llm` section by itself. Raises UserError."""
    if not config.engine.startswith("openai:"):
        return open_llm(config.engine)
    from leaven.llm.throttle import Limits

    limits = Limits(
        concurrency=config.concurrency,
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
        attempts=config.attempts,
    )
    return open_llm(config.engine, base_url=config.base_url, limits=limits)
