"""The model that makes or judges text: how it is reached, and what may be spent on it."""

from typing import Any

from pydantic import Field, field_validator

from leaven.section import Section


class LLMSection(Section):
    """The model that makes or judges text, how it is reached, and what may be spent on it."""

    engine: str = ""
    """openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE; empty: none, and the phrasebook serves."""
    base_url: tuple[str, ...] = ()
    """Servers that speak Chat Completions: an address, several of the same model (again for each, or with commas), or a
    file of them; none: OPENAI_BASE_URL, else OpenAI."""
    store: str = ""
    """The file of replies that were paid for; empty: the user's cache, for engines that cost money; off: none."""
    batch: bool = False
    """Ask through the server's batch endpoint: within a day instead of at once, and cheaper where it is OpenAI's."""
    concurrency: int = Field(64, ge=1)
    """Calls under way at a server at the start; the throttle finds what it bears."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Calls that each server takes a minute; null: as many as it answers."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """Tokens, in and out, that each server takes a minute; null: as many as it answers."""
    attempts: int = Field(6, ge=1)
    """Calls for one prompt that may break (no connection, a server error, nonsense), each after a longer wait."""
    max_cost: float | None = Field(None, gt=0)
    """Dollars after which the run stops, to be continued; null: no limit."""
    max_tokens: int | None = Field(None, gt=0)
    """Tokens, in and out, after which the run stops, to be continued."""
    max_requests: int | None = Field(None, gt=0)
    """Calls after which the run stops, to be continued."""
    prices: str | None = None
    """A table of prices of your own; null: the one that ships, with its date."""

    @field_validator("base_url", mode="before")
    @classmethod
    def _read_one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value or ()
