"""A folder that trainers and the hub take as it is: rows, and what TRL, axolotl and LLaMA-Factory need to read them.

- `train.jsonl`, `train.parquet`: the column `messages` alone, since further columns of mixed types stop their loaders;
- `README.md`: the dataset card; its head tells `datasets.load_dataset(FOLDER)`, and so TRL, which file is the data;
- `dataset_info.json`: LLaMA-Factory's, for `dataset_dir: FOLDER`;
- `axolotl.yaml`: the `datasets` part of an axolotl configuration.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from leaven.errors import UserError
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def export(rows: Dataset, folder: Path, name: str, about: str = "") -> list[Path]:
    """Write the folder, and return its files. Raises UserError where a row has no answer to train on.

    `name` is what LLaMA-Factory calls the dataset; `about` is a paragraph of the card.
    """
    bare = [row for row in rows if row.answer is None]
    if bare or not len(rows):
        why = f"{len(bare):,} of {len(rows):,} rows have no answer" if bare else "there are no rows"
        raise UserError(f"{why}: there is nothing to train on", "Answer them first: leaven sample.")
    folder.mkdir(parents=True, exist_ok=True)
    plain = Dataset.of(Example(row.messages, Origin("export")) for row in rows)
    for suffix in ("jsonl", "parquet"):
        files.write(plain, folder / f"train.{suffix}")
    info = {
        name: {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": TAGS}
    }
    _write(folder / "dataset_info.json", json.dumps(info, indent=2) + "\n")
    _write(folder / "axolotl.yaml", yaml.safe_dump(_axolotl(folder), sort_keys=False))
    _write(folder / "README.md", card(rows, name, about))
    return sorted(path for path in folder.iterdir() if path.is_file())


def card(rows: Dataset, name: str, about: str = "") -> str:
    """The dataset card: what loaders read at its head, then where the rows come from and how long they are."""
    size = next((label for limit, label in SIZES if len(rows) < limit), "n>1M")
    head = {
        "pretty_name": name,
        "task_categories": ["text-generation"],
        "size_categories": [size],
        "tags": ["leaven", "instruction-tuning", "sft"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
    }
    makers = Counter(f"{row.origin.step}{f' ({row.origin.model})' if row.origin.model else ''}" for row in rows)
    lengths = sorted(len(row.answer or "") for row in rows)
    turns = Counter(sum(message.role == "assistant" for message in row.messages) for row in rows)
    lines = [
        f"# {name}",
        *([about] if about else []),
        f"{len(rows):,} conversations for supervised fine-tuning, in the column `messages` (`role`, `content`).",
        "\n".join(
            ["| made by | rows |", "| --- | ---: |", *(f"| {step} | {n:,} |" for step, n in makers.most_common())]
        ),
        f"Answers have {lengths[len(lengths) // 2]:,} characters in the median, {lengths[-1]:,} at most; "
        f"{turns[1]:,} rows have one turn.",
        "Made with leaven. The licence is that of the rows it was made from, and "
        "of the models that wrote: state it here before you publish.",
    ]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n" + "\n\n".join(lines) + "\n"


def push(folder: Path, repo: str, private: bool = True) -> str:
    """Upload the folder as a dataset repository of the hub, and return its address. Raises UserError."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError("huggingface_hub is not installed", "pip install huggingface_hub.") from error
    try:
        api = HfApi()
        url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(repo_id=url.repo_id, folder_path=folder, repo_type="dataset", commit_message="leaven export")
    except Exception as error:  # of the hub's client, or of whichever transport that has
        raise UserError(
            f"the hub did not take {repo}: {str(error).splitlines()[0]}", "Log in (hf auth login), and check the name."
        ) from error
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
