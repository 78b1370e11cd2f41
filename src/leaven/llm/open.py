"""The engine that a text like `hf:MODEL` or `scripted:FILE.jsonl` names."""

from pathlib import Path
from typing import Any

from leaven.errors import UserError, nearest
from leaven.llm.protocol import LLM

ENGINES = ("hf", "scripted")


def open_llm(spec: str, **options: Any) -> LLM:
    """The engine of `hf:FOLDER_OR_ID` (options: those of `HF.load`) or `scripted:FILE.jsonl` (no options)."""
    engine, colon, place = spec.partition(":")
    if engine not in ENGINES or not colon or not place:
        raise UserError(
            f"{spec!r} names no engine", f"Write hf:MODEL or scripted:FILE.jsonl. {nearest(engine, ENGINES)}"
        )
    if engine == "scripted":
        from leaven.llm.scripted import Scripted

        return Scripted.read(Path(place))
    from leaven.llm.hf import HF

    return HF.load(place, **options)
