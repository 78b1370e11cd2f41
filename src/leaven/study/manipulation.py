"""The manipulation check of own against other words: how likely the untouched model finds either, in nats a token.

A verdict that credits the model's own words rests on the others being strange to it: where both are alike, the methods
that are compared differ in nothing. So each cell that takes answers of others in the place of its own measures both.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from statistics import fmean
from typing import TYPE_CHECKING

import polars as pl

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure

if TYPE_CHECKING:
    from leaven.delia.bench import Bench

ROWS = 64
"""Queries whose answers are read, own and external ones alike."""
OWN, ENTROPY, EXTERNAL = METRICS = ("nats/own", "nats/own_entropy", "nats/external")


def measure(bench: "Bench") -> Iterator[Measure]:
    """By query the mean loss of its answer's tokens, `nats/own` and `nats/external`; nothing where none is external.

    `nats/own_entropy` is the mean entropy of the next token along the model's own answer: the loss to be expected of an
    answer drawn at temperature 1. Queries of which one answer can't be trained on are left out.
    """
    pairs = chain.from_iterable(zip(own, external, strict=True) for own, external in bench.ledger.substitutes)
    by_query = {own.origin.parents[0]: (own, external) for own, external in pairs}
    if not by_query:
        return
    from leaven.models import answer
    from leaven.models.train import encode

    untouched = bench.model.lend()
    for query, both in islice(by_query.items(), ROWS):
        trained, _ = encode(untouched, Dataset.of(both), bench.settings.tune)
        if all(row.trained for row in trained.values()) and len(trained) == len(both):
            own, external = (answer.nats(untouched, row) for row in both)
            yield Measure(OWN, query, own.loss)
            yield Measure(ENTROPY, query, own.entropy)
            yield Measure(EXTERNAL, query, external.loss)


def of_scores(scores: pl.DataFrame, methods: Sequence[str], size: int) -> str:
    """The sentence of these methods' cells; "" where none of them took answers of others."""
    rows = scores.filter(pl.col("metric").is_in(METRICS), pl.col("method").is_in(methods), pl.col("size") == size)
    means = rows.group_by("metric", "seed").agg(pl.col("value").mean()).sort("seed")
    return sentence({metric: means.filter(pl.col("metric") == metric)["value"].to_list() for metric in METRICS})


def sentence(by_seed: Mapping[str, Sequence[float]]) -> str:
    """What was measured, with the mean of each seed; "" where it was not.

    >>> print(sentence({"nats/own": [0.5, 0.6], "nats/own_entropy": [0.7, 0.8], "nats/external": [1.9, 2.1]}))
    Nats a token to the untouched model, seeds in brackets: own answers 0.55 (0.50, 0.60), entropy along them 0.75 \
(0.70, 0.80), external answers to the same questions 2.00 (1.90, 2.10).
    """
    if not all(by_seed.get(metric) for metric in METRICS):
        return ""
    own, entropy, external = (_number(by_seed[metric]) for metric in METRICS)
    return (
        f"Nats a token to the untouched model, seeds in brackets: own answers {own}, entropy along them {entropy}, "
        f"external answers to the same questions {external}."
    )


def _number(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})"
