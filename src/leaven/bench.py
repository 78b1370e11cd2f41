"""What a method may use, handed to it: the base model, self-sampled rows, other phrasings, tuning, a seed, a folder."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.dataset import Dataset
from leaven.mix import buffer
from leaven.recipe import Recipe
from leaven.run import Progress
from leaven.sections import TuneSection
from leaven.types import Drop, Outcome, Prompt

if TYPE_CHECKING:
    from leaven.llm.protocol import LLM
    from leaven.weights.load import Loaded

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

    def base(self) -> Fitted:
        """The untouched model, its vocabulary longer by the token and its untrained row."""
        loaded, _ = self._fresh()
        return Fitted(self._respond(loaded), loaded)

    def untouched(self, prompts: Sequence[Prompt]) -> list[str]:
        """The untouched model's own answers, without the token in its vocabulary."""
        return self._respond(self._untouched())(prompts)

    def diversify(self, train: Dataset) -> Dataset:
        """The task rows with their instructions said in many ways; rows that vary already are kept."""
        from leaven.synth import diversify

        return self._kept(
            diversify.make(train, self.teacher, diversify.DiversifyConfig(), self.recipe.token.text, self.seed)
        )

    def diverse(self, n: int) -> Dataset:
        """`n` rows that the base model sampled from itself on the pool's queries; shared by all cells of a seed.

        Draws are nested: a larger `n` starts with the rows of the smaller. A pool that is too small yields what it has,
        and a note says so.
        """
        from leaven.llm.hf import HF
        from leaven.synth import self_sample

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
        return self._kept(outcome)

    def tune(self, mixture: Dataset, **changes: Any) -> Fitted:
        """The base model tuned on these rows, in their order; `changes` override the recipe's `tune` section."""
        from leaven.tune import adapter, mask, sft

        config = changed(self.recipe.tune, changes)
        loaded, token_id = self._fresh()
        mixture.save(self.folder / "data" / "mixture.parquet")
        self._write_mix(mixture, config, lambda example: mask.encode(loaded.tokenizer, example))
        began = time.perf_counter()
        with self.progress.track(f"tuning {self.folder.name}", 0, "steps") as advance:
            tuned = sft.fit(
                loaded,
                mixture,
                config,
                seed=self.seed,
                token_id=token_id,
                folder=self.folder / "checkpoints",
                on_step=lambda step, steps, loss, tokens: advance(step, steps, f"loss {loss:.3f}", tokens),
            )
        self.seconds["fit"] = time.perf_counter() - began
        adapter.save(tuned.model, loaded.tokenizer, self.folder / "adapter", loaded.path, self.recipe.token)
        fitted = type(loaded)(tuned.model, loaded.tokenizer, loaded.path)
        return Fitted(
            self._respond(fitted), fitted, tuned.steps, tuned.tokens, tuned.trained_tokens, tuned.losses, tuned.dropped
        )

    def _fresh(self) -> tuple["Loaded", int]:
        """The base model, loaded anew, with the token in its vocabulary; and the token's id."""
        from leaven.tune import tokens

        loaded = self._untouched()
        return loaded, tokens.add(loaded.model, loaded.tokenizer, self.recipe.token, self.seed)

    def _untouched(self) -> "Loaded":
        from leaven.weights.load import load

        tune = self.recipe.tune
        return load(
            self.recipe.model,
            dtype=tune.dtype,
            load_in_8bit=tune.load_in_8bit,
            trust_remote_code=self.recipe.trust_remote_code,
        )

    def _respond(self, loaded: "Loaded") -> Respond:
        from leaven.weights.generate import generate

        def respond(prompts: Sequence[Prompt]) -> list[str]:
            texts = [""] * len(prompts)
            with self.progress.track(f"answering {self.folder.name}", len(prompts), "answers") as advance:
                found = generate(
                    loaded.model, loaded.tokenizer, prompts, max_new_tokens=self.recipe.evaluate.max_new_tokens
                )
                for done, (index, generated) in enumerate(found, 1):
                    texts[index] = generated.text
                    advance(done)
            return texts

        return respond

    def _write_mix(self, mixture: Dataset, config: TuneSection, encode: Callable[..., Any]) -> None:
        step_rows = batch_size(config, len(mixture))
        epochs = config.max_steps * step_rows / len(mixture) if config.max_steps > 0 else config.num_train_epochs
        parts = buffer.table(mixture, encode, step_rows, epochs)
        gaps = buffer.spacing(mixture)
        found = {"mix": [part._asdict() for part in parts], "spacing": {"mean": gaps.mean_gap, "max": gaps.max_gap}}
        (self.folder / "mix.json").write_text(json.dumps(found, indent=2), encoding="utf-8")

    def _kept(self, outcome: Outcome) -> Dataset:
        self.notes.extend(outcome.notes)
        self.dropped.extend(outcome.dropped)
        return outcome.kept


def changed(config: TuneSection, changes: dict[str, Any]) -> TuneSection:
    """The section with some settings changed; a change of `preset` brings all that the preset sets."""
    if "preset" in changes:
        return TuneSection.model_validate(changes)
    return config.model_copy(update=changes)


def batch_size(config: TuneSection, rows: int) -> int:
    """Rows in an optimiser step: small data has its own, smaller step (papers.md 2.3)."""
    if config.small_data_batch and rows < 256:
        return config.small_data_batch
    return config.per_device_train_batch_size * config.gradient_accumulation_steps
