"""A newcomer's method, format and metric: one file each, outside the package, in a study and in its report."""

import json
import random

import polars as pl
import yaml

from leaven.lab import formats, world
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair

METHOD = '''"""Tune on the shortest half of the task rows."""

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.rows.dataset import Dataset
from leaven.section import Section


class Config(Section):
    """How much is kept."""

    share: float = Field(0.5, gt=0, le=1)
    """Share of the task rows that is kept."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Sort by length, keep the first ones, tune."""
    rows = sorted(train, key=lambda row: len(row.question))
    return bench.tune(Dataset.of(rows[: round(config.share * len(rows))]))
'''


def test_a_newcomers_method_is_listed_run_and_reported(leaven, process, tmp_path):
    (tmp_path / "shortest.py").write_text(METHOD)
    (tmp_path / "broken.py").write_text("def fit(:")
    (tmp_path / "other.py").write_text("raise SystemExit('this file was run')\n")
    listed = process("ls", "methods")
    assert listed.code == 0, listed.err
    assert "./shortest.py\n    Tune on the shortest half of the task rows." in listed.out
    assert "delia" in listed.out and "other.py" not in listed.out
    recipe = {
        "methods": ["original", {"name": "./shortest.py", "share": 0.25}],
        "sizes": [8],
        "token": {"means": "json"},
        "tune": {"preset": "lab"},
        "evaluate": {"max_new_tokens": 8, "limit_test": 3},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    done = leaven("study", "mine.yaml", "--out", "run")
    assert done.code == 0, done.err
    assert "shortest" in done.out
    scores = pl.read_parquet(tmp_path / "run" / "scores.parquet")
    assert set(scores["method"]) == {"original", "shortest"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "shortest" in page and "Tune on the shortest half of the task rows." in page


def test_a_setting_that_the_method_does_not_know_is_told(leaven, tmp_path):
    (tmp_path / "shortest.py").write_text(METHOD)
    (tmp_path / "mine.yaml").write_text("methods: [{name: ./shortest.py, shar: 0.5}]\n")
    done = leaven("study", "mine.yaml")
    assert done.code == 2 and "shar" in done.err and "Traceback" not in done.err


FORMAT = '''"""The answer in square brackets."""

from leaven.section import Section


class Config(Section):
    """Nothing to set."""


def detect(text: str, config: Config) -> bool:
    """Whether brackets hold all of it."""
    return text.startswith("[") and text.endswith("]")


def word(config: Config) -> str:
    """What the lab calls it."""
    return "brackets"
'''
METRIC = '''"""How short answers are."""

from leaven.rows.example import Measure

HEADLINE = ("short",)
LOWER_IS_BETTER = frozenset()


def score(answers, rows, scoring):
    """`short`: at most as many words as the settings say."""
    for answer, row in zip(answers, rows, strict=True):
        yield Measure("short", row.id, float(len(answer.split()) <= scoring.settings["words"]))
'''


def test_a_newcomers_format_and_metric_rule_a_whole_study(leaven, tmp_path):
    """A token that stands for a format that only the user's file knows; what does nothing is seen to do nothing."""
    rng = random.Random(0)

    def items(count, split):
        return [world.by_split(world.fact, rng, split) for _ in range(count)]

    def write(name, texts):
        files.write(Dataset.of(pair(question, answer, Origin("x")) for question, answer in texts), tmp_path / name)

    write("task.jsonl", [(item.content, formats.write(item, "brackets")[0][0]) for item in items(12, "train")])
    write("test.jsonl", [(item.content, formats.write(item, "brackets")[0][0]) for item in items(12, "test")])
    write("pool.jsonl", [(item.content, item.statements[0]) for item in [world.add(rng) for _ in range(200)]])
    write("mine.jsonl", [(item.content, item.statements[0]) for item in items(3, "test")])
    (tmp_path / "brackets.py").write_text(FORMAT)
    (tmp_path / "short.py").write_text(METRIC)
    recipe = {
        "task": "task.jsonl",
        "test": "test.jsonl",
        "queries": "pool.jsonl",
        "methods": ["original"],
        "sizes": [0],
        "token": {"text": "<b>", "answers": "./brackets.py"},
        "tune": {"preset": "lab"},
        "leaks": {"enabled": False},
        "probes": [],
        "evaluate": {
            "max_new_tokens": 24,
            "limit_test": 6,
            "tests": [{"name": "brief", "rows": "mine.jsonl", "metric": "./short.py", "settings": {"words": 40}}],
        },
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    done = leaven("study", "mine.yaml", "--out", "run")
    assert done.code == 0, done.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    means = {row["metric"]: row["mean"] for row in summary["rows"]}
    assert means["brief/short"] == 1
    assert means["unseen_phrasing/format"] == means["transfer/format"] == means["negation/controlled"] == 0
    assert means["general/leak"] == 0 and means["general/kept"] == 1
    # The lab knows brackets by their name: told in plain words, the untouched model can be asked.
    assert summary["tests"]["unseen_phrasing"]["ceiling"]["format"] > 0.9
    assert summary["tests"]["negation"]["ceiling"]["controlled"] > 0.9
    assert summary["tests"]["transfer"]["testable"]
