"""What a method may use, handed to it: the base model, self-sampled rows, other phrasings, tuning, a seed, a folder."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leaven.delia import buffer
from leaven.errors import UserError
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, Outcome, Prompt
from leaven.runs.progress import Progress
from leaven.study.recipe import Recipe

if TYPE_CHECKING:
    from leaven.llm.protocol import LLM
    from leaven.models.load import Loaded

Respond = Callable[[Sequence[Prompt]], list[str]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a method returns: it answers prompts, and where it has weights it lends them to the probes."""

    respond: Respond
    loaded: "Loaded | None" = None
    steps: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    losses: tuple[float, ...] = ()
    dropped: tuple[Drop, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench of one cell of a study: everything a method needs, for one seed."""

    recipe: Recipe
    seed: int
    pool: Dataset
    run: Path
    folder: Path
    progress: Progress
    teacher: "LLM | None" = None
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    dropped: list[Drop] = field(default_factory=list)

    def base(self, init: str | None = None) -> Fitted:
        """The untouched model, its vocabulary longer by the token; `init` overrides how its first row is made."""
        loaded, _ = self._fresh(init)
        return self.fitted(loaded)

    def fitted(self, loaded: "Loaded") -> Fitted:
        """What a model answers greedily, and its weights for the probes."""
        return Fitted(self._respond(loaded), loaded)

    def weights(self, fitted: Fitted) -> "Loaded":
        """The model behind a fitted one."""
        if fitted.loaded is None:
            raise ValueError("it has no weights")
        return fitted.loaded

    def untouched(self, prompts: Sequence[Prompt]) -> list[str]:
        """The untouched model's own answers, without the token in its vocabulary."""
        return self._respond(self._untouched())(prompts)

    def llm(self) -> "LLM":
        """The teacher, or without one the untouched model itself."""
        from leaven.llm.engines.hf import HF

        return self.teacher or HF.of(self._untouched())

    def diversify(self, train: Dataset) -> Dataset:
        """The task rows with their instructions said in many ways; rows that vary already are kept.

        A task without the token is known by the words that its questions begin with.
        """
        from leaven.delia.makers import diversify, openings

        if not any(self.recipe.token.text in row.question for row in train):
            return self.kept(openings.make(train, self.teacher, self.seed))
        return self.kept(
            diversify.make(train, self.teacher, diversify.DiversifyConfig(), self.recipe.token.text, self.seed)
        )

    def diverse(self, n: int) -> Dataset:
        """`n` rows that the base model sampled from itself on the pool's queries; shared by all cells of a seed.

        Draws are nested: a larger `n` starts with the rows of the smaller. A pool that is too small yields what it has,
        and a note says so.
        """
        from leaven.delia.makers import self_sample
        from leaven.llm.engines.hf import HF

        if n == 0:
            return Dataset.of([])
        queries = self.pool.shuffle(self.seed)
        folder = self.run / "pool" / f"seed-{self.seed}"
        began = time.perf_counter()
        with self.progress.track(f"self-sampling, seed {self.seed}", n, "rows") as advance:
            outcome = self_sample.collect(
                queries, HF.of(self._untouched()), self.recipe.sample, self.seed, folder, n=n, on_rows=advance
            )
        self.seconds["sample"] = self.seconds.get("sample", 0) + time.perf_counter() - began
        return self.kept(outcome)

    def external(self, n: int) -> Dataset:
        """The rows of `diverse(n)`, each with the answer that the pool has for its query: not the model's own words.

        Raises UserError when the pool holds bare queries.
        """
        answers = {query.id: query.answer for query in self.pool}
        rows = []
        for row in self.diverse(n):
            answer = answers[row.origin.parents[0]]
            if answer is None:
                raise UserError("the pool's queries have no answers", "External answers need rows with an answer.")
            rows.append(replace(row, messages=(*row.prompt, Message("assistant", answer))))
        return Dataset.of(rows, (f"external({n})",))

    def rewritten(self, train: Dataset, form: Literal["guided", "again"]) -> Dataset:
        """The task rows with the untouched model's own answers, where those have the format of the references."""
        from leaven.delia.makers import self_sample
        from leaven.llm.engines.hf import HF

        made = self.kept(self_sample.make(train, HF.of(self._untouched()), self.recipe.sample, self.seed, form=form))
        own = {row.origin.parents[0]: row.answer for row in made}
        rows = [_reworded(row, own.get(row.id)) for row in train]
        changed = sum(new.answer != old.answer for new, old in zip(rows, train, strict=True))
        self.notes.append(f"{changed} of {len(train)} answers are the model's own; the others would lose the format.")
        return Dataset.of(rows, (*train.made_by, f"rewritten({form})"))

    def prompted(self, change: Callable[[Prompt], Prompt], train: Dataset, fitted: Fitted | None = None) -> Fitted:
        """A model that is asked `change(prompt)` where a prompt is of the task's kind: the base, or a fitted one."""
        inner = fitted or self.base()

        def respond(prompts: Sequence[Prompt]) -> list[str]:
            kinds = self.of_task(prompts, train)
            return inner.respond([change(p) if task else p for p, task in zip(prompts, kinds, strict=True)])

        return replace(inner, respond=respond)

    def of_task(self, prompts: Sequence[Prompt], train: Dataset) -> list[bool]:
        """Whether each names the token, or where the task rows don't, whether it begins as they do."""
        from leaven.delia.makers.openings import opening

        token = self.recipe.token.text
        asked = [Example(prompt, Origin("asked")) for prompt in prompts]
        if any(token in row.question for row in train):
            return [token in row.question for row in asked]
        begins = {opening(row) for row in train} - {None}
        return [opening(row) in begins for row in asked]

    def tune(self, mixture: Dataset, *, after: Fitted | None = None, kl_to_base: float = 0.0, **changes: Any) -> Fitted:
        """The base model tuned on these rows, in their order; `changes` override the recipe's `tune` section.

        `after` goes on with an earlier stage's adapter, with an optimiser of its own; `kl_to_base` is the weight of the
        divergence from the base model on the trained tokens (`models/kl.py`).
        """
        from leaven.models import adapter, kl, mask, sft

        config = changed(self.recipe.tune, changes)
        loaded, token_id = self._fresh() if after is None else self._going_on(after)
        stage = "" if after is None else "-2"
        mixture.save(self.folder / "data" / f"mixture{stage}.parquet")
        self._write_mix(mixture, config, lambda example: mask.encode(loaded.tokenizer, example))
        began = time.perf_counter()
        with self.progress.track(f"tuning {self.folder.name}", 0, "steps") as advance:
            fit = partial(kl.fit, weight=kl_to_base) if kl_to_base else sft.fit
            tuned = fit(
                loaded,
                mixture,
                config,
                seed=self.seed,
                token_id=token_id,
                folder=self.folder / f"checkpoints{stage}",
                on_step=lambda step, steps, loss, tokens: advance(step, steps, f"loss {loss:.3f}", tokens),
            )
        self.seconds["fit"] = self.seconds.get("fit", 0) + time.perf_counter() - began
        adapter.save(tuned.model, loaded.tokenizer, self.folder / "adapter", loaded.path, self.recipe.token)
        fitted = type(loaded)(tuned.model, loaded.tokenizer, loaded.path)
        before = after or Fitted(self._respond(fitted))
        return Fitted(
            self._respond(fitted),
            fitted,
            before.steps + tuned.steps,
            before.tokens + tuned.tokens,
            before.trained_tokens + tuned.trained_tokens,
            (*before.losses, *tuned.losses),
            (*before.dropped, *tuned.dropped),
        )

    def _fresh(self, init: str | None = None) -> tuple["Loaded", int]:
        """The base model, loaded anew, with the token in its vocabulary; and the token's id."""
        from leaven.models import tokens

        loaded, token = self._untouched(), self.recipe.token
        if init is not None:
            token = token.model_copy(update={"init": init})
        return loaded, tokens.add(loaded.model, loaded.tokenizer, token, self.seed)

    def _going_on(self, after: Fitted) -> tuple["Loaded", int]:
        loaded = self.weights(after)
        return loaded, int(loaded.tokenizer.convert_tokens_to_ids(self.recipe.token.text))

    def _untouched(self) -> "Loaded":
        from leaven.models.load import load

        tune = self.recipe.tune
        return load(
            self.recipe.model,
            dtype=tune.dtype,
            load_in_8bit=tune.load_in_8bit,
            trust_remote_code=self.recipe.trust_remote_code,
        )

    def _respond(self, loaded: "Loaded") -> Respond:
        from leaven.models.generate import generate

        def respond(prompts: Sequence[Prompt]) -> list[str]:
            longest = self.recipe.evaluate.max_new_tokens
            found = generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=longest)
            return self.gathered(((index, generated.text) for index, generated in found), len(prompts))

        return respond

    def gathered(self, found: Iterable[tuple[int, str]], n: int) -> list[str]:
        """Texts as they finish, put in their order, with progress."""
        texts = [""] * n
        with self.progress.track(f"answering {self.folder.name}", n, "answers") as advance:
            for done, (index, text) in enumerate(found, 1):
                texts[index] = text
                advance(done)
        return texts

    def _write_mix(self, mixture: Dataset, config: TuneSection, encode: Callable[..., Any]) -> None:
        parts = buffer.table(mixture, encode, Schedule.of(len(mixture), config))
        gaps = buffer.spacing(mixture)
        found = {"mix": [part._asdict() for part in parts], "spacing": {"mean": gaps.mean_gap, "max": gaps.max_gap}}
        (self.folder / "mix.json").write_text(json.dumps(found, indent=2), encoding="utf-8")

    def kept(self, outcome: Outcome) -> Dataset:
        """The rows that a step kept; what it dropped and noted goes into the cell's files."""
        self.notes.extend(outcome.notes)
        self.dropped.extend(outcome.dropped)
        return outcome.kept


def _reworded(row: Example, own: str | None) -> Example:
    """The row with this answer, where it is an object exactly when the reference is one."""
    from leaven.task import objects

    if own is None or objects.contains(own) != objects.contains(row.answer or ""):
        return row
    return replace(row, messages=(*row.prompt, Message("assistant", own)))


def changed(config: TuneSection, changes: dict[str, Any]) -> TuneSection:
    """The section with some settings changed; a change of `preset` brings all that the preset sets."""
    if "preset" in changes:
        return TuneSection.model_validate(changes)
    return config.model_copy(update=changes)
