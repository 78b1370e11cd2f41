"""Does LIFT work? A small model tuned on LIFT's choice of Alpaca rows and on others' choices, equal tokens each.

    python benchmarks/lift_works.py ../shared/data runs/lift-works --rows 2000 --seeds 5 --ifeval 100

The judge is Claude as AlpaGasus published it: which rows got 4.5 of 5 or more. An arm is a choice of rows (`ARMS`); its
rows are trained on, in passes of their own, until as many tokens went through the model as LIFT's rows hold in
`--passes`. What is measured is the loss (nats a token) of answers that people wrote or mended: LIMA's, and those that
CoachLM's experts revised; with --ifeval, how many instructions are followed too. The same command goes on where it was
stopped; more seeds and arms may be asked for later. Cells are done seed by seed, so that a stop leaves whole seeds.
FOLDER/results.md has the tables; `python docs/make.py --lift-works FOLDER` puts them into docs/lift-works.md.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leaven.errors import UserError
from leaven.lift import vectors as table
from leaven.lift.components import components
from leaven.lift.selectors import length_matched, variety
from leaven.models import mask, names, train
from leaven.models.base import Base
from leaven.models.likelihood import Choices, likelihoods
from leaven.models.load import Loaded
from leaven.models.settings import TuneSection
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs import content, journal
from leaven.runs import folder as runs
from leaven.runs.lock import lock
from leaven.runs.progress import Progress, stderr
from leaven.study import forgetting, signs, statistics
from leaven.study.intervals import LEVEL
from leaven.task.settings import EvaluateSection

PARTS = {
    "alpaca": "alpaca_52k/alpaca_data.minus_holdout.jsonl.gz",
    "minilm": "alpaca_minilm/embeddings.f16.npy",
    "claude": "alpagasus/claude_t45.minus_holdout.jsonl",
    "cherry": "cherry_alpaca/cherry_alpaca_5_percent.minus_holdout.jsonl.gz",
    "lima": "lima/lima.json.gz",
    "revised": "coachlm/expert_revision.shared.jsonl",
}
"""The files that are read, below the folder of the public sets."""
UNTOUCHED = "untouched"
SCHEMA = ("method", "size", "seed", "metric", "item", "value")
Places = list[int]


@dataclass(frozen=True, slots=True)
class Pool:
    """Alpaca's rows that no test asks for, with what was published of them and how varied each is."""

    rows: Dataset
    claude: np.ndarray
    cherry: np.ndarray
    variety: np.ndarray
    lengths: np.ndarray
    """Characters of the answers."""

    def only(self, places: np.ndarray) -> "Pool":
        """The pool of the rows at these places."""
        parts = (self.claude, self.cherry, self.variety, self.lengths)
        return Pool(self.rows.rows(places.tolist()), *(part[places] for part in parts))


def lift(pool: Pool, n: int, seed: int) -> Places:
    """The most varied rows, as few as hold `n` that the judge marks well: those `n`."""
    order = np.argsort(-pool.variety, kind="stable")
    return order[pool.claude[order]][:n].tolist()


def drawn(places: np.ndarray, n: int, seed: int) -> Places:
    """`n` of these places at random."""
    return np.random.default_rng(seed).permutation(places)[:n].tolist()


ARMS: dict[str, Callable[[Pool, int, int], Places]] = {
    "LIFT": lift,
    "AlpaGasus": lambda pool, n, seed: drawn(np.flatnonzero(pool.claude), n, seed),
    "random": lambda pool, n, seed: drawn(np.arange(len(pool.rows)), n, seed),
    "random, as long as LIFT's": lambda pool, n, seed: length_matched.matched(
        pool.lengths, pool.lengths[lift(pool, n, seed)], 20, seed
    ),
    "longest": lambda pool, n, seed: np.argsort(-pool.lengths, kind="stable")[:n].tolist(),
    "variety alone": lambda pool, n, seed: np.argsort(-pool.variety, kind="stable")[:n].tolist(),
    "Cherry": lambda pool, n, seed: drawn(np.flatnonzero(pool.cherry), n, seed),
    "all": lambda pool, n, seed: list(range(len(pool.rows))),
}
"""Who chooses, by the name in the tables; `all` draws anew from the whole pool until the tokens are spent."""


