"""The settings of a lift: each said once, by the maker or selector that reads it; recipes of before are read."""

import pytest
import yaml

from leaven.errors import UserError
from leaven.lift import settings
from leaven.lift.settings import FLAT, Settings, parse

BEFORE = {
    "data": "d.jsonl", "format": "auto", "columns": {}, "strict": False, "llm": "openai:m", "judge": "",
    "reanswer": True, "rounds": 1, "start": "previous", "tactics": ["paper"], "eliminate": ["refusal"], "against": [],
    "embedder": "lsa", "embeddings": "", "embed_text": "all", "keep_variety": 0.5, "compat": "exact", "dedup": "exact",
    "quality": "length", "model": "", "n": 5, "seed": 3,
}  # fmt: skip
"""A recipe.yaml as leaven wrote it when every setting of a lift stood in one list."""


def test_a_recipe_of_before_means_what_it_meant(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(BEFORE))
    found = settings.read(tmp_path)
    evolve = (found.evolve.rounds, found.evolve.start, found.evolve.tactics, found.evolve.eliminate)
    assert evolve == (1, "previous", ("paper",), ("refusal",))
    assert (found.variety.keep, found.variety.compat, found.dedup.name, found.quality.name) == (
        0.5, "exact", "exact", "length",
    )  # fmt: skip
    assert found.reanswer is not None and found.n == 5


@pytest.mark.parametrize(
    "changes", [{}, {"rounds": 0, "reanswer": False}, {"keep_variety": 1.0}, {"rounds": 0, "start": "original"}]
)
def test_the_journal_of_before_is_the_journal_of_now(changes):
    before = {**BEFORE, **changes}
    if before["rounds"] == 0:  # what is left out has no settings: its start, tactics and rules decide nothing
        before |= {"start": "original", "tactics": [], "eliminate": []}
    now = settings.identity(parse(before))["settings"]
    assert {name: now[name] for name in before if name != "strict"} == {
        k: v for k, v in before.items() if k != "strict"
    }
    assert set(now) == set(before) - {"strict"}


def test_what_is_written_is_read_again(tmp_path):
    chosen = parse(
        {**BEFORE, "evolve.temperature": 0.9, "quality.percentile": 90, "keep_variety": 0.3, "reanswer": False}
    )
    text = yaml.safe_dump(chosen.model_dump(mode="json"))
    assert Settings.model_validate(yaml.safe_load(text)) == chosen
    assert chosen.evolve.temperature == 0.9 and chosen.reanswer is None
    assert (chosen.quality.name, chosen.quality.config) == ("length", {"percentile": 90})
    assert settings.identity(chosen)["settings"]["evolve.temperature"] == 0.9


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"keep_variety": 7}, "keep_variety: "),
        ({"evolve": {"roundz": 1}}, r"evolve\.roundz: unknown key\. Did you mean 'rounds'"),
        ({"reanswer.temperatur": 1}, r"reanswer\.temperatur: unknown key\. Did you mean 'temperature'"),
        ({"qualty.n": 1}, r"qualty: unknown key\. Did you mean 'quality'"),
        ({"variety": {"n": 5}}, "variety: how many rows are kept is said by n"),
        ({"tactics": ["resoning"]}, "Did you mean 'reasoning'"),
    ],
)
def test_what_is_wrong_is_named_by_the_name_that_was_said(values, said):
    with pytest.raises(UserError, match=said):
        parse({"data": "d.jsonl", **values})


def test_off_is_off_and_a_short_name_brings_it_back():
    off = parse(yaml.safe_load("{data: d.jsonl, reanswer: off, evolve: off, variety: off}"))
    assert (off.reanswer, off.evolve, off.variety) == (None, None, None)
    on = parse({**off.model_dump(), "rounds": 1, "keep_variety": 0.4})
    assert (on.evolve.rounds, on.variety.keep) == (1, 0.4)


def test_every_short_name_is_a_setting_of_its_step():
    for key, (part, name) in FLAT.items():
        assert name in settings.PARTS[part].model_fields and key not in Settings.model_fields


def test_the_order_of_the_steps_is_that_of_the_recipe():
    values = {"data": "d.jsonl", "llm": "openai:m", "embedder": "lsa", "against": ["b.jsonl"], "dedup": "exact"}
    order = [stage.name for stage in parse(values).plan]
    assert order == ["copies", "reanswer", "evolve", "guard", "variety", "dedup", "quality"]
    steps = ["quality", "against", "variety", "evolve", "dedup", "reanswer", "before"]
    other = [stage.name for stage in parse({**values, "steps": steps}).plan]
    assert other == ["quality", "guard", "variety", "evolve", "dedup", "reanswer", "copies"]


def test_the_journal_knows_of_an_order_that_is_not_the_paper_s():
    assert "steps" not in settings.identity(parse(BEFORE))["settings"]
    assert settings.identity(parse({**BEFORE, "steps": settings.STEPS[::-1]}))["settings"]["steps"][0] == "quality"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"steps": ["quality"], "dedup": "exact"}, "dedup: the recipe's steps leave it out"),
        ({"steps": ["quality"], "rounds": 5}, "evolve: the recipe's steps leave it out"),
        ({"steps": ["quality", "quality"]}, "steps: one is there twice"),
        ({"steps": ["qualty"]}, "steps"),
        ({"steps": ["quality"], "stages": ["exact"]}, "steps can't be set beside them"),
    ],
)
def test_a_step_that_the_order_leaves_out_has_no_settings(values, said):
    with pytest.raises(UserError, match=said):
        parse({"data": "d.jsonl", **values})
