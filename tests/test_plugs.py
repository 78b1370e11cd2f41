import pytest

from leaven import plugs
from leaven.errors import UserError
from leaven.study import recipe

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
