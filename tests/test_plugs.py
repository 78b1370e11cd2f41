import importlib.util

import pytest

from leaven import plugs
from leaven.delia.bench import fit
from leaven.errors import UserError
from leaven.lift.select import select
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import recipe
from leaven.task.format import open_format
from leaven.task.test import Test, score

MINE = '''"""Mine: the untouched model."""
from leaven.section import Section

class Config(Section):
    volume: int = 3
    """How loud."""

def fit(train, bench, config):
    return bench.base()
'''


def test_a_plug_outside_the_package_works_by_its_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    assert plugs.summary(plugs.load("methods", str(path))) == "Mine: the untouched model."
    found = recipe.parse({"methods": [{"name": str(path), "volume": 5}]}, "x")
    assert found.methods[0].label == "mine"


def test_its_settings_are_checked_too(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    with pytest.raises(UserError, match="volum"):
        recipe.parse({"methods": [{"name": str(path), "volum": 5}]}, "x")


def test_an_unknown_plug_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'delia'"):
        plugs.load("methods", "delai")


def test_a_missing_file_is_said():
    with pytest.raises(UserError, match="does not exist"):
        plugs.load("methods", "./nowhere.py")


def test_every_method_has_a_config_a_fit_and_a_summary():
    names = plugs.names("methods")
    assert len(names) >= 6
    for name in names:
        module = plugs.load("methods", name)
        assert module.Config and module.fit and plugs.summary(module)
        assert all(field.description for field in module.Config.model_fields.values()), name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def fit(:", ("line 1", "invalid syntax", "def fit(:")),
        ("X = 3\n", ("is no method: it has no fit", "def fit(train, bench, config)")),
        ("def fit(train, bench, config):\n    pass\n", ("it has no Config", "class Config(Section)")),
        ("import os\nfrom leaven.sections import Section\n", ("line 2", "leaven.sections", "write leaven.section ")),
        ("import leaven.bench", ("line 1", "write leaven.delia.bench instead")),
        ("from leaven.types import pair", ("write leaven.rows.example instead",)),
        ("from leaven.dataset import Dataset", ("write leaven.rows.dataset instead",)),
        ("from leaven.selection import outcome", ("write leaven.lift.selection instead",)),
        ("from leaven.weights.load import load", ("write leaven.models.load instead",)),
        ("from leaven.nowhere import x", ("line 1", "no module leaven.nowhere", "architecture")),
        ("import no_such_package", ("line 1: no_such_package is not installed", "pip install no_such_package")),
        ("\n\nx = 1 / 0", ("line 3: ZeroDivisionError",)),
        ("class Config: pass\ndef fit(train, bench, config): pass", ("Config is no Section", "leaven.section")),
        ("class Config: pass\ndef fit(train): pass", ("fit can't be called with train, bench, config: too many",)),
        (f"NEEDS = ('vector',)\n{MINE}", ("can't need 'vector'", "'vectors'")),
    ],
)
def test_a_file_that_is_no_plug_says_the_line_and_what_to_write(tmp_path, text, said):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        plugs.load("methods", str(path))
    told = str(caught.value)
    assert str(path) in told
    assert not [word for word in said if word not in told], told


def test_where_a_module_has_moved_there_is_one():
    moved = [new for old, new in plugs.MOVED.items() if old not in ("data.material",)]
    assert all(importlib.util.find_spec(f"leaven.{new}") for new in moved)
    assert not [old for old in plugs.MOVED if "." not in old and importlib.util.find_spec(f"leaven.{old}")]


def test_every_plug_of_the_package_has_the_function_of_its_kind():
    for kind, shape in plugs.FUNCTIONS.items():
        for name in plugs.names(kind):
            assert hasattr(plugs.load(kind, name), shape.partition("(")[0]), f"{kind}: {name}"
    assert "gradients" not in plugs.names("probes")


def test_a_plug_is_to_blame_for_what_it_does_and_leaven_for_the_rest(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import json\n\ndef score(answers, rows, scoring):\n    return json.loads(answers()) \n")
    plug = plugs.load("metrics", str(path))

    def error_of(answers):
        try:
            plug.score(answers, [], None)
        except (ValueError, UserError) as error:
            return plugs.to_blame(error)
        return None

    blamed = error_of(lambda: "no JSON")
    assert f"{path}, line 4: JSONDecodeError" in str(blamed) and "return json.loads(answers())" in str(blamed)
    assert error_of(lambda: plugs.load("methods", "delai")) is None
    assert plugs.to_blame(ValueError("raised by nobody")) is None


def test_a_plug_that_returns_something_else_is_named_with_what_it_should_return(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("return bench.base()", "return None"))
    with pytest.raises(UserError, match=r"mine.py: fit returned NoneType, and no Fitted\n.*return bench.tune\(rows\)"):
        fit(plugs.load("methods", str(path)), [], None, {})
    (tmp_path / "length.py").write_text(
        "HEADLINE, LOWER_IS_BETTER = ('n',), frozenset()\ndef score(answers, rows, scoring):\n    yield 1.0\n"
    )
    with pytest.raises(UserError, match=r"length\.py: score returned float, and no Measure"):
        list(score(Test("brief", Dataset.of([]), str(tmp_path / "length.py")), [], open_format("text")))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def choose(data, scores, config, context): return [0]", "choose returned list, and no Outcome"),
        ("def choose(data, scores, config, context): return outcome(data, [0, 9], 'mine', 'x')",
         "mine keeps the rows 0 to 9, and was given 2"),
        ("def score(data, config, context): return {}\nchoose = lambda data, scores, config, context: None",
         "score returned dict, and no Scores"),
        ("def score(data, config, context): return Scores({'x': [1]})\nchoose = lambda a, b, c, d: None",
         "score measured 1 rows by 'x', and was given 2"),
    ],
)  # fmt: skip
def test_a_selector_that_returns_something_else_is_named_too(tmp_path, body, said):
    head = "from leaven.section import Section as Config\nfrom leaven.lift.selection import Scores, outcome\n"
    (tmp_path / "mine.py").write_text(head + body)
    rows = Dataset.of(pair(text, "a", Origin("x")) for text in ("one", "two"))
    with pytest.raises(UserError, match=said):
        select(str(tmp_path / "mine.py"), rows, {})
