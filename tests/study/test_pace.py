"""The pace of a machine: what was measured is solved for by hand; no test looks at a clock."""

import pytest

from leaven.models.base import Base
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import pace
from leaven.study.pace import Writing
from leaven.task.token import TokenSection


def test_an_answers_length_follows_from_how_often_answers_end():
    assert Writing(0, 0, 0, 8, 8, ending=0.0).length(40) == 40
    assert Writing(0, 0, 0, 8, 8, ending=1.0).length(40) == 1
    by_hand = sum(0.9**tokens for tokens in range(40))  # the chance that an answer has a token more than so many
    assert Writing(0, 0, 0, 8, 8, ending=0.1).length(40) == pytest.approx(by_hand)


def test_seconds_by_hand():
    writing = Writing(reading=0.001, step=0.1, token=0.01, at_once=4, chunk=8, ending=0.0)
    # 8 rows in two batches of 4: 2 × 20 steps; 8 × 50 tokens read, 8 × 20 written.
    assert writing.seconds(8, 50, 20, 20) == pytest.approx(0.4 + 40 * 0.1 + 160 * 0.01)
    # The longest answer has the last word: one row goes on for 30 steps.
    assert writing.seconds(4, 50, 10, 30) == pytest.approx(0.2 + 30 * 0.1 + 40 * 0.01)
    assert writing.seconds(0, 50, 20, 20) == 0


def test_trials_are_solved_for_a_step_and_a_token(monkeypatch):
    """16 prompts of 10 tokens; a token read takes 1 ms, a step 100, a token written 10."""

    def timed(loaded, prompts, sample, most):
        said = [pace.generate.Generated("x", "length", 10, most) for _ in prompts]
        return 0.001 * 10 * len(prompts) + (0.1 * most + 0.01 * most * len(prompts) if most > 1 else 0), said

    class Config:
        num_hidden_layers, hidden_size, vocab_size = 4, 128, 1000

    class Model:
        class config:
            get_text_config = Config

    class Loaded:
        model = Model

    monkeypatch.setattr(pace, "_timed", timed)
    monkeypatch.setattr(pace, "_tokens", lambda loaded, prompts: 10)
    writing, texts = pace._writing(Loaded, [()] * 16, SampleSection(max_new_tokens=54))
    assert (writing.reading, writing.step, writing.token) == pytest.approx((0.001, 0.1, 0.01))
    assert (writing.at_once, writing.ending, len(texts)) == (16_384 // 64, 0.0, 16)


def test_a_pace_is_measured_and_nothing_is_learnt(tiny_model):
    rows = Dataset.of(pair(f"answer {word} in <sep> format", f"yes, {word}", Origin("x")) for word in ("one", "two"))
    base = Base(tiny_model())
    before = base.lend().model.get_input_embeddings().weight.clone()
    sample = SampleSection(max_new_tokens=4)
    found = pace.measure(base, rows, rows, TuneSection(), sample, TokenSection(), step=(2, 1))
    assert found.trained > 0 and found.gib > 0 and found.loading > 0
    assert found.task_tokens > found.answer_tokens > 1 and found.pool_prompt_tokens > 1
    assert (base.lend().model.get_input_embeddings().weight == before).all()
