"""How trained models are asked and scored."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from leaven.section import Section

BUILT_IN = ("task", "unseen_phrasing", "negation", "transfer", "general", "robustness", "soft_prompt", "translation")
"""Names of the tests that leaven makes: tests of one's own have others."""
OLD_METRICS = {"json_format": "format", "unseen_phrasing": "format"}
"""Metrics of an earlier leaven, and what each is now: they differed in the name of their test alone."""


class TestSection(Section):
    """A test of one's own: rows of a file, and what scores the answers to them."""

    __test__ = False  # pytest takes every class called Test… for one of its own

    name: str = Field(pattern=r"[\w-]+")
    """Stands before its measures: `NAME/exact`."""
    rows: str
    """A file of rows."""
    metric: str = "auto"
    """What scores the answers: as in `evaluate`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the metric."""

    @field_validator("metric")
    @classmethod
    def _rename(cls, metric: str) -> str:
        return OLD_METRICS.get(metric, metric)


class EvaluateSection(Section):
    """What the trained models are asked."""

    limit_test: int | None = Field(None, ge=1)
    """At most this many rows of each test, drawn at random after the leak check."""
    ceiling_questions: int = Field(32, ge=1)
    """Questions of each test that the untouched model is asked in plain words, in several wordings."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest answer, in tokens."""
    metric: str = "auto"
    """What scores the test rows: auto (format, or text where the answers are plain text), format, text, translation,
    another metric, or a .py file of yours."""
    tests: tuple[TestSection, ...] = ()
    """Tests of your own beside those that are made, each with `name`, `rows`, `metric` and `settings`."""
    more_tests: tuple[str, ...] = ()
    """Tests that are made on request: robustness (asked otherwise), soft_prompt, or a metric of yours with `rows`."""
    judge: str = ""
    """Engine that marks answers of plain text, such as openai:MODEL; empty: none."""
    judge_temperature: float = Field(0.0, ge=0)
    """Sampling temperature of the judge."""
    judge_max_new_tokens: int = Field(512, ge=1)
    """Longest reply of the judge, in tokens."""
    watch: int = Field(2, ge=0)
    """Points of each training at which six fixed prompts are answered, for `leaven view`; 0: none."""
    benchmarks: tuple[str, ...] = ()
    """Public benchmarks of what the model knows beside the task, before and after: mmlu, arc_easy, truthfulqa, ifeval,
    gsm8k, bbh, or another task of lm-evaluation-harness."""
    benchmark_data: str = ""
    """Folder with your own copies of them, such as mmlu.jsonl; those that it does not hold come from the hub."""
    benchmark_limit: int | None = Field(100, ge=1)
    """At most this many items of each, drawn at random; null: all."""
    bleurt: str = ""
    """Folder of a BLEURT checkpoint, by which translations are scored too."""

    @field_validator("metric")
    @classmethod
    def _rename(cls, metric: str) -> str:
        return OLD_METRICS.get(metric, metric)

    @field_validator("tests")
    @classmethod
    def _names_differ(cls, tests: tuple[TestSection, ...]) -> tuple[TestSection, ...]:
        names = [test.name for test in tests]
        for name in names:
            if name in BUILT_IN:
                raise ValueError(f"{name!r} is the name of a test that leaven makes; give yours another name")
            if names.count(name) > 1:
                raise ValueError(f"two tests are called {name!r}; give each its own name")
        return tests

    @model_validator(mode="after")
    def _benchmarks_differ(self) -> Self:
        names = [*self.benchmarks, *(test.name for test in self.tests)]
        for name in self.benchmarks:
            if names.count(name) > 1:
                raise ValueError(f"benchmarks: {name!r} is there twice, or is the name of a test of yours too")
        return self
