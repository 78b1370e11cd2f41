"""`leaven show`: a mixture, the tokens that carry loss, a prompt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli import rows as reading
from leaven.cli.group import Group

if TYPE_CHECKING:
    from leaven.rows.dataset import Dataset
    from leaven.rows.example import Prompt

app = typer.Typer(cls=Group, add_completion=False, no_args_is_help=True)


@app.callback()
def show() -> None:
    """Print what would be trained, or said to a model."""


@app.command(epilog="Example: leaven show masks task.jsonl --model lab --token '<sep>' --rows 2")
def masks(
    rows_file: Annotated[str, typer.Argument(metavar="ROWS", help="A file of answered rows.")],
    model: Annotated[str, typer.Option(help="A folder or hub id, or lab.")] = "lab",
    token: Annotated[str, typer.Option(help="A new token to put into the vocabulary; '' for none.")] = "",
    rows: Annotated[int, typer.Option(min=1, help="How many rows.")] = 3,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Colour which tokens carry loss: those that do are green and underlined, or stand in ⟦ ⟧ without a terminal."""
    from rich.console import Console
    from rich.text import Text

    from leaven.models import mask, names
    from leaven.models.load import load_tokenizer
    from leaven.rows import files

    tokenizer = load_tokenizer(names.path(model))
    if token:
        tokenizer.add_special_tokens({"additional_special_tokens": [token]}, replace_extra_special_tokens=False)
    console = Console()
    for example in list(files.read(rows_file, format, columns=columns, strict=strict).kept)[:rows]:
        encoded = mask.encode(tokenizer, example)
        text = Text()
        for piece, trained in mask.colour(tokenizer, encoded):
            shown = piece if console.is_terminal or not trained else f"⟦{piece}⟧"
            text.append(shown, style="green underline" if trained else "dim")
        console.print(text)
        console.print(f"{sum(encoded.completion_mask)} of {len(encoded.input_ids)} tokens carry loss\n", style="bold")


@app.command(epilog="Example: leaven show mix runs/quickstart")
def mix(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Print what each source brings to the mixtures of a run: rows, tokens, shares, optimiser steps."""
    import json

    from rich.console import Console

    from leaven.cli.work import mix_table
    from leaven.errors import UserError

    paths = sorted(run.glob("cells/*/mix*.json"), key=lambda path: path.with_suffix(""))
    if not paths:
        raise UserError(f"{run} holds no mixture", "Name the folder of a run that has trained something.")
    for path in paths:
        title = path.parent.name + (", second stage" if path.stem == "mix-2" else "")
        Console().print(mix_table(title, json.loads(path.read_text(encoding="utf-8"))))


@app.command(epilog="Example: leaven show tokens smollm2")
def tokens(model: Annotated[str, typer.Argument(help="A folder or hub id, or the name of a model.")]) -> None:
    """Print the special tokens that a model has and does not use: a task may take one over (token: {reuse: …})."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from leaven import extras

    extras.require(*extras.STUDY)
    from leaven.models import unused
    from leaven.models.load import load

    loaded = load(model, dtype="stored")
    reserved = unused.of(loaded.model, loaded.tokenizer)
    table = Table("token", "id", "norm / median", "nearest rows", "", box=box.SIMPLE_HEAD)
    for each in reserved:
        near = ", ".join(f"{text} {cosine:.2f}" for text, cosine in each.neighbours)
        row = (each.text, str(each.token_id), f"{each.norm:.2f}", near, "unused" if each.unused else "in use, it seems")
        table.add_row(*map(escape, row))
    Console().print(table)
    first = next((each.text for each in reserved if each.unused), "")
    print(
        f"Next: token: {{reuse: {first!r}}}" if first else "None is unused: let the vocabulary grow (token: {text: …})."
    )


@app.command(epilog="Example: leaven show prompt diversify task.jsonl --row 3")
def prompt(
    name: Annotated[str, typer.Argument(help="The name of a prompt (leaven ls prompts).")],
    rows_file: Annotated[str, typer.Argument(metavar="ROWS", help="A file of rows; '': the lab's task.")] = "",
    row: Annotated[int, typer.Option(min=0, help="Fill it in for this row (1: the first); 0: the template.")] = 0,
    token: Annotated[str, typer.Option(help="The token that instructions name; '' where there is none.")] = "<sep>",
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
) -> None:
    """Print a prompt: its template, or with --row the turns as they are sent."""
    from leaven.errors import UserError
    from leaven.llm.prompts.render import source
    from leaven.rows import files

    if not row:
        print(source(name))
        return
    if rows_file:
        data = files.read(rows_file, format, columns=columns, strict=strict).kept
    else:
        from leaven.lab import hallucination

        data = hallucination.task(token, "test").rows
    if row > len(data):
        raise UserError(f"--row is {row}, but only {len(data):,} rows are there", "The first row is 1.")
    for turn in _sent(name, data, row - 1, token):
        print(f"[{turn.role}]\n{turn.text}")


def _sent(name: str, data: "Dataset", place: int, token: str) -> "Prompt":
    """The turns that an engine gets of a row. Raises UserError for a prompt that is not about a row."""
    from leaven.delia.makers import diversify, self_sample
    from leaven.errors import UserError
    from leaven.lift.makers import evolve
    from leaven.lift.selectors import quality
    from leaven.llm.prompts.render import source

    match name:
        case "diversify":
            return diversify.prompt(data, place, token)
        case "evolve":
            return evolve.prompt_of(data[place], evolve.Config())
        case "judge" | "quality":
            return quality.prompt_of(data[place])
        case "sdft":
            return self_sample.ask(data[place], "guided")
    source(name)  # an unknown name is said so
    raise UserError(f"the prompt {name} is not filled in from a row", "Those that are: diversify, evolve, judge, sdft.")
