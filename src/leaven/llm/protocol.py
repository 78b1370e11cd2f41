"""Text in, text out: what every engine answers to."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from leaven.types import Prompt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; temperature 0 is greedy. `seed` makes the draw repeatable where the engine can.

    `response_schema` is the JSON schema that the reply must follow, for engines that can hold a model to it; the
    others ignore it. `draws` says for each prompt which draw of it is meant (the store knows which it has already);
    without it the engine counts for itself.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    max_new_tokens: int = 512
    seed: int = 0
    response_schema: Mapping[str, Any] | None = None
    draws: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one prompt. A failed call is data: `text` is None and `error` says why.

    `cached` replies cost nothing now; `attempts` counts the calls that it took.
    """

    text: str | None
    error: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False
    attempts: int = 1

    @property
    def truncated(self) -> bool:
        """Whether the reply was cut at the token limit."""
        return self.finish_reason == "length"


class LLM(Protocol):
    """An engine: `replies` yields (index of the prompt, reply) as they finish, each index exactly once."""

    @property
    def name(self) -> str:
        """What origins and cache keys call the engine."""

    def replies(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Answer every prompt; a failed call is a Reply too."""


@runtime_checkable
class Asker(Protocol):
    """An engine that can also let its model write what a user would ask: one that renders the chat template itself."""

    @property
    def name(self) -> str:
        """What origins and cache keys call the engine."""

    def questions(self, n: int, sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """`n` user turns that the model writes when it is shown how one begins; as they finish."""


def numbered(prompts: Sequence[Prompt]) -> tuple[int, ...]:
    """Which draw of its prompt each one is: the first of equal prompts is 0, the next 1, and so on."""
    seen: Counter[Prompt] = Counter()
    draws = []
    for prompt in prompts:
        draws.append(seen[prompt])
        seen[prompt] += 1
    return tuple(draws)
