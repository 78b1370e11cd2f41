"""The flags of `leaven lift` are the fields of its settings; a recipe, --set and --from go through the same door."""

import json

import pytest
from typer.main import get_command

from leaven.cli.lift import app, settings_of
from leaven.errors import UserError
from leaven.lift import settings


def chosen(*words):
    return settings_of(get_command(app).make_context("leaven lift", list(words)).params)


def test_nothing_said_is_what_the_settings_say():
    assert chosen("d.jsonl") == settings.Settings(data="d.jsonl")


def test_every_flag_of_before_says_what_it_said():
    words = (
        "d.jsonl --llm openai:m --judge openai:j --rounds 1 --start previous --tactic paper --tactic reasoning "
        "--eliminate refusal --no-reanswer --against b.jsonl --embedder lsa:8 --embeddings e.npy --embed-text answer "
        "--keep-variety 0.5 --compat exact --dedup exact --model some/model --n 7 --seed 3 --format alpaca "
        "--columns question=q,answer=a --strict"
    ).split()
    assert chosen(*words, "--quality", "") == settings.parse({
        "data": "d.jsonl", "llm": "openai:m", "judge": "openai:j", "rounds": 1, "start": "previous",
        "tactics": ["paper", "reasoning"], "eliminate": ["refusal"], "reanswer": False, "against": ["b.jsonl"],
        "embedder": "lsa:8", "embeddings": "e.npy", "embed_text": "answer", "keep_variety": 0.5, "compat": "exact",
        "dedup": "exact", "quality": "", "model": "some/model", "n": 7, "seed": 3, "format": "alpaca",
        "columns": {"question": "q", "answer": "a"}, "strict": True,
    })  # fmt: skip


def test_settings_of_a_step_by_a_recipe_and_by_set(tmp_path):
    path = tmp_path / "lift.yaml"
    path.write_text("data: d.jsonl\nn: 5\nquality: {name: quality, twice: 9}\nevolve: {rounds: 3, top_p: 0.8}\n")
    found = chosen("--recipe", str(path), "--set", "quality.judge_weight=0.5", "--rounds", "1")
    assert found.quality.config == {"twice": 9, "judge_weight": 0.5}
    assert (found.evolve.rounds, found.evolve.top_p, found.n) == (1, 0.8, 5)


def test_how_engines_are_asked_has_flags_for_the_writer_and_for_the_judge():
    words = "--temperature 0.9 --top-p 0.8 --max-new-tokens 700 --judge-temperature 0.2 --judge-max-new-tokens 99"
    found = chosen("d.jsonl", "--llm", "openai:m", *words.split(), "--set", "evolve.temperature=0.1")
    assert (found.reanswer.temperature, found.reanswer.top_p, found.reanswer.max_new_tokens) == (0.9, 0.8, 700)
    assert (found.evolve.temperature, found.evolve.top_p, found.evolve.max_new_tokens) == (0.1, 0.8, 700)
    assert found.quality.config == {"temperature": 0.2, "max_new_tokens": 99}
    assert chosen("d.jsonl", "--llm", "openai:m", "--no-reanswer", "--temperature", "0.9").reanswer is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tactic", "steps", "--tactic", "stepz"], "^--tactic: there is no tactic 'stepz'. Did you mean 'steps'"),
        (["--keep-variety", "3"], "--keep-variety: "),
        (["--n", "0"], "--n: "),
        (["--set", "evolve.roundz=1"], r"--set evolve\.roundz: unknown key"),
        (["--set", "quality"], "--set quality changes nothing"),
        (["--recipe", "nowhere.yaml"], "the recipe nowhere.yaml can't be read"),
    ],
)
def test_a_fault_is_named_by_its_flag(words, said):
    with pytest.raises(UserError, match=said):
        chosen("d.jsonl", *words)


def test_from_takes_over_what_was_made(tmp_path):
    import yaml

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"data": "d.jsonl", "llm": "openai:m", "keep_variety": 0.5}))
    found = chosen("--from", str(tmp_path), "--n", "4", "--set", "variety.explained=0.9")
    assert (found.n, found.variety.keep, found.variety.explained, found.llm) == (4, 0.5, 0.9, "openai:m")
    with pytest.raises(UserError, match=r"--set evolve\.start, --rounds can't change it"):
        chosen("--from", str(tmp_path), "--rounds", "1", "--set", "evolve.start=previous")


def test_settings_that_a_selector_has_not_are_said_before_a_call(leaven, rows):
    words = ("lift", "pool.jsonl", "--quality", "length", "--set", "quality.percentil=90")
    done = leaven(*words)
    assert done.code == 2 and "quality" in done.err and "'percentile'" in done.err
    assert not (rows / "runs" / "lifted" / "rows.parquet").exists()
    done = leaven("lift", "pool.jsonl", "--quality", "length", "--set", "quality.percentile=50", "--n", "3")
    assert done.code == 0, done.err


def test_how_an_engine_is_asked_is_refused_where_none_is():
    with pytest.raises(UserError, match="no engine is asked, so nothing would come of --temperature, --max-new-tokens"):
        chosen("d.jsonl", "--temperature", "0.5", "--max-new-tokens", "9")
    assert chosen("d.jsonl", "--llm", "openai:m", "--temperature", "0.5").evolve.temperature == 0.5


def test_a_recipe_that_ships_is_used_by_its_name_and_fitted_by_flags():
    assert chosen("d.jsonl", "--recipe", "lift") == chosen("d.jsonl")
    found = chosen("d.jsonl", "--recipe", "sparing", "--llm", "openai:m", "--rounds", "1", "--keep-variety", "0.4")
    names = [stage.name for stage in found.plan]
    assert names.index("dedup") < names.index(next(one for one in names if one in ("variety", "k_center")))
    assert names[-3:] == ["reanswer", "evolve", "quality"]
    assert (found.evolve.rounds, found.variety.keep) == (1, 0.4)
    with pytest.raises(UserError, match=r"no recipe of a lift called 'lifted'\nDid you mean 'lift'"):
        chosen("d.jsonl", "--recipe", "lifted")
    with pytest.raises(UserError, match="Leave out --recipe"):
        chosen("--from", "somewhere", "--recipe", "lift")


def test_recipes_are_listed_by_the_command_that_takes_them(leaven):
    said = leaven("ls", "recipes").out
    assert "leaven lift DATA --recipe lift\n    LIFT in the paper's order" in said and "\nquickstart\n" in said


def test_defaults_are_listed_as_a_user_would_type_them(leaven):
    said = leaven("ls", "selectors").out
    assert "kinds (email phone card iban ssn): " in said and "against (none): " in said and "normalise (no): " in said
    assert "([" not in said and "((" not in said


def test_from_takes_over_a_lift_of_stages(tmp_path):
    stages = settings.parse({"data": "d.jsonl", "stages": ["exact", {"longest": {"n": 20}}, "random"]})
    (tmp_path / "recipe.yaml").write_text(json.dumps(settings.written(stages)))
    found = chosen("--from", str(tmp_path), "--n", "4", "--set", "longest.n=9")
    assert (found.n, found.plan[1].config, len(found.plan)) == (4, {"n": 9}, 3)
    with pytest.raises(UserError, match=r"^the recipe says its stages, so that dedup can't be set beside them\n"):
        chosen("--from", str(tmp_path), "--dedup", "exact")
