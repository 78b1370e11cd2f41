"""What a run may spend, and what it has spent: calls, tokens and money, by prices that carry a date or are unknown."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from leaven.errors import UserError
from leaven.llm.protocol import Reply, Sampling, Wrapper
from leaven.rows.example import Prompt

PRICES = Path(__file__).parent / "prices.yaml"
PILOT = 4
LIMITS = ("max_requests", "max_tokens", "max_cost")


class BudgetReached(UserError):
    """The run stopped at a limit; what was answered has been yielded, and the same command goes on."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "Nothing is lost: raise the limit, and the same command goes on from here.")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens, in and out, and when that was the published price.

    `batch` is the share of it that tokens cost in a batch; None: not known, so that they count in full.
    """

    prompt: float
    completion: float
    date: str
    batch: float | None = None

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6

    def of_batches(self) -> "Price":
        """What tokens cost in a batch."""
        share = 1.0 if self.batch is None else self.batch
        return replace(self, prompt=self.prompt * share, completion=self.completion * share)

    def sentence(self, batch: bool) -> str:
        """By which prices money is counted: `prices of 2025-06-01, batches at 50% of them`."""
        if not batch:
            return f"prices of {self.date}"
        if self.batch is None:
            return f"list prices of {self.date}, as the table has none of batches"
        return f"prices of {self.date}, batches at {self.batch:.0%} of them"


def price(model: str, path: Path | None = None) -> Price | None:
    """The price of a model, by its exact name; None is "unknown". A user's own file replaces the one that ships.

    Raises UserError for a file that is no table of prices.
    """
    place = path or PRICES
    try:
        table: dict[str, Any] = yaml.safe_load(place.read_text(encoding="utf-8"))
        row = table["models"].get(model)
        if not row:
            return None
        share = float(row["batch"]) if "batch" in row else None
        return Price(float(row["prompt"]), float(row["completion"]), str(table["date"]), share)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{place} is no table of prices: {type(error).__name__} {error}",
            "Dollars a million tokens: {date: 2026-01-31, models: {MODEL: {prompt: 0.5, completion: 1.5}}}; "
            "batch: 0.5 beside them, where a batch costs half.",
        ) from error


@dataclass(slots=True)
class Spend:
    """What was spent so far, and the limits; a limit that is None is not there. `batch`: prompts are asked by batches.

    Of the tokens in and out, `batched` are those that batches took.
    """

    price: Price | None = None
    max_cost: float | None = None
    max_tokens: int | None = None
    max_requests: int | None = None
    requests: int = 0
    answered: int = 0
    failed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """How often calls failed, by the reason."""
    truncated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    saved: int = 0
    ended: int = 0
    under_way: int = 0
    batch: bool = False
    batched: tuple[int, int] = (0, 0)

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float | None:
        """Dollars, or None where the price is unknown."""
        if self.price is None:
            return None
        came, went = self.batched
        at_once = self.price.of(self.prompt_tokens - came, self.completion_tokens - went)
        return at_once + self.price.of_batches().of(came, went)

    @property
    def rate(self) -> Price | None:
        """The price of a call from here on: by a batch, where prompts are asked so."""
        return self.price.of_batches() if self.price and self.batch else self.price

    def add(self, reply: Reply) -> None:
        """A call has ended."""
        self.under_way -= 1
        self.requests += reply.attempts
        self.answered += reply.text is not None
        self.failed += reply.text is None
        self.truncated += reply.truncated
        if reply.error is not None:
            self.faults[reply.error.partition(":")[0]] += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        if reply.batched:
            came, went = self.batched
            self.batched = (came + reply.prompt_tokens, went + reply.completion_tokens)

    def counts(self) -> dict[str, float | None]:
        """What a log says of it."""
        return {
            "calls": self.requests,
            "failed": self.failed,
            "truncated": self.truncated,
            "saved": self.saved,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": self.cost,
            "max_cost": self.max_cost,
        }

    def note(self) -> str:
        """What stands beside a progress bar."""
        ok = self.ended - self.failed
        limit = f" of ${self.max_cost:,.2f}" if self.max_cost is not None else ""
        money = f", ${self.cost:,.4f}{limit}" if self.cost is not None else ""
        return f"{ok:,} ok, {self.failed:,} failed, {self.saved:,} cached{money}"

    def reached(self) -> str | None:
        """The limit that one more call might pass, judging those under way by the mean of those that were answered."""
        share = 1 + self.under_way / self.answered if self.answered else 1
        if self.max_requests is not None and self.requests + self.under_way >= self.max_requests:
            return f"max_requests {self.max_requests:,}"
        if self.max_tokens is not None and self.tokens * share >= self.max_tokens:
            return f"max_tokens {self.max_tokens:,}"
        if self.max_cost is not None and (self.cost or 0) + self._cost_under_way() >= self.max_cost:
            return f"max_cost ${self.max_cost:,.2f}"
        return None

    def _cost_under_way(self) -> float:
        """Dollars of the calls under way, where they take as many tokens as those that were answered."""
        share = self.under_way / self.answered if self.answered else 0
        return share * self.rate.of(self.prompt_tokens, self.completion_tokens) if self.rate else 0

    def sentence(self) -> str:
        """What the end of a run says."""
        money = f"${self.cost:,.4f} by {self.price.sentence(self.batch)}" if self.price else "cost unknown"
        faults = ", ".join(f"{fault} {count:,}" for fault, count in self.faults.most_common(4))
        parts = [f"{self.failed:,} failed: {faults}"] if self.failed else []
        parts += [f"{self.truncated:,} truncated at the token limit"] if self.truncated else []
        went = f" ({'; '.join(parts)})" if parts else ""
        saved = f"; the store saved {self.saved:,} calls" if self.saved else ""
        return (
            f"Spent {self.requests:,} calls{went}, {self.prompt_tokens:,} tokens in, "
            f"{self.completion_tokens:,} out, {money}{saved}."
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits among `options`, fields of a recipe's `llm` section, for engines that are opened one after another.

    `spelled` says how a message names a limit: by its flag, where it is one.
    """

    options: Mapping[str, Any]
    spelled: Callable[[str], str] = str
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))

    def left(self, what: str) -> dict[str, Any]:
        """The options with what is left of each limit. Raises BudgetReached before `what` where nothing is."""
        left = {name: self.options[name] - self.spent[name] for name in LIMITS if self.options.get(name) is not None}
        for name, amount in left.items():
            if amount <= 0:
                limit = f"{self.spelled(name)} {self.options[name]:g}"
                raise BudgetReached(f"the budget is used up before {what}: {limit}")
        return {**self.options, **left}

    def take(self, spend: Spend) -> None:
        """What an engine has spent."""
        for name, amount in zip(LIMITS, (spend.requests, spend.tokens, spend.cost or 0), strict=True):
            self.spent[name] += amount


