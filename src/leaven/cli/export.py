"""`leaven export`: a folder for TRL, axolotl, LLaMA-Factory and the hub."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import rows as reading

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven export runs/lifted/kept.parquet -o export --push-to-hub me/lifted")
def export(
    rows: Annotated[str, typer.Argument(help="A file of answered rows.")],
    out: Annotated[str, typer.Option("--out", "-o", help="The folder to make.")],
    name: Annotated[str, typer.Option(help="The dataset's name (default: the folder's).")] = "",
    about: Annotated[str, typer.Option(help="A paragraph for the dataset card.")] = "",
    push_to_hub: Annotated[
        str, typer.Option(metavar="USER/NAME", help="Upload the files as this dataset repository.")
    ] = "",
    public: Annotated[bool, typer.Option(help="Make a new repository public.")] = False,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Write rows with what each trainer needs to read them, and a dataset card; upload them where asked.

    One folder serves all of them; --format is that of the rows that are read. Rows without an answer are left out, and
    said.
    """
    import numpy as np

    from leaven.rows import export as exports
    from leaven.rows import files

    read = files.read(rows, format, columns=columns, strict=strict)
    folder, answers = Path(out), np.array([row.is_answered for row in read.kept], bool)
    answered, bare = read.kept.rows(np.flatnonzero(answers)), np.flatnonzero(~answers)
    paths = exports.export(answered if len(answered) else read.kept, folder, name or folder.resolve().name, about)
    print("\n".join(map(str, paths)))
    print(
        f"TRL: trl sft --dataset_name {folder} …   axolotl: the part of {folder}/axolotl.yaml   "
        f"LLaMA-Factory: dataset_dir: {folder}, dataset: {name or folder.resolve().name}"
    )
    for note in exports.notes(answered):
        print(f"{note}.", file=sys.stderr)
    if len(bare):
        first = read.kept[int(bare[0])].origin.place
        print(f"{len(bare):,} rows without an answer are left out, the first is {first}.", file=sys.stderr)
    if push_to_hub:
        print(f"Uploaded: {exports.push(paths, push_to_hub, private=not public)}")
    reading.say_left_out(read)