def read_tests(data: Path, items: int) -> dict[str, Dataset]:
    """Questions with answers that people wrote (LIMA) or mended (CoachLM), `items` of each drawn at random."""
    lima = files.read(data / PARTS["lima"]).kept
    lines = (data / PARTS["revised"]).read_text(encoding="utf-8").split("\n")
    mended = [json.loads(line) for line in lines if line]
    revised = Dataset.of(
        pair("\n".join(filter(None, (row["Revised Instruction"], row["Revised Input"]))), row["Revised Response"],
             Origin("coachlm", f"revised:{number}"))
        for number, row in enumerate(mended) if row["Revised Response"].strip()
    )  # fmt: skip
    lima = lima.rows([place for place, row in enumerate(lima) if row.answer])
    return {name: rows.take(min(items, len(rows)), 0) for name, rows in (("lima", lima), ("revised", revised))}


def read_pool(data: Path, progress: Progress) -> Pool:
    """The pool: rows with an answer whose question is in neither test, in whatever spelling."""
    whole = files.read(data / PARTS["alpaca"]).kept
    vectors = table.open_file(str(data / PARTS["minilm"]))
    if vectors.rows != len(whole):
        raise UserError(f"{PARTS['minilm']} has {vectors.rows:,} rows, but {PARTS['alpaca']} {len(whole):,}")
    held = {key(row.question) for rows in read_tests(data, 10**9).values() for row in rows}
    for line in filter(None, (data / PARTS["revised"]).read_text(encoding="utf-8").split("\n")):
        row = json.loads(line)
        held.add(key(row["Raw Instruction"] + row["Raw Input"]))
    rows = list(whole)
    places = [place for place, row in enumerate(rows) if row.answer and key(row.question) not in held]
    progress.say(f"pool: {len(places):,} of {len(rows):,} rows, the others have no answer or are in a test")
    values = variety.variances(vectors, components(vectors), variety.Config())
    chosen = {name: {row.messages for row in files.read(data / PARTS[name]).kept} for name in ("claude", "cherry")}
    marks = {name: np.asarray([rows[place].messages in each for place in places]) for name, each in chosen.items()}
    lengths = np.asarray([len(rows[place].answer or "") for place in places], np.float64)
    return Pool(whole.rows(places), marks["claude"], marks["cherry"], values[places], lengths)


def key(question: str) -> str:
    """A question without case, blanks and punctuation."""
    return re.sub(r"\W+", "", question).casefold()


def spent(places: Places, tokens: np.ndarray, budget: int, seed: int) -> Places:
    """The places in passes, each in another order, until the rows hold `budget` tokens.

    >>> spent([1], np.asarray([0, 10]), 25, seed=0)
    [1, 1, 1]
    """
    passes = 1 + budget // int(tokens[places].sum())
    order = np.concatenate([np.random.default_rng([seed, each]).permutation(places) for each in range(passes)])
    return order[: int(np.searchsorted(np.cumsum(tokens[order]), budget)) + 1].tolist()


