"""What a long run will take, from a few of its calls: calls, tokens and money, each as a range."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, stdev

from leaven.llm.budget import Price
from leaven.llm.protocol import Reply, Sampling, Wrapper
from leaven.rows.example import Prompt

ROWS = 8
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Recorded(Wrapper):
    """An engine whose replies are kept for the estimate, with the seconds until those came that no store had.

    `price` is that of its calls; None: unknown.
    """

    price: Price | None = None
    record: list[Reply] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """The engine's replies."""
        began = time.monotonic()
        for index, reply in self.engine.replies(prompts, sampling):
            self.record.append(reply)
            if not reply.cached:
                self.waits.append(time.monotonic() - began)
            yield index, reply

    def step(self, name: str, calls: int) -> "Step":
        """The part of the run that the replies so far stand for."""
        return Step(name, calls, tuple(self.record), fmean(self.waits) if self.waits else None, self.price)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the run: the calls that it makes at most, and what those of the pilot's took that were answered.

    `seconds`: until a reply came, where a pilot's few calls were all that was under way; None where a store had them.
    `price` is that of its engine; None: unknown.
    """

    name: str
    calls: int
    replies: tuple[Reply, ...]
    seconds: float | None = None
    price: Price | None = None

    @property
    def answered(self) -> list[Reply]:
        """The replies that tell what a call takes: a call that failed took nothing, and is asked again."""
        return [reply for reply in self.replies if reply.text is not None]

    @property
    def prompt_tokens(self) -> Range:
        """Tokens in."""
        return _range([reply.prompt_tokens for reply in self.answered], self.calls)

    @property
    def completion_tokens(self) -> Range:
        """Tokens out."""
        return _range([reply.completion_tokens for reply in self.answered], self.calls)

    @property
    def cost(self) -> Range | None:
        """Dollars, or None where the price is unknown."""
        if self.price is None:
            return None
        (a, b), (c, d) = self.prompt_tokens, self.completion_tokens
        return self.price.of(round(a), round(c)), self.price.of(round(b), round(d))


def total(steps: Iterable[Step]) -> tuple[int, Range, Range, Range | None]:
    """Calls, tokens in, tokens out, and dollars of all steps; the ends of ranges are added up.

    Dollars are None where the price of one is unknown.
    """
    listing = list(steps)
    costs = [step.cost for step in listing if step.cost is not None]
    return (
        sum(step.calls for step in listing),
        _sum(step.prompt_tokens for step in listing),
        _sum(step.completion_tokens for step in listing),
        _sum(costs) if len(costs) == len(listing) else None,
    )


def _range(values: list[int], calls: int) -> Range:
    """The mean, two standard errors below and above it, times the calls; never less than a tenth to either side."""
    if not values or not calls:
        return 0.0, 0.0
    mean = fmean(values)
    error = 2 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else mean
    error = max(error, mean / 10)
    return max(0.0, mean - error) * calls, (mean + error) * calls


def _sum(ranges: Iterable[Range]) -> Range:
    ends = list(ranges)
    return sum(low for low, _ in ends), sum(high for _, high in ends)
