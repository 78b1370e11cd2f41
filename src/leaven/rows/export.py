"""A folder that trainers and the hub take as it is: rows, and what TRL, axolotl and LLaMA-Factory need to read them.

- `train.jsonl`, `train.parquet`: the column `messages` alone, since further columns of mixed types stop their loaders;
  where rows have tools, parts or names in their turns, `train.jsonl` alone, with the column `tools`, for `datasets`
  reads calls whose arguments differ from it, and `sharegpt.jsonl`, which is how LLaMA-Factory reads tools;
- `README.md`: the dataset card; its head tells `datasets.load_dataset(FOLDER)`, and so TRL, which file is the data;
- `dataset_info.json`: LLaMA-Factory's, for `dataset_dir: FOLDER`;
- `axolotl.yaml`: the `datasets` part of an axolotl configuration.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from leaven.errors import UserError, first_line
from leaven.rows import files, llamafactory
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin
from leaven.rows.turns import openai

FILES = ("README.md", "axolotl.yaml", "dataset_info.json", llamafactory.FILE, "train.jsonl", "train.parquet")
"""All that an export may write."""
PROVENANCE = "leaven"
"""The field of a kept row in which a lift says where it comes from."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def export(rows: Dataset, folder: Path, name: str, about: str = "") -> list[Path]:
    """Make the folder, and return its files.

    `name` is what LLaMA-Factory calls the dataset; `about` is a paragraph of the card. The folder is there whole or not
    at all, and nothing that lies there is touched: one that holds anything but these very files is refused. Raises
    UserError for that, and where a row has no answer to train on.
    """
    bare = [row for row in rows if not row.is_answered]
    if bare or not len(rows):
        why = f"{len(bare):,} of {len(rows):,} rows have no answer" if bare else "there are no rows"
        raise UserError(f"{why}: there is nothing to train on", "Answer them first: leaven sample.")
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as temporary:
        scratch = Path(temporary) / "export"
        scratch.mkdir()
        _fill(scratch, rows, folder, name, about)
        names = sorted(path.name for path in scratch.iterdir())
        _check_own(folder, scratch)
        if not (place.is_dir() and any(place.iterdir())):
            scratch.replace(place)
    return [folder / name for name in names]


def _fill(scratch: Path, rows: Dataset, folder: Path, name: str, about: str) -> None:
    examples = list(rows)
    _write(scratch / "train.jsonl", "".join(f"{_line(row)}\n" for row in examples))
    if all(map(_is_plain, examples)):
        files.write(Dataset.of(Example(row.messages, Origin("export")) for row in examples), scratch / "train.parquet")
        info = {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}
    else:
        lines = llamafactory.lines(examples)
        _write(scratch / llamafactory.FILE, "".join(f"{line}\n" for line in lines))
        info = llamafactory.info(lines)
    _write(scratch / "dataset_info.json", json.dumps({name: info}, indent=2) + "\n")
    _write(scratch / "axolotl.yaml", yaml.safe_dump(_axolotl(folder), sort_keys=False))
    _write(scratch / "README.md", card(rows, name, about))


def _is_plain(row: Example) -> bool:
    """Whether role and text say all that there is."""
    return not row.meta.get("tools") and not any(turn.fields or turn.role not in TAGS.values() for turn in row.messages)


def _line(row: Example) -> str:
    """The row in Hugging Face's form, byte for byte as it came where it came so."""
    fields = {"messages": [openai(turn) for turn in row.messages]}
    fields |= {"tools": row.meta["tools"]} if row.meta.get("tools") else {}
    text = row.origin.text or ""
    own = text and "\n" not in text and json.loads(text) == fields
    return text if own else json.dumps(fields, ensure_ascii=False)


