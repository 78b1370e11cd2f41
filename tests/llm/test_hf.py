import pytest

from leaven.delia.makers.self_sample import collect
from leaven.llm.open import open_llm
from leaven.llm.protocol import Sampling
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair, user

PROMPTS = [user("one two three"), user("answer in json format please"), user("no")]


@pytest.fixture(scope="module")
def engine(tiny_model):
    return open_llm(f"hf:{tiny_model('llama')}", batch_size=2)


def test_every_prompt_has_one_reply_and_the_same_seed_says_the_same(engine):
    first, second, third = (dict(engine.replies(PROMPTS, Sampling(1.0, 1.0, 6, seed))) for seed in (1, 1, 2))
    assert sorted(first) == [0, 1, 2]
    assert first == second != third
    assert all(reply.error is None and reply.prompt_tokens > 0 for reply in first.values())
    assert all(reply.truncated == (reply.finish_reason == "length") for reply in first.values())


def test_a_model_answers_a_pool_and_goes_on_from_its_chunks(engine, tmp_path):
    pool = Dataset.of(pair(f"one two {i}", "three", Origin("import")) for i in range(6))
    config = SampleSection(temperature=1.0, max_new_tokens=5, keep_truncated=True)
    small = collect(pool, engine, config, 0, tmp_path / "a", n=2, chunk=3)
    large = collect(pool, engine, config, 0, tmp_path / "a", n=5, chunk=3)
    fresh = collect(pool, engine, config, 0, tmp_path / "b", n=5, chunk=3)
    assert [row.id for row in large.kept] == [row.id for row in fresh.kept]
    assert [row.id for row in large.kept][:2] == [row.id for row in small.kept]
