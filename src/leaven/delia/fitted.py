"""What a method returns, and how a model in memory answers prompts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from leaven.rows.example import Drop, Prompt
from leaven.runs.progress import Progress

if TYPE_CHECKING:
    from leaven.models.load import Loaded

Respond = Callable[[Sequence[Prompt]], list[str]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """It answers prompts, and where it has weights it lends them to the probes; of several stages, all are counted."""

    respond: Respond = field(repr=False)  # shown, a notebook would print every layer of the model
    loaded: "Loaded | None" = field(default=None, repr=False)
    steps: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    losses: tuple[float, ...] = ()
    dropped: tuple[Drop, ...] = ()

    @property
    def weights(self) -> "Loaded":
        """The model behind it. Raises ValueError where there is none."""
        if self.loaded is None:
            raise ValueError("it has no weights")
        return self.loaded


@dataclass(frozen=True, slots=True)
class Answerer:
    """Greedy answers of a model in memory, with progress; `name` says in it whose they are."""

    max_new_tokens: int
    progress: Progress
    name: str

    def fitted(self, loaded: "Loaded") -> Fitted:
        """A model that answers, and its weights."""
        return Fitted(partial(self.answers, loaded), loaded)

    def answers(self, loaded: "Loaded", prompts: Sequence[Prompt]) -> list[str]:
        """The model's answer to each prompt."""
        from leaven.models.generate import generate

        texts = generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=self.max_new_tokens)
        return self.in_order(((index, generated.text) for index, generated in texts), len(prompts))

    def in_order(self, texts: Iterable[tuple[int, str]], n: int) -> list[str]:
        """`n` texts, which come with their index as they finish, in their order."""
        answers = [""] * n
        with self.progress.track(f"answering {self.name}", n, "answers") as advance:
            for count, (index, text) in enumerate(texts, 1):
                answers[index] = text
                advance(count)
        return answers