def _check_own(folder: Path, scratch: Path) -> None:
    """Raises UserError where the folder is there and holds other things than the files that were made for it."""
    there = sorted(folder.iterdir()) if folder.is_dir() else [folder] if folder.exists() else []
    foreign = [path for path in there if not path.is_file() or not (scratch / path.name).is_file()]
    other = [path for path in there if path not in foreign and path.read_bytes() != (scratch / path.name).read_bytes()]
    if foreign or other:
        names = ", ".join(path.name for path in (foreign or other)[:4]) + (" …" if len(foreign or other) > 4 else "")
        what = f"holds what export did not write: {names}" if foreign else f"holds another {names} than these rows make"
        raise UserError(f"{folder} {what}", "Name a new folder: -o FOLDER. Nothing was written, nothing uploaded.")


def card(rows: Dataset, name: str, about: str = "") -> str:
    """The dataset card: what loaders read at its head, then where the rows come from and how long they are."""
    plain = all(map(_is_plain, rows))
    size = next((label for limit, label in SIZES if len(rows) < limit), "n>1M")
    head = {
        "pretty_name": name,
        "task_categories": ["text-generation"],
        "size_categories": [size],
        "tags": ["leaven", "instruction-tuning", "sft"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "train.parquet" if plain else "train.jsonl"}],
            }
        ],
    }
    makers = Counter(maker or "not known" for maker in map(_maker, rows))
    table = ["| made by | rows |", "| --- | ---: |", *(f"| {maker} | {n:,} |" for maker, n in makers.most_common())]
    lengths = sorted(len(row.answer or "") for row in rows)
    turns = Counter(sum(message.role == "assistant" for message in row.messages) for row in rows)
    lines = [
        f"# {name}",
        *([about] if about else []),
        f"{len(rows):,} conversations for supervised fine-tuning, in the column `messages` (`role`, `content`).",
        *(f"{note}." for note in notes(rows)),
        *(["\n".join(table)] if any(map(_maker, rows)) else []),
        f"Answers have {lengths[len(lengths) // 2]:,} characters in the median, {lengths[-1]:,} at most; "
        f"{turns[1]:,} rows have one turn.",
        "Made with leaven. The licence is that of the rows it was made from, and "
        "of the models that wrote: state it here before you publish.",
    ]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n" + "\n\n".join(lines) + "\n"


def _maker(row: Example) -> str:
    """What made a row, and with which model; of a row that was read, what the lift that wrote it says; "": unknown."""
    step, model, about = row.origin.step, row.origin.model, row.meta.get(PROVENANCE)
    while step == files.READ and isinstance(about, Mapping):
        step, model = about.get("made_by", files.READ), about.get("model")
        about = (about.get("fields") or {}).get(PROVENANCE)  # of a lift of rows that had been lifted
    return "" if step == files.READ else f"{step} ({model})" if model else str(step)


def notes(rows: Dataset) -> list[str]:
    """What a trainer can't read of the rows, a sentence for each reason."""
    examples = list(rows)
    return [] if all(map(_is_plain, examples)) else llamafactory.notes(examples)


def push(paths: Sequence[Path], repo: str, private: bool = True) -> str:
    """Upload these files, and no other, as a dataset repository of the hub; return its address. Raises UserError.

    Where it is to be `private`, a repository that is there already and is public is refused.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError as error:
        raise UserError("huggingface_hub is not installed", "pip install huggingface_hub.") from error
    try:
        api = HfApi()
        url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        public = api.dataset_info(url.repo_id).private is False
        if not (private and public):
            files_only = [CommitOperationAdd(path.name, path) for path in paths]
            api.create_commit(url.repo_id, files_only, repo_type="dataset", commit_message="leaven export")
    except Exception as error:  # of the hub's client, or of whichever transport that has
        raise UserError(
            f"the hub did not take {repo}: {first_line(error)}", "Log in (hf auth login), and check the name."
        ) from error
    if private and public:
        raise UserError(f"{repo} is there already, and public: nothing was uploaded", "Name a new one, or --public.")
    return str(url)


def _axolotl(folder: Path) -> dict[str, Any]:
    return {
        "datasets": [
            {
                "path": str(folder / "train.jsonl"),
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
                "message_property_mappings": {"role": "role", "content": "content"},
                "roles_to_train": ["assistant"],
                "train_on_eos": "turn",
            }
        ]
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
