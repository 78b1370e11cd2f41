"""What is exported: the adapter of a run, of a cell, or of a folder that peft wrote; and the base that it is for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.errors import UserError, nearest
from leaven.models import names
from leaven.study import headline
from leaven.view import tables

CONFIG, ABOUT = "adapter_config.json", "export.json"


@dataclass(frozen=True, slots=True)
class Source:
    """An adapter, the model that it was tuned on, and the cell and run that it is of (None where it stands alone)."""

    adapter: Path
    base: str
    cell: Path | None
    run: Path | None


def find(folder: Path, model: str = "", cell: str = "") -> Source:
    """The adapter in a folder; of a run that of its method's first cell, or that of `cell`.

    `model` is the base, by default the one that the adapter names. Raises UserError where there is none.
    """
    if cell or (folder / "cells").is_dir():
        place = _cell(folder, cell)
        adapter = place / "adapter"
    else:
        adapter = folder if (folder / CONFIG).is_file() else folder / "adapter"
        place = adapter.parent
    if not (adapter / CONFIG).is_file():
        raise UserError(f"{folder} holds no adapter", f"Name a run, a cell of one, or a folder with {CONFIG}.")
    base = names.path(model or str(config(adapter)["base_model_name_or_path"]))
    try:
        names.check_folder(base)
    except UserError as error:
        raise UserError(f"the adapter's base: {error.problem}", "Say where it is now: --model MODEL.") from error
    is_cell = (place / "cell.json").is_file()
    run = place.parent.parent if is_cell and (place.parent.parent / "summary.json").is_file() else None
    return Source(adapter, base, place if is_cell else None, run)


def config(adapter: Path) -> dict[str, Any]:
    """An adapter's configuration, as peft writes it."""
    return dict(json.loads((adapter / CONFIG).read_text(encoding="utf-8")))


def about(export: Path) -> dict[str, str]:
    """The adapter, base and token of an export. Raises UserError for a folder that is none."""
    path = export / ABOUT
    if not path.is_file():
        raise UserError(f"{export} is not an export", "Make it first: leaven export-adapter RUN -o DIR.")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _cell(run: Path, name: str) -> Path:
    """A cell with an adapter: the one of that name, or the first of the study's own method."""
    cells = [(path.parent, about["method"]) for path, about in tables.cells(run)]
    tuned = {place: method for place, method in cells if (place / "adapter" / CONFIG).is_file()}
    if name:
        places = {place.name: place for place in tuned}
        if name not in places:
            raise UserError(f"{run} has no adapter of a cell {name!r}", nearest(name, places))
        return places[name]
    if not tuned:
        raise UserError(f"{run} holds no adapter", "Name the folder of a run that has tuned something.")
    methods = list(dict.fromkeys(tuned.values()))
    if (run / "summary.json").is_file():
        methods = [each for each in tables.read_summary(run)["methods"] if each in methods]
    main = headline.main(methods)
    return next(place for place, method in tuned.items() if method == main)