class Lab:
    """The model, the rows and the tests of one benchmark, and its folder, in which every cell is a file."""

    def __init__(self, flags: argparse.Namespace, progress: Progress) -> None:
        self.flags, self.progress, self.folder = flags, progress, flags.folder
        self.base, self.tests = Base(flags.model), read_tests(flags.data, flags.items)
        self.tune = TuneSection(learning_rate=flags.rate, token_learning_rate=None, max_length=flags.longest,
                                per_device_train_batch_size=flags.step_rows, small_data_batch=0,
                                lr_scheduler_type="cosine", save_steps=25)  # fmt: skip
        self.loaded, pool = self.base.lend(), read_pool(flags.data, progress)
        tokens = self._tokens(pool.rows)
        short = np.flatnonzero(tokens <= flags.longest)
        self.pool, self.tokens = pool.only(short), tokens[short]
        progress.say(f"{len(short):,} of {len(tokens):,} rows have {flags.longest:,} tokens at most")
        if (marked := int(self.pool.claude.sum())) < flags.rows:
            raise UserError(f"--rows is {flags.rows:,}, but the judge marks {marked:,} well", "Ask for fewer.")
        self.budget = round(flags.passes * self.tokens[lift(self.pool, flags.rows, 0)].sum())

    def _tokens(self, rows: Dataset) -> np.ndarray:
        """The tokens of every row, counted once."""
        path = self.folder / "tokens.npy"

        def count(partial: Path) -> None:
            with self.progress.track("counting tokens", len(rows), "rows") as advance, partial.open("wb") as file:
                found = []
                for done, row in enumerate(rows, 1):
                    found.append(len(mask.encode(self.loaded.tokenizer, row).input_ids))
                    advance(done)
                np.save(file, np.asarray(found))

        runs.stage(path, count)
        return np.load(path)

    def run(self, arm: str, seed: int) -> None:
        """Train on the choice of an arm and score the tests; nothing where its file is there."""
        path = self.folder / "cells" / (re.sub(r"\W+", "-", arm) + f"-s{seed}")
        if path.with_suffix(".parquet").is_file():
            return
        if arm == UNTOUCHED:
            loaded, about = self.loaded, {}
        else:
            loaded, about = self.tuned(arm, seed, path)
        scores = [(arm, self.flags.rows, seed, *value) for value in self.scores(loaded, f"{arm}, seed {seed}", path)]
        runs.write_json(path.with_suffix(".json"), {"arm": arm, "seed": seed, **about})
        frame = pl.DataFrame(scores, schema=SCHEMA, orient="row")
        runs.write(path.with_suffix(".parquet"), frame.write_parquet)

    def tuned(self, arm: str, seed: int, path: Path) -> tuple[Loaded, dict[str, Any]]:
        """The model tuned on an arm's rows, and what went through it."""
        order = spent(ARMS[arm](self.pool, self.flags.rows, seed), self.tokens, self.budget, seed)
        loaded = self.base.lend()
        with self.progress.track(f"tuning on {arm}, seed {seed}", 0, "steps") as advance:

            def follow(step: int, steps: int, loss: float, tokens: int) -> None:
                advance(step, steps, f"loss {loss:.3f}", tokens)

            found = train.fit(loaded, self.pool.rows.rows(order), self.tune,
                              seed=seed, token_id=None, folder=path, on_step=follow)  # fmt: skip
        middle = float(np.median(self.pool.lengths[sorted(set(order))]))
        about = {"rows": len(set(order)), "passes": len(order) / len(set(order)), "answer": middle,
                 "tokens": found.tokens, "trained_tokens": found.trained_tokens, "steps": found.steps,
                 "seconds": round(found.seconds)}  # fmt: skip
        return replace(loaded, model=found.model), about

    def scores(self, loaded: Loaded, name: str, path: Path) -> Iterator[tuple[str, str, float]]:
        """(metric, item, value): the mean loss over the first tokens of each answer, and IFEval where it is asked."""
        for test, rows in self.tests.items():
            choices = [answered(loaded, rows[place], self.flags.answer_tokens) for place in range(len(rows))]
            with self.progress.track(f"{test} by {name}", len(rows), "answers") as advance:
                for done, (place, [one]) in enumerate(likelihoods(loaded, choices), 1):
                    yield f"token_loss/{test}", str(place), -one.total / choices[place].longest
                    advance(done)
        if self.flags.ifeval:
            config = EvaluateSection(
                benchmarks=("ifeval",), benchmark_data=str(self.flags.data), benchmark_limit=self.flags.ifeval
            )
            yield from forgetting.ask(config, lambda: loaded, path, self.progress, name)


def answered(loaded: Loaded, row: Any, longest: int) -> Choices:
    """A question and the first tokens of its answer."""
    encoded = mask.encode(loaded.tokenizer, row)
    first = encoded.completion_mask.index(1)
    return Choices(encoded.input_ids[:first], [encoded.input_ids[first : first + longest]])


def results(folder: Path, flags: Mapping[str, Any]) -> str:
    """The tables as Markdown, of the cells that are there; comparisons are LIFT's with every other arm, paired."""
    cells = [pl.read_parquet(path) for path in sorted((folder / "cells").glob("*.parquet"))]
    about = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "cells").glob("*.json"))]
    trained = pl.concat(cells).filter(pl.col("method") != UNTOUCHED)
    seeds = trained["seed"].unique().to_list()
    before = pl.concat(cells).filter(pl.col("method") == UNTOUCHED)
    scores = pl.concat([trained, *(before.with_columns(seed=pl.lit(seed, pl.Int64)) for seed in seeds)])
    means = {(row.metric, row.method): row for row in statistics.estimates(scores)}
    metrics = scores["metric"].unique().sort().to_list()
    arms = [arm for arm in (*ARMS, UNTOUCHED) if arm in scores["method"]]
    titles = ["trained on", "rows", "answer, characters", "passes", "tokens", "of answers", *map(heading, metrics)]
    lines = [f"{names.weights(flags['model'])}; {flags['rows']:,} rows a choice, {len(seeds)} seeds, "
             f"{flags['items']} questions of each test; LoRA at {flags['rate']:g}, {flags['step_rows']} rows a step.",
             "", "| " + " | ".join(titles) + " |", "|---|" + "--:|" * (len(titles) - 1)]  # fmt: skip
    for arm in arms:
        facts = [cell for cell in about if cell["arm"] == arm and "rows" in cell]
        row = [
            f"{np.mean([cell[name] for cell in facts]):,.{digits}f}" if facts else "–"
            for name, digits in (("rows", 0), ("answer", 0), ("passes", 1), ("tokens", 0), ("trained_tokens", 0))
        ]
        row += [interval(means[metric, arm]) for metric in metrics]
        lines.append(f"| {arm} | " + " | ".join(row) + " |")
    return "\n".join([*lines, "", *comparisons(scores, arms, metrics, flags["rows"])])


