"""Rows of the Hugging Face Hub: `user/name`, `user/name:split`, `user/name:config/split`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaven.errors import UserError, first_line
from leaven.rows import records
from leaven.rows.records import Record

REVISION = "refs/convert/parquet"
_ID = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*?)(?::(?:(?P<config>[\w.-]+)/)?(?P<split>[\w.\[\]%:-]+))?")


def is_id(text: str) -> bool:
    """Whether this is written as a dataset of the hub is."""
    return _ID.fullmatch(text) is not None


def read(spec: str) -> list[Record]:
    """The records of a dataset, by `datasets` where that is installed, or from the Parquet files of the hub.

    Without a split it is `train`. Raises UserError where the dataset can't be had.
    """
    match = _ID.fullmatch(spec)
    assert match, spec
    name, config, split = match["name"], match["config"], match["split"] or "train"
    try:
        rows = list(_rows(name, config, split))
    except UserError:
        raise
    except Exception as error:  # of datasets, the hub's client, or whichever transport that has
        raise UserError(
            f"{spec} is no file here, and the hub's dataset can't be had: {first_line(error)}",
            "Check the path; of the hub: user/name, user/name:split or user/name:config/split, with a network.",
        ) from error
    return [Record.of(f"{spec}[{number}]", row) for number, row in enumerate(rows)]


def _rows(name: str, config: str | None, split: str) -> Iterator[dict[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError:
        yield from _parquet_rows(name, config, split)
        return
    for row in load_dataset(name, config, split=split):
        yield {key: cell for key, cell in row.items() if cell is not None}


def _parquet_rows(name: str, config: str | None, split: str) -> Iterator[dict[str, Any]]:
    """The rows of the Parquet files that the hub keeps of every public dataset, CONFIG/SPLIT/0000.parquet."""
    from huggingface_hub import HfApi, hf_hub_download

    there = HfApi().list_repo_files(name, repo_type="dataset", revision=REVISION)
    paths = sorted(path for path in there if path.endswith(".parquet"))
    config = config or paths[0].split("/")[0]
    shards = [path for path in paths if path.startswith(f"{config}/{split}/")]
    if not shards:
        splits = sorted({path.rpartition("/")[0] for path in paths})
        raise UserError(f"{name} has no {config}/{split}", f"It has {', '.join(splits)}.")
    for path in shards:
        content = Path(hf_hub_download(name, path, repo_type="dataset", revision=REVISION)).read_bytes()
        yield from (record.row for record in records.parse(content, "parquet", path) if record.row is not None)
