"""Where an OpenAI-compatible server is, and its key: for chat and for embeddings alike."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from leaven.errors import UserError

DEFAULT_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that does not print itself."""

    value: str

    def __repr__(self) -> str:
        return "Key(…)"

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries it in; nothing, where there is none."""
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    def hidden(self, text: str) -> str:
        """The text without the key, which some servers repeat."""
        return text.replace(self.value, "…") if self.value else text


def key() -> Key:
    """The key of the environment."""
    return Key(os.environ.get("OPENAI_API_KEY", ""))


def address(base_url: str | None = None) -> str:
    """`base_url`, OPENAI_BASE_URL or OpenAI. Raises UserError for one that is no address, or carries a secret."""
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the base URL is no http address", "For example: --base-url http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"the base URL of {parts.hostname} carries a user name, a password or a query",
            "Give the key in the environment: export OPENAI_API_KEY=…",
        )
    return url
