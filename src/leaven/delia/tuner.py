"""Tune the base model on a mixture: the adapter, and a table of what the mixture trained, stay in the cell's folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from leaven.delia import buffer
from leaven.delia.fitted import Answerer, Fitted
from leaven.delia.settings import with_changes
from leaven.delia.watch import Watch
from leaven.models import adapter, train
from leaven.models.base import Base
from leaven.models.load import Loaded
from leaven.models.losses import cross_entropy
from leaven.models.mask import Encoded
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.runs import folder as runs
from leaven.task.token import TokenSection


@dataclass(frozen=True, slots=True)
class Tuner:
    """Tunes copies of `base` that know `token`, as `config` says; a `watch` looks on."""

    base: Base
    token: TokenSection
    config: TuneSection
    seed: int
    folder: Path
    answerer: Answerer
    watch: Watch | None = None

    def tune(
        self,
        mixture: Dataset,
        *,
        after: Fitted | None = None,
        objective: train.Loss = cross_entropy.loss,
        rollouts: train.Rollouts | None = None,
        **changes: Any,
    ) -> Fitted:
        """The base model tuned on these rows, in their order; `changes` override the tuner's settings.

        `after` goes on with an earlier stage's adapter, with an optimiser of its own. `objective` is what is made
        small, one of `models/losses`; with `rollouts` each step trains on what the model makes of its rows.
        """
        config = with_changes(self.config, changes)
        loaded = self.base.lend(self.token, self.seed) if after is None else after.weights
        stage = "" if after is None else "-2"
        mixture.save(self.folder / "data" / f"mixture{stage}.parquet")
        with self.answerer.progress.track(f"tuning {self.answerer.name}", 0, "steps") as advance:
            tuned = train.fit(
                loaded,
                mixture,
                config,
                seed=self.seed,
                token_id=int(loaded.tokenizer.convert_tokens_to_ids(self.token.text)),
                is_task=buffer.is_task(mixture),
                folder=self.folder / f"checkpoints{stage}",
                on_step=lambda step, steps, loss, tokens: advance(step, steps, f"loss {loss:.3f}", tokens),
                objective=objective,
                rollouts=rollouts,
                look=partial(self.watch.look, stage=1 if after is None else 2) if self.watch else None,
            )
        self._write_mix(stage, mixture.rows(list(tuned.rows), "trained on"), list(tuned.rows.values()), config)
        adapter.save(tuned.model, loaded.tokenizer, self.folder / "adapter", loaded.path, self.token)
        fitted = self.answerer.fitted(Loaded(tuned.model, loaded.tokenizer, loaded.path))
        before = after or fitted
        return replace(
            fitted,
            steps=before.steps + tuned.steps,
            tokens=before.tokens + tuned.tokens,
            trained_tokens=before.trained_tokens + tuned.trained_tokens,
            losses=(*before.losses, *tuned.losses),
            dropped=(*before.dropped, *tuned.dropped),
        )

    def _write_mix(self, stage: str, mixture: Dataset, rows: Sequence[Encoded], config: TuneSection) -> None:
        schedule = Schedule.of(len(mixture), config, buffer.task_share(mixture))
        parts = buffer.table(mixture, rows, schedule)
        gaps = buffer.spacing(mixture)
        table = {
            "mix": [part._asdict() for part in parts],
            "spacing": {"mean": gaps.mean_gap, "max": gaps.max_gap},
            "made_by": list(mixture.made_by),
        }
        runs.write_json(self.folder / f"mix{stage}.json", table)
