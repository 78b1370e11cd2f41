"""A newcomer's method: one file outside the package, in the list, in a study and in its report."""

import polars as pl
import yaml

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
