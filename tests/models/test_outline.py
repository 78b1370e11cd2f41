"""A model's outline: of a name, a folder, a model in the cache; without a network it is told in seconds."""

import pytest
from huggingface_hub import constants

from leaven.errors import UserError
from leaven.models import hub, outline


@pytest.fixture
def unplugged(monkeypatch, tmp_path):
    """No network, and nobody said so; nothing in the cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    calls = []

    def unreachable(url, timeout):
        calls.append(timeout)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(outline.AutoConfig, "from_pretrained", lambda *_, **__: pytest.fail("the hub's client tried"))
    return calls


def test_without_a_network_the_hub_is_tried_once_and_for_seconds(unplugged):
    with pytest.raises(UserError, match=r"some/model is not on this machine, and the hub can't be reached: Name or"):
        outline.outline("some/model")
    assert unplugged == [hub.SECONDS]


def test_a_model_in_the_cache_is_not_looked_for(unplugged, monkeypatch):
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda path, file: f"/cache/{file}")
    hub.check("some/model")
    assert unplugged == []


def test_a_folder_and_a_name_are_no_business_of_the_hub(unplugged, tmp_path, monkeypatch):
    monkeypatch.undo()
    assert outline.outline("lab").config.num_hidden_layers > 0
    hub.check(str(tmp_path))


def test_who_wants_a_layer_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"methods\.mine\.tune\.target_modules: the model has no layer called 'q_prj'"):
        outline.check_targets(outline.outline("lab"), ("q_prj",), "methods.mine.tune.target_modules")
