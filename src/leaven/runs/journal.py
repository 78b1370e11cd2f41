"""The journal of a run: what went into it, since when, and over what difference it was continued.

A run is known by what its result depends on, its identity: a tree of settings, contents (`content.named`) and versions,
without a path. It is written down when the run starts, and compared when it goes on.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.runs import folder as runs

NAME = "run.json"
SHOWN = 60
HINT = "Start anew with another --out, or go on with --continue-anyway: the report will say so."


def claim(
    path: Path,
    identity: Mapping[str, Any],
    *,
    since: str = "",
    free: Collection[str] = (),
    continue_anyway: bool = False,
    hint: str = HINT,
) -> str:
    """Write the journal of a run that starts, or make sure that the run at `path` is this one.

    Returns when this very run was finished (`finish`), and "" where there is something left to do. `since` names what
    was done last, for example "cell 3 (delia-n100-s0)", for the sentence on a change; settings in `free` may change.
    Raises UserError that names all that differs; with `continue_anyway` the changes are written down instead.
    """
    record = read(path)
    now = json.loads(json.dumps(identity, default=str))
    if record is None:
        runs.write_json(path, {"started": _now(), "identity": now, "continued": []})
        return ""
    since = since or f"the run began ({record['started']})"
    changes = list(differences(record["identity"], now, since, free))
    if changes and not continue_anyway:
        raise UserError("; ".join(changes), hint)
    if changes:
        record["continued"].append({"when": _now(), "changes": changes})
    if changes or now != record["identity"]:
        runs.write_json(path, {**record, "identity": now, "finished": ""})
        return ""
    return str(record.get("finished", ""))


def finish(path: Path) -> None:
    """Write down that a run of one file is finished; a run that is a folder has its marker (`folder.close`)."""
    runs.write_json(path, {**(read(path) or {}), "finished": _now()})


def read(path: Path) -> dict[str, Any] | None:
    """The journal, or None where no run has begun."""
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def refuse_others(folder: Path, setting: str) -> None:
    """Raise UserError for a folder with a run of another kind, which lacks the `setting` that all of this kind have.

    And for one that an earlier leaven began, which kept no journal.
    """
    record = read(folder / NAME)
    if record and setting not in record["identity"]["settings"]:
        raise UserError(
            f"{folder} holds a run of another command",
            f"Choose another --out, or look at that one: leaven view {folder}",
        )
    if record is None and (folder / "recipe.yaml").exists():
        raise UserError(
            f"{folder} was begun by an earlier leaven, which did not write down what went into it",
            f"It can be read (leaven report {folder}), but not gone on with: choose another --out.",
        )


def notes(path: Path) -> list[str]:
    """For the report: what a run was continued over."""
    record = read(path) or {"continued": []}
    return [f"Continued on {one['when']}, although {'; '.join(one['changes'])}." for one in record["continued"]]


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], since: str, free: Collection[str] = ()
) -> Iterator[str]:
    """A sentence for each thing that differs, `free` settings and what is under them left out."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    under = tuple(f"{name}." for name in free)
    for key in (key for key in dict.fromkeys([*old, *new]) if key not in free and not key.startswith(under)):
        was, is_ = old.get(key), new.get(key)
        if _same(was, is_):
            continue
        if _name(was) == _name(is_):
            yield f"{_name(is_)} has changed since {since}"
        else:
            yield f"{key} was {_shown(was)} and is {_shown(is_)}"


def _leaves(tree: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(its name with dots, the value); the first level of the tree, its parts, is in no name."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        here = (*place, str(key))
        is_tree = isinstance(value, dict) and set(value) != {"name", "content"}
        if is_tree or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            yield from _leaves(value, here)
        else:
            yield ".".join(here[1:]), value


def _same(was: Any, is_: Any) -> bool:
    """Whether two are equal: contents by content alone, and by name where one content was not known yet."""
    if isinstance(was, dict) and isinstance(is_, dict):
        return bool(was["content"] == is_["content"])
    if isinstance(was, dict) or isinstance(is_, dict):
        return bool(_name(was) == _name(is_))
    return bool(was == is_)


def _name(value: Any) -> Any:
    return value["name"] if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    text = str(_name(value)) or "empty"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M")
