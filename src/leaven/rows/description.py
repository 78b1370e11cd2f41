"""What rows are like, in sentences: their turns, their lengths, copies, and questions with several answers."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.texts import Part

PARTS: tuple[Part, ...] = ("question", "answer")


def sentences(data: Dataset) -> Iterator[str]:
    """A sentence each; copies are rows of which every character is the same.

    >>> from leaven.rows import files
    >>> rows = files.read([{"prompt": "Name a fish.", "completion": answer} for answer in ("cod", "eel", "cod")]).kept
    >>> for sentence in sentences(rows):
    ...     print(sentence)
    Each row is a question and its answer.
    Characters, the median and where nine of ten rows lie: questions 12 (12 to 12), answers 3 (3 to 3).
    1 row is a copy of an earlier one: rows[2].
    1 question has several answers: that of rows[0].
    """
    yield _turns(data)
    yield _lengths(data)
    yield from _copies(data)


def _turns(data: Dataset) -> str:
    roles = pl.col("messages").list.eval(pl.element().struct.field("role"))
    questions = roles.list.count_matches("user")
    counts = pl.concat(
        frame.select(
            questions=questions,
            system=roles.list.contains("system") | roles.list.contains("developer"),
            bare=roles.list.get(-1, null_on_oob=True) != "assistant",
        )
        for frame in data.batches(["messages"])
    )
    kinds = {
        f"conversations of up to {counts['questions'].to_numpy().max()} questions": (counts["questions"] > 1).sum(),
        "with a system turn": counts["system"].sum(),
        "without an answer": counts["bare"].sum(),
        "that offer tools": sum(bool(value) for value in texts.meta(data, "tools")),
    }
    some = [f"{count:,} {kind}" for kind, count in kinds.items() if count]
    return f"Among them: {', '.join(some)}." if some else "Each row is a question and its answer."


def _lengths(data: Dataset) -> str:
    parts = []
    for part in PARTS:
        lengths = texts.lengths(data, part)
        if (lengths > 0).any():
            low, median, high = np.percentile(lengths[lengths > 0], (5, 50, 95))
            parts.append(f"{part}s {median:,.0f} ({low:,.0f} to {high:,.0f})")
    return f"Characters, the median and where nine of ten rows lie: {', '.join(parts)}."


def _copies(data: Dataset) -> Iterator[str]:
    rows = pl.DataFrame({"id": texts.ids(data), "place": texts.places(data)})
    rows = rows.with_columns(pl.concat(texts.batches(data, part)).alias(part) for part in ("all", "answer"))
    copies = rows.filter(~pl.col("id").is_first_distinct())
    if len(copies):
        many = "1 row is a copy" if len(copies) == 1 else f"{len(copies):,} rows are copies"
        yield f"{many} of an earlier one: {_first(copies)}."
    prompt = pl.col("all").str.strip_suffix(pl.col("answer"))  # with the turns before the question
    answered = rows.filter(texts.present(rows["answer"])).group_by(prompt, maintain_order=True)
    asked = answered.agg(pl.col("place").first(), pl.col("answer").n_unique())
    several = asked.filter(pl.col("answer") > 1)
    if len(several):
        many = "1 question has" if len(several) == 1 else f"{len(several):,} questions have"
        yield f"{many} several answers: that of {_first(several)}."


def _first(rows: pl.DataFrame) -> str:
    return f"{rows['place'][0]}{'' if len(rows) == 1 else ' is the first'}"
