import pytest

from leaven.errors import UserError
from leaven.study import needs as study_needs
from leaven.study import recipe as recipes
from leaven.study.needs import GIB, Shape, needs
from leaven.study.recipe import RECIPES

LLAMA = Shape(6.74e9, 4096, 32, 32_000, "by hand")


def of(**values):
    base = {"methods": [{"name": "delia", "ratio": 9}, "original"], "sizes": [100], "seeds": [0, 1]}
    recipe = recipes.parse({**base, **values}, "test")
    return needs(recipe, LLAMA, task_rows=100, test_rows=50, tokens=200, teraflops=100)


def test_rows_and_hours_by_hand():
    found = of()
    assert (found.cells, found.trained_rows, found.answers) == (4, 2 * 1000, 4 * 50 + 2 * 900)
    training = 4 * 6.74e9 * 200 * 2000
    writing = 2 * 6.74e9 * 200 * 2000
    assert found.hours[0] == pytest.approx((training / 0.45 + writing / 0.10) / 1e14 / 3600)
    assert found.hours[1] == pytest.approx((training / 0.15 + writing / 0.01) / 1e14 / 3600)


def test_eight_bits_need_less_than_sixteen_and_checkpointing_saves_memory_for_time():
    plain, eight = of(), of(tune={"load_in_8bit": True})
    assert eight.gib[0] == pytest.approx(plain.gib[0] - 0.9 * 6.74e9 / GIB)
    frugal = of(tune={"gradient_checkpointing": True})
    assert frugal.gib[0] < plain.gib[0]
    assert frugal.hours[0] > plain.hours[0]
    assert plain.gib[0] > 2 * 6.74e9 / GIB


def test_of_several_processes_each_holds_a_share_of_the_blocks_and_the_tables():
    recipe = recipes.parse({"methods": ["original", "common"], "sizes": [100]}, "test")
    sizes = {"task_rows": 100, "test_rows": 50, "tokens": 1000, "teraflops": 100}  # 8 rows fill a pass, as 64 do
    one, eight = (needs(recipe, LLAMA, **sizes, processes=processes) for processes in (1, 8))
    tables = 2 * LLAMA.vocabulary * LLAMA.width
    blocks = LLAMA.parameters - tables
    saved = 2 * (blocks - blocks / 8 - 2 * blocks / LLAMA.layers) / GIB
    assert one.gib[0] - eight.gib[0] == pytest.approx(saved)
    assert eight.hours[0] < one.hours[0]


def test_what_servers_sample_takes_none_of_the_hours_here():
    assert of(sampler="openai:m").answers == 4 * 50


def test_a_shape_is_read_from_the_model_or_guessed_from_its_name(tiny_model):
    import torch
    from transformers import AutoModelForCausalLM

    path = tiny_model("qwen3")
    found = study_needs.shape(path)
    real = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).parameters())
    assert (found.parameters, found.source) == (real, "from its configuration")
    guessed = study_needs.shape("nobody/such-model-7b-chat")
    assert (guessed.parameters, guessed.source) == (7e9, "guessed from the name")
    with pytest.raises(UserError, match="the size of nobody"):
        study_needs.shape("nobody/such-model")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_has_a_plan(path):
    recipe = recipes.read(path)
    found = needs(recipe, LLAMA, task_rows=200, test_rows=50, tokens=200, teraflops=100)
    assert found.cells > 0 and found.trained_rows > 0
    assert 0 < found.gib[0] < found.gib[1]
    assert 0 < found.hours[0] < found.hours[1]


def test_what_is_chosen_from_is_sampled_too_unless_queries_are_chosen():
    choose = {"selector": "random", "of": 5}
    plain, samples, queries = (
        of(methods=[{"name": "delia", "ratio": 9, **choice}]).answers
        for choice in ({}, {"choose": choose}, {"choose": {**choose, "rows": "queries"}})
    )
    assert (samples - plain, queries - plain) == (4 * 900 * 2, 0)


def test_rows_that_are_replayed_are_sampled_by_nobody():
    tuned = recipes.parse({"methods": [{"name": "replay", "share": 0.5}]}, "test")
    work = study_needs.work(tuned.methods[0], 100, tuned.tune)
    assert (work.diverse_rows, work.sampled_rows, work.queries) == (100, 0, 100)
