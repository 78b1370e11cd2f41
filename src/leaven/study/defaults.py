"""What a study has where nobody says otherwise: the preset, the ratio and the methods, by its model and its steps."""

from collections.abc import Mapping
from typing import Any, Literal

from leaven.models.settings import PRESETS

LAB = "lab"


def preset(model: str) -> str:
    """`lab` for the lab, whose settings were chosen on seeds that no table uses; `auto` for any other model."""
    return LAB if model == LAB else "auto"


def ratio(model: str) -> float:
    """Self-sampled rows for each task row: 20 on the lab; 2.5 on a real model, where no leak is left (docs/real.md)."""
    return 20 if model == LAB else 2.5


def methods(ratio: float | Literal["auto"], tune: Mapping[str, Any]) -> list[str | dict[str, Any]]:
    """The untouched model, common tuning, the token's row alone, DELIA at this ratio, and its control without a buffer.

    The row alone forgets nothing, since no weight of the model changes: where it is enough no adapter is needed.
    Where a step holds so many task rows whatever the buffer, that control is DELIA itself at ratio 0; elsewhere it is
    common tuning for as many steps.
    """
    settings = {**PRESETS.get(str(tune.get("preset")), {}), **tune}
    control: dict[str, Any] = {"name": "common_equal_steps", "ratio": ratio}
    if settings.get("step_task_rows"):
        control = {"name": "delia", "label": "no buffer", "ratio": 0}
    return ["original", "common", {"name": "token_row", "diversify": True}, control, {"name": "delia", "ratio": ratio}]