@dataclass(frozen=True, slots=True)
class Budgeted(Wrapper):
    """An engine that stops at its limits. It stands inside the store, which costs nothing: Stored(Budgeted(engine))."""

    spend: Spend
    stopped: list[str] = field(default_factory=list)

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies until a limit is reached: then what is under way ends, and BudgetReached is raised."""
        self.stopped.clear()
        waiting, calls = iter(prompts), Counter[str]()
        try:
            for start, part in self._parts(waiting):
                here = replace(sampling, first=sampling.first + start, draws=sampling.draws[start:])
                for index, reply in self.engine.replies(self._allowed(part, calls), here):
                    calls["ended"] += 1
                    self.spend.add(reply)
                    yield start + index, reply
        finally:  # an engine that breaks, or a caller that stops listening, leaves nothing under way
            self.spend.under_way -= calls["begun"] - calls["ended"]
        if self.stopped:
            raise BudgetReached(f"the budget is used up: {self.stopped[0]}. {self.spend.sentence()}")

    def _parts(self, waiting: Iterator[Prompt]) -> Iterator[tuple[int, Iterable[Prompt]]]:
        """(place of its first prompt, prompts): a few at a time until a call was answered, then all the others.

        Before that it is not known what a call takes, which only matters where tokens or money are limited.
        """
        start, is_limited = 0, (self.spend.max_tokens, self.spend.max_cost) != (None, None)
        while is_limited and not self.spend.answered and not self.stopped:
            if not (first := list(islice(waiting, PILOT))):
                return
            yield start, first
            start += len(first)
        yield start, waiting

    def _allowed(self, prompts: Iterable[Prompt], calls: Counter[str]) -> Iterator[Prompt]:
        """The prompts that may be asked, each counted as begun."""
        for prompt in prompts:
            if limit := self.spend.reached():
                self.stopped.append(limit)
                return
            self.spend.under_way += 1
            calls["begun"] += 1
            yield prompt


@dataclass(frozen=True, slots=True)
class Counted(Wrapper):
    """Outside the store: counts what it saved, and tells `on_reply` after each reply."""

    spend: Spend
    on_reply: Callable[[Spend], None] | None = None

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """The engine's replies."""
        for index, reply in self.engine.replies(prompts, sampling):
            self.spend.saved += reply.cached
            self.spend.ended += 1
            if self.on_reply:
                self.on_reply(self.spend)
            yield index, reply
