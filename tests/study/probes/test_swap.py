import pytest

from leaven.models import tokens
from leaven.models.load import load
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study.probes import swap
from leaven.task.format import open_format
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.token import TokenSection

NONE = Dataset.of([])
ROWS = Dataset.of(
    pair(question, "", Origin("x"))
    for question in (
        "is this true? Use the <sep> format.", "<sep> or <sep>?", "one two", "answer in <sep> format", "yes <sep>, one"
    )
)  # fmt: skip
FORMAT = '''
"""An even number of letters."""

def detect(text, config):
    return len(text) % 2 == 0

def word(config):
    return "json"
'''


@pytest.fixture
def task(tmp_path):
    (tmp_path / "even.py").write_text(FORMAT)
    token = TokenSection(means="json", alternatives=("format", "capital"))
    return Task(NONE, (Test("transfer", ROWS, "transfer"),), NONE, open_format(str(tmp_path / "even.py")), token)


@pytest.fixture
def loaded(tiny_model):
    model = load(tiny_model("qwen3", padded=True))
    tokens.add(model.model, model.tokenizer, TokenSection(), 0)
    return model


def test_at_the_embedding_a_swap_is_the_other_word_written(loaded, task, monkeypatch):
    monkeypatch.setattr(swap, "MAX_NEW_TOKENS", 5)
    values = {(m.metric, m.item): m.value for m in swap.measure(loaded, task)}
    items = {item for _, item in values}
    assert len(items) == 3  # rows that name the token once
    for item in items:
        assert values["word_for_token/0", item] == values["written/word", item]
        assert values["token_for_word/0", item] == values["written/token", item]
        assert values["other_for_token/0", item] == values["written/other", item]
    names = {name for name, _ in values}
    swaps = {f"{name}/{block}" for name in ("word_for_token", "token_for_word", "other_for_token") for block in (0, 1)}
    assert names == swaps | {"written/token", "written/word", "written/other"}
    assert 0 < sum(values.values()) < len(values)


def test_without_words_of_the_same_kind_or_a_request_there_is_nothing_to_swap(loaded, task):
    silent = Task(NONE, task.tests, NONE, task.format, TokenSection(means="json"))
    assert not list(swap.measure(loaded, silent))
    assert not list(swap.measure(loaded, Task(NONE, (), NONE, open_format("json"), task.token)))
