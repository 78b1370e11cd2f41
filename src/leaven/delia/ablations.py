"""Methods that differ from another in one setting, and have a name of their own in recipes and tables."""

from collections.abc import Mapping
from typing import Any

ABLATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "delia_no_diverse": ("common", {"diversify": True}),
    "delia_no_diversified": ("delia", {"diversify": False}),
    "prompted": ("lm_arithmetic", {"weight": 1.0}),
    "masked": ("delia", {"buffer": "masked"}),
    "mean_embedding": ("original", {"init": "mean"}),
    "random_embedding": ("original", {"init": "random"}),
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
    if other := [key for key, value in setting.items() if config.get(key, value) != value]:
        raise ValueError(f"{name} is {told(name)}: leave {other[0]} out, or name {method}")
    return method, {**setting, **config}


def told(name: str) -> str:
    """What a name stands for, in words: `common with diversify: true`."""
    method, setting = ABLATIONS[name]
    return f"{method} with {', '.join(f'{key}: {str(value).lower()}' for key, value in setting.items())}"
