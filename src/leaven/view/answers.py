"""The answers of a study as questions, each with what every cell answered and how it was marked: filtered and paged.

In memory are the prompts, and which line of which cell answers which; answers and marks are read from the cells' own
files when they are wanted, so that a million of them are no more to open than a thousand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl

from leaven.study import headline, statistics
from leaven.view import tables

Show = Literal["all", "differ", "worse", "better", "wrong"]
Summary = Mapping[str, Any]

PAGE = 20
"""Questions on a page."""
PHRASINGS = 60
"""The most phrasings that are offered as a filter."""
HELD = 100_000_000
"""Bytes of Parquet that are held in memory, as long as a page is served."""
KEYS = ("size", "test", "item")
Value = TypeVar("Value")


def once(method: Callable[..., Value]) -> Callable[..., Value]:
    """What a method of `Answers` gives for its arguments is computed at the first question and held from then on."""

    @wraps(method)
    def lookup(answers: "Answers", *arguments: Any) -> Value:
        key = (method.__name__, *arguments)
        if key not in answers.cache:
            answers.cache[key] = method(answers, *arguments)
        value: Value = answers.cache[key]
        return value

    return lookup


@dataclass(frozen=True, slots=True)
class Query:
    """Which questions are wanted: those of a test, narrowed down by their words, and then by how they were marked."""

    test: str
    measure: str
    size: int
    a: str
    """The method that `b` is compared with."""
    b: str
    phrasing: str = ""
    search: str = ""
    show: Show = "all"
    """differ: a and b are marked differently; worse, better: b beside a; wrong: b lacks the best mark."""
    page: int = 0

    @property
    def metric(self) -> str:
        """The measure as scores name it."""
        return f"{self.test}/{self.measure}"


@dataclass(frozen=True)
class Answers:
    """The answers of the cells that are done. `token` is the text of the new token, by which phrasings are told."""

    cells: tuple[tuple[Path, Mapping[str, Any]], ...]
    token: str

    @cached_property
    def cache(self) -> dict[tuple[Any, ...], Any]:
        """What was asked before (`once`)."""
        return {}

    @cached_property
    def questions(self) -> pl.DataFrame:
        """A line for each question of each size: question (its number), size, test, item, prompt, reference."""
        frames = [
            frame.select("test", "item", "prompt", "reference", size=pl.lit(about["size"], pl.Int64))
            for frame, (_, about) in zip(self._answers, self.cells, strict=True)
        ]
        return pl.concat(frames).unique(KEYS, keep="first", maintain_order=True).collect().with_row_index("question")

    @cached_property
    def lines(self) -> pl.DataFrame:
        """Which line of which cell (its number in `cells`) answers a question."""
        frames = [
            frame.select("line", "test", "item", size=pl.lit(about["size"], pl.Int64), cell=pl.lit(number, pl.UInt32))
            for number, (frame, (_, about)) in enumerate(zip(self._answers, self.cells, strict=True))
        ]
        numbers = self.questions.lazy().select("question", *KEYS)
        return pl.concat(frames).join(numbers, on=KEYS).select("question", "cell", "line").collect()

    @cached_property
    def _answers(self) -> tuple[pl.LazyFrame, ...]:
        """The answers of each cell with their `line`: held in memory unless they are many."""
        paths = [path.parent / "answers.parquet" for path, _ in self.cells]
        return _opened(paths, row_index_name="line")

    @cached_property
    def _scores(self) -> tuple[pl.LazyFrame, ...]:
        """The defined scores of each cell."""
        defined = pl.col("value").is_not_null() & pl.col("value").is_not_nan()
        frames = _opened([path.parent / "scores.parquet" for path, _ in self.cells])
        none = pl.lit(None, pl.String).alias("phrasing")  # cells of before say none
        has_phrasing = ("phrasing" in frame.collect_schema() for frame in frames)
        return tuple((one if says else one.with_columns(none)).filter(defined)
                     for one, says in zip(frames, has_phrasing, strict=True))  # fmt: skip

    def measures(self) -> dict[str, list[str]]:
        """Test → the measures that single answers of it have."""
        firsts = pl.concat([one.group_by("metric").agg(pl.col("item").first()) for one in self._scores])
        items = set(self.questions.select("test", "item").iter_rows())
        by_test: dict[str, set[str]] = {}
        for metric, item in firsts.collect().iter_rows():
            test, _, measure = metric.partition("/")
            if (test, item) in items:
                by_test.setdefault(test, set()).add(measure)
        return {test: sorted(names) for test, names in sorted(by_test.items())}

    def phrasings(self, test: str) -> list[str]:
        """The ways in which the questions of a test ask for the format, the most frequent first."""
        counts = self.phrasing_of(test)["phrasing"].value_counts(sort=True).filter(pl.col("phrasing") != "")
        several = counts.filter(pl.col("count") > 1)["phrasing"].to_list()
        return several[:PHRASINGS] if len(several) > 1 else []

    def page(self, query: Query, lower_is_better: bool) -> dict[str, Any]:
        """How many questions there are, how many each filter shows, and those of the page with all answers to them."""
        judgements = self._judgements(query, lower_is_better)
        selection = (
            judgements if query.show == "all" else judgements.filter(query.show).sort(_order(query.show), "question")
        )
        numbers = selection.slice(query.page * PAGE, PAGE)["question"].to_list()
        counts = {show: int(judgements[show].sum()) for show in ("differ", "worse", "better", "wrong")}
        return {
            "total": judgements.height,
            "hits": selection.height,
            "pages": -(-selection.height // PAGE),
            "counts": counts,
            "questions": self.texts(numbers),
        }

    def difference(self, query: Query) -> dict[str, Any] | None:
        """Method b less method a on the questions that test, phrasing and search leave, with its interval.

        Filters by marks do not count: the difference of those where b is worse would say nothing but that.
        """
        return self._difference(replace(query, show="all", page=0))

    @once
    def _difference(self, query: Query) -> dict[str, Any] | None:
        both = self.values(query.metric, query.size).filter(pl.col("method").is_in([query.a, query.b]))
        if query.phrasing or query.search:
            both = both.join(self._matches(query), on="question", how="semi")
        if query.a == query.b or both["method"].n_unique() < 2:
            return None
        names = {"item": pl.col("question"), "metric": pl.lit(query.metric), "size": pl.lit(query.size)}
        scores = both.select("method", "seed", "phrasing", "value", **names)
        return statistics.compare(scores, query.b, query.a, query.metric, query.size).row

    @once
    def values(self, metric: str, size: int) -> pl.DataFrame:
        """question, method, seed, phrasing, value: what the answers of one size are marked on a metric."""
        frames = [
            frame.filter(pl.col("metric") == metric).select("item", "method", "seed", "phrasing", "value")
            for frame, (_, about) in zip(self._scores, self.cells, strict=True)
            if about["size"] == size
        ]
        numbers = self.of_test(metric.partition("/")[0], size).lazy().select("question", "item")
        scores = pl.concat(frames).join(numbers, on="item")
        return scores.select("question", "method", "seed", "phrasing", "value").collect()

    @once
    def marks(self, metric: str, size: int, method: str) -> pl.DataFrame:
        """mean, least and most of what a method's seeds are marked on a metric: a line for each of `of_test`."""
        value, own = pl.col("value"), self.values(metric, size).filter(pl.col("method") == method)
        by_question = own.group_by("question").agg(mean=value.mean(), least=value.min(), most=value.max())
        questions = self.of_test(metric.partition("/")[0], size).select("question")
        return questions.join(by_question, on="question", how="left", maintain_order="left").drop("question")

    @once
    def of_test(self, test: str, size: int) -> pl.DataFrame:
        """The questions of a test."""
        return self.questions.filter(pl.col("test") == test, pl.col("size") == size)

    def texts(self, questions: Sequence[int]) -> list[dict[str, Any]]:
        """These questions in their order, each with its `answers`: method, seed, text and `marks`, measure → value."""
        if not questions:
            return []
        rows = self.questions.filter(pl.col("question").is_in(list(questions)))
        lines = self.lines.filter(pl.col("question").is_in(list(questions)))
        by_number: dict[int, dict[str, Any]] = {row["question"]: {**row, "answers": []} for row in rows.to_dicts()}
        texts, marks = pl.collect_all([self._texts(lines), self._marks(rows)])
        values: dict[tuple[int, str, str], dict[str, float]] = {}
        for cell, metric, item, value in marks.iter_rows():
            test, _, measure = metric.partition("/")
            values.setdefault((cell, test, item), {})[measure] = value
        for line in lines.join(texts, on=["cell", "line"]).sort("cell", "line").iter_rows(named=True):
            row, about = by_number[line["question"]], self.cells[line["cell"]][1]
            own = values.get((line["cell"], row["test"], row["item"]), {})
            row["answers"].append(
                {"method": about["method"], "seed": about["seed"], "text": line["answer"], "marks": own}
            )
        return [by_number[number] for number in questions]

    def _texts(self, lines: pl.DataFrame) -> pl.LazyFrame:
        """cell, line and answer of these lines."""
        texts: pl.LazyFrame = pl.concat(
            self._answers[cell]
            .filter(pl.col("line").is_in(lines.filter(pl.col("cell") == cell)["line"].to_list()))
            .select("line", "answer", cell=pl.lit(cell, pl.UInt32))
            for cell in lines["cell"].unique().sort()
        )
        return texts

    def _marks(self, questions: pl.DataFrame) -> pl.LazyFrame:
        """cell, metric, item and value of all that these questions' answers are marked on."""
        is_theirs = pl.col("item").is_in(questions["item"].unique().to_list())
        return pl.concat(
            scores.filter(is_theirs).select(pl.lit(cell, pl.UInt32).alias("cell"), "metric", "item", "value")
            for cell, scores in enumerate(self._scores)
        )

    def _judgements(self, query: Query, lower_is_better: bool) -> pl.DataFrame:
        """The questions of the query before it filters by marks, with what those filters ask."""
        side, best = (-1, 0) if lower_is_better else (1, 1)
        a, b = (self.marks(query.metric, query.size, method) for method in (query.a, query.b))
        gain = side * (b["mean"] - a["mean"])
        least, most = (pl.DataFrame([a[name], b[name].alias("b")]) for name in ("least", "most"))
        marks = self.of_test(query.test, query.size).select("question").with_columns(
            differ=(least.min_horizontal() < most.max_horizontal()).fill_null(False),
            gain=gain,
            worst=b["least"] if side > 0 else -b["most"],
            worse=(gain < 0).fill_null(False),
            better=(gain > 0).fill_null(False),
            wrong=((b["least"] < best) if side > 0 else (b["most"] > best)).fill_null(False),
        )  # fmt: skip
        if query.phrasing or query.search:
            return marks.join(self._matches(query), on="question", how="semi", maintain_order="left")
        return marks

    def _matches(self, query: Query) -> pl.DataFrame:
        """The numbers of the questions of the test, of the phrasing and with the words that are searched for."""
        questions = self.of_test(query.test, query.size)
        if query.phrasing:
            alike = self.phrasing_of(query.test).filter(pl.col("phrasing") == query.phrasing)
            questions = questions.join(alike, on="question", how="semi", maintain_order="left")
        if query.search:
            questions = questions.filter(self._says(query.search))
        return questions.select("question")

    def _says(self, words: str) -> pl.Expr:
        """Whether a question, its reference or an answer to it holds the words, whatever their case."""
        pattern = _as_pattern(words)
        own = pl.col("prompt").str.contains(pattern) | pl.col("reference").str.contains(pattern).fill_null(False)
        return own | pl.col("question").is_in(self._hits(words).implode())

    @once
    def _hits(self, words: str) -> pl.Series:
        """The questions of which an answer holds the words."""
        hits = pl.concat(
            frame.filter(pl.col("answer").str.contains(_as_pattern(words))).select(
                "line", cell=pl.lit(number, pl.UInt32)
            )
            for number, frame in enumerate(self._answers)
        )
        return self.lines.join(hits.collect(), on=["cell", "line"], how="semi")["question"].unique()

    @once
    def phrasing_of(self, test: str) -> pl.DataFrame:
        """The phrasing of each question of a test: the sentences that name the token, ended by a stop or the line."""
        questions = self.questions.filter(pl.col("test") == test)
        token = pl.escape_regex(self.token)
        sentences = pl.col("prompt").str.extract_all(rf"[^.!?\n]*{token}[^.!?\n]*[.!?]*").list.join(" ")
        phrasing = sentences.str.replace_all(r"\s+", " ").str.strip_chars() if self.token else pl.lit("")
        return questions.select("question", phrasing=phrasing)


