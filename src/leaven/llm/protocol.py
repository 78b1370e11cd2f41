"""Text in, text out: what every engine answers to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from leaven.errors import UserError
from leaven.rows.example import Prompt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; temperature 0 is greedy. `seed` makes the draw repeatable where the engine can.

    `first` is the place of the first prompt in a longer row of prompts that is asked in parts, and `draws` says for
    each prompt which draw of it is meant, where a store can't count that for itself. `schema` is the JSON schema, as
    text, that a reply has to follow; an engine whose `takes_schema` is false does not look at it.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    max_new_tokens: int = 512
    seed: int = 0
    first: int = 0
    schema: str = ""
    draws: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one prompt. A failed call is data: `text` is None and `error` says why.

    `cached` replies cost nothing now, since a store had them, `batched` ones what a server asks for a batch; `attempts`
    counts the calls that were made.
    """

    text: str | None
    error: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False
    attempts: int = 1
    batched: bool = False

    @property
    def truncated(self) -> bool:
        """Whether the reply was cut at the token limit."""
        return self.finish_reason == "length"


class LLM(Protocol):
    """An engine: `replies` yields (index of the prompt, reply) as they finish, each index exactly once."""

    @property
    def name(self) -> str:
        """What origins and cache keys call the engine."""

    @property
    def takes_schema(self) -> bool:
        """Whether the engine itself holds replies to `Sampling.schema`."""

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Answer every prompt; a failed call is a Reply too. Prompts are taken as there is room for them.

        An empty prompt asks for what a user would say: engines that render the chat template themselves can do that.
        """


@dataclass(frozen=True, slots=True)
class Wrapper:
    """An engine around another one, such as a store: it has that one's name, and takes a schema where that does."""

    engine: LLM

    @property
    def name(self) -> str:
        """The engine's own name."""
        return self.engine.name

    @property
    def takes_schema(self) -> bool:
        """Whether the engine takes one."""
        return self.engine.takes_schema


def refuse_empty(prompts: Iterable[Prompt], name: str) -> Iterator[Prompt]:
    """The prompts as they come, for an engine that can't take empty ones. Raises UserError at the first of them."""
    for prompt in prompts:
        if not prompt:
            raise UserError(
                f"{name} can't write questions of its own: it has no hold of the model's chat template",
                "The form magpie needs the weights: --llm hf:MODEL_OR_DIR.",
            )
        yield prompt