def comparisons(scores: pl.DataFrame, arms: Sequence[str], metrics: Sequence[str], size: int) -> Iterator[str]:
    """LIFT against each other arm, item by item; p after Holm's correction over all of them."""
    pairs = [(metric, arm) for metric in metrics for arm in arms if arm != "LIFT"]
    found = [statistics.compare(scores, "LIFT", arm, metric, size) for metric, arm in pairs]
    corrected = signs.holm([each.p_value() for each in found])
    yield "| LIFT against | measure | difference, 95 % interval | p (Holm) | verdict |"
    yield "|---|---|---|--:|---|"
    for (metric, arm), each, p in zip(pairs, found, corrected, strict=True):
        better = (each.mean < 0) == metric.startswith("token_loss")
        told = each.distinguishable and p < 1 - LEVEL
        verdict = ("LIFT is better" if better else "LIFT is worse") if told else "not distinguishable"
        yield f"| {arm} | {heading(metric)} | {interval(each)} | {p:.2g} | {verdict} |"
    if note := statistics.few_seeds(found[0].n_seeds):
        yield from ("", note)


def heading(metric: str) -> str:
    """What a measure is called in a table."""
    told = {"token_loss/lima": "loss on LIMA", "token_loss/revised": "loss on CoachLM's revised answers"}
    return told.get(metric, metric)


def interval(row: Any) -> str:
    """A mean or difference with its interval."""
    ends = "" if row.low is None else f" ({row.low:.3f} to {row.high:.3f})"
    return f"{row.mean:.3f}{ends}".replace("-", "−")


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of the public sets")
    parser.add_argument("folder", type=Path, help="where cells and tables are written")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rows", type=int, default=2000, help="of a choice")
    parser.add_argument("--passes", type=float, default=1, help="over LIFT's rows: the tokens that every arm gets")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS), help="LIFT is always among them")
    parser.add_argument("--items", type=int, default=300, help="questions of each test")
    parser.add_argument("--answer-tokens", type=int, default=256, help="of an answer that is scored")
    parser.add_argument("--longest", type=int, default=512, help="tokens of a row that is trained on")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--step-rows", type=int, default=16)
    parser.add_argument("--ifeval", type=int, default=0, help="instructions of IFEval that are asked; 0: none")
    flags = parser.parse_args(words)
    flags.arms = list(dict.fromkeys(["LIFT", *flags.arms]))
    return flags


def main(words: Sequence[str] | None = None, progress: Progress | None = None) -> None:
    flags, progress = parse(words), progress or stderr()
    with lock(flags.folder):
        settings = {name: value for name, value in vars(flags).items() if name not in ("folder", "data")}
        used = {name: str(flags.data / path) for name, path in PARTS.items()}
        identity = {"settings": content.named({**settings, "model": names.path(flags.model)}),
                    "data": content.named(used), "versions": content.versions("torch", "transformers")}  # fmt: skip
        journal.claim(flags.folder / journal.NAME, identity, free=("seeds", "arms"), hint="Name another folder.")
        lab = Lab(flags, progress)
        progress.say(f"{lab.budget:,} tokens an arm")
        cells = [(UNTOUCHED, 0), *((arm, seed) for seed in range(flags.seeds) for arm in flags.arms)]
        with progress.track("cells", len(cells), "cells") as advance:
            for done, (arm, seed) in enumerate(cells, 1):
                lab.run(arm, seed)
                advance(done)
                if done > 1:
                    runs.write_text(flags.folder / "results.md", results(flags.folder, settings) + "\n")
    print((flags.folder / "results.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
