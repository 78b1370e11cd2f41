"""How trained models are asked and scored."""

from pydantic import Field

from leaven.section import Section


class EvaluateSection(Section):
    """What the trained models are asked."""

    limit_test: int | None = Field(None, ge=1)
    """At most this many rows of each test, drawn at random after the leak check."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest answer, in tokens."""
    labels: tuple[str, ...] = ("yes", "no")
    """The values that the label may take."""
    label_key: str = "hallucination"
    """The key that holds the label."""
    keys: tuple[str, ...] = ("thought", "hallucination")
    """The keys of a schema-valid answer, exactly."""
    metric: str = "json_format"
    """What scores the rows of a test file: json_format, translation, or another file of `task/metrics/`."""
    more_tests: tuple[str, ...] = ()
    """Tests that are made from the others: robustness (asked otherwise), soft_prompt, or another that has `rows`."""
    bleurt: str = ""
    """Folder of a BLEURT checkpoint, by which translations are scored too."""
