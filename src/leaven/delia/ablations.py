"""Methods that differ from another in one setting, and have a name of their own in recipes and tables."""

from collections.abc import Mapping
from typing import Any

ABLATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "delia_no_diverse": ("common", {"diversify": True}),
    "delia_no_diversified": ("delia", {"diversify": False}),
    "dft": ("asft", {"anchor": 0.0}),
    # DELIA's mixture and steps; the diverse rows hold the model to its base by the divergence on their tokens.
    "kl_on_pool": ("delia", {"buffer": "held"}),
    "masked": ("delia", {"buffer": "masked"}),
    "mean_embedding": ("original", {"init": "mean"}),
    "prompted": ("lm_arithmetic", {"weight": 1.0}),
    "random_embedding": ("original", {"init": "random"}),
    # arXiv 2602.20162. Reconstructed: dialogues of one question and one answer, and DELIA's ratio.
    "sa_sft": ("delia", {"diversify": False, "buffer": "dialogues"}),
    # As many steps as one pass over the rows can have: what more steps alone do.
    "small_batch": ("common", {"tune": {"step_task_rows": 1}}),
    # The token's row of the embedding alone, fitted to the task rows: neologism learning (arXiv 2512.18551).
    "token_row": ("common", {"tune": {"target_modules": []}}),
}
"""The name, the method that it stands for, and the setting that makes the difference."""


def expand(name: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The method that a name stands for, and its settings; any other name stands for itself.

    >>> expand("delia_no_diversified", {"ratio": 5})
    ('delia', {'diversify': False, 'ratio': 5})

    Raises ValueError for settings that take back what the name says.
    """
    if name not in ABLATIONS:
        return name, dict(config)
    method, setting = ABLATIONS[name]
    for key, value in setting.items():
        if differs(config.get(key, value), value):
            raise ValueError(f"{name} is {describe(name)}: leave {key} out, or name {method}")
    return method, {**setting, **config, **_sections(setting, config)}


def differs(own: Any, value: Any) -> bool:
    """Whether what is given is not what the name says; a section may have other settings beside it.

    >>> differs({"learning_rate": 1e-3}, {"step_task_rows": 1})
    False
    """
    if isinstance(own, Mapping) and isinstance(value, Mapping):
        return any(own.get(key, part) != part for key, part in value.items())
    return bool(own != value)


def describe(name: str) -> str:
    """What a name stands for, in words: `common with diversify: true`."""
    method, setting = ABLATIONS[name]
    return f"{method} with {', '.join(_setting(key, value) for key, value in setting.items())}"


def _sections(setting: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of which the name says one setting, and the configuration others."""
    return {
        key: {**value, **config[key]} for key, value in setting.items() if isinstance(value, Mapping) and key in config
    }


def _setting(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}.{part}: {str(each).lower()}" for part, each in value.items())
    return f"{key}: {str(value).lower()}"
