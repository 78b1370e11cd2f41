"""Rows with embeddings of their own, and a context that hands them over."""

import io

import numpy as np
import pytest

from leaven.lift import selection
from leaven.lift import vectors as table
from leaven.lift.selection import Context
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import Progress


@pytest.fixture
def rows():
    """Rows of (question, answer), placed f:1, f:2, …, each with the field `number`."""

    def made(*texts):
        return Dataset.of(
            pair(*text, Origin("x", f"f:{number}"), {"number": number}) for number, text in enumerate(texts, 1)
        )

    return made


@pytest.fixture
def numbered(rows):
    """So many rows that are all different."""
    return lambda count: rows(*((f"What is {i} plus {i}?", f"It is {2 * i}.") for i in range(count)))


@pytest.fixture
def context():
    """A context around an array of embeddings."""

    def made(array=None, **values):
        if array is not None:
            values["vectors"] = lambda _: table.of(np.asarray(array, np.float32))
        return Context(progress=Progress(io.StringIO()), **values)

    return made


@pytest.fixture
def select():
    """What a selector keeps of rows: what it measures of them, and its choice by that."""

    def made(module, data, config, context):
        return selection.choose(module, data, selection.score(module, data, config, context), config, context)

    return made


@pytest.fixture
def unit():
    """So many random rows of length one."""

    def made(count, width=6, seed=0):
        found = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    return made
