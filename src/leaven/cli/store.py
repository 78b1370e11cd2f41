"""`leaven store`: the replies that were paid for."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.group import Group

if TYPE_CHECKING:
    from leaven.llm.store import Store

app = typer.Typer(cls=Group, add_completion=False, no_args_is_help=True, help="The replies that were paid for.")
File = Annotated[Path | None, typer.Option("--store", help="The store (default: the one in your cache).")]


@app.command(epilog="Example: leaven store stats")
def stats(store: File = None) -> None:
    """Replies and tokens, engine by engine."""
    from rich.console import Console
    from rich.table import Table

    from leaven.llm.store import default_path

    table = Table(title=str(store or default_path()), title_justify="left")
    for column in ("engine", "replies", "tokens in", "tokens out", "first", "last"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    with _opened(store) as opened:
        rows = opened.stats()
    for row in rows:
        dates = (time.strftime("%Y-%m-%d", time.localtime(row[name])) for name in ("first", "last"))
        counts = (f"{row[name]:,}" for name in ("replies", "prompt_tokens", "completion_tokens"))
        table.add_row(row["engine"], *counts, *dates)
    Console().print(table)


@app.command(epilog="Example: leaven store prune --engine openai:gpt-4o --days 90")
def prune(
    store: File = None,
    engine: Annotated[str | None, typer.Option(help="Only the replies of this engine.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Only replies older than so many days.")] = None,
) -> None:
    """Forget replies; without --engine or --days nothing is forgotten."""
    from leaven.errors import UserError

    if engine is None and days is None:
        raise UserError("nothing says which replies to forget", "Give --engine, --days, or both.")
    with _opened(store) as opened:
        count = opened.prune(engine, None if days is None else time.time() - days * 86_400)
    print(f"{count:,} replies forgotten.")


@app.command(epilog="Example: leaven store export > replies.jsonl")
def export(store: File = None) -> None:
    """Every reply with what was asked, as JSONL on standard output."""
    with _opened(store) as opened:
        for row in opened.export():
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


@contextmanager
def _opened(path: Path | None) -> Iterator["Store"]:
    """The store. Raises UserError for a file that is not there: only a call that is paid for makes one.

    So it does for one that is damaged or no store, and for one that another process holds for more than a minute.
    """
    import sqlite3

    from leaven.errors import UserError
    from leaven.llm.store import Store, default_path

    if path is not None and not path.is_file():
        raise UserError(f"{path} does not exist", f"Check the path; without --store it is {default_path()}.")
    store = Store.open(path)
    try:
        yield store
    except sqlite3.Error as error:
        raise UserError(
            f"the store {store.path} can't be used: {error}",
            "If it is locked, wait until the other leaven that writes into it has ended. If it is damaged, "
            "`sqlite3 FILE .recover` has what can be saved.",
        ) from error