def _opened(paths: Sequence[Path], **options: Any) -> tuple[pl.LazyFrame, ...]:
    """Tables of the cells: in memory where all of them are small, else read as far as each question needs."""
    if sum(path.stat().st_size for path in paths) <= HELD:
        return tuple(pl.read_parquet(path, **options).lazy() for path in paths)
    return tuple(pl.scan_parquet(path, **options) for path in paths)


def _as_pattern(words: str) -> str:
    return f"(?i){pl.escape_regex(words)}"


def _order(show: Show) -> pl.Expr:
    """What is worst, or best, comes first; the others stand in the order of the test."""
    key = {"worse": pl.col("gain"), "better": -pl.col("gain"), "wrong": pl.col("worst")}
    return key.get(show, pl.col("question"))


def read(folder: Path, token: str) -> Answers:
    """The answers of the cells of a run that are done, the run itself being at its end or not."""
    cells = [cell for cell in tables.cells(folder) if (cell[0].parent / "scores.parquet").is_file()]
    return Answers(tuple(sorted(cells, key=lambda cell: (cell[1]["size"], cell[1]["seed"]))), token)


def opponent(summary: Summary, metric: str, size: int) -> str:
    """The method that the main one is compared with unless the reader says otherwise: the strongest other."""
    column = next((one for one in summary["columns"] if one["metric"] == metric), None)
    row = headline.strongest(summary, column, size) if column else None
    others = [method for method in summary["methods"] if method != headline.main(summary["methods"])]
    return str(row["method"]) if row else (others or list(summary["methods"]))[0]
