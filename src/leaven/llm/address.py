"""Where OpenAI-compatible servers are, and their key: for chat and for embeddings alike."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leaven.errors import UserError

DEFAULT_URL = "https://api.openai.com/v1"
HINT = "For example: --base-url http://127.0.0.1:8000/v1, or a file with an address on each line."


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
    return Key(os.environ.get("OPENAI_API_KEY", "").strip())  # a file of secrets ends with a line feed


def addresses(base_url: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """`base_url`, OPENAI_BASE_URL or OpenAI; several servers of one model with commas, as a list, or in a file.

    Raises UserError for one that is no address, or carries a secret.

    >>> addresses("http://a:8000/v1,http://b:8000/v1/")
    ('http://a:8000/v1', 'http://b:8000/v1')
    """
    named = [base_url] if isinstance(base_url, str) else list(base_url or ())
    named = named or [os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL]
    urls = tuple(dict.fromkeys(_address(part) for text in named for part in _parts(text)))
    if not urls:
        raise UserError(f"the base URL {', '.join(map(repr, named))} names no address", HINT)
    return urls


def _parts(text: str) -> Iterator[str]:
    """The addresses in a text with commas, or in the lines of the file that it names."""
    if "://" in text or not Path(text).is_file():
        yield from (part.strip() for part in text.split(",") if part.strip())
        return
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{text} is no file of addresses", HINT) from None
    yield from (address for line in lines if (address := line.partition("#")[0].strip()))


def _address(text: str) -> str:
    url = text.rstrip("/")
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # no number, or none that there is, for a port; a bracket too few; two dots
        known = False
    if not known:
        raise UserError("the base URL is no http address", HINT)
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"the base URL of {parts.hostname} carries a user name, a password or a query",
            "Give the key in the environment: export OPENAI_API_KEY=…",
        )
    return url
