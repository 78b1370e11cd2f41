"""`leaven sample`: a model answers queries, or writes them too."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from leaven.cli import engine, resume
from leaven.cli import rows as reading

if TYPE_CHECKING:
    from leaven.llm.protocol import LLM
    from leaven.models.settings import SampleSection
    from leaven.rows.outcomes import Outcome

app = typer.Typer(add_completion=False)
FORMS = ("plain", "again", "guided", "magpie")


@app.command(
    epilog="Example: leaven sample queries.jsonl --llm hf:Qwen/Qwen3-0.6B -o answers.jsonl, "
    "or without queries: leaven sample --form magpie -n 1000 --llm hf:Qwen/Qwen3-0.6B -o rows.jsonl"
)
@engine.with_flags
def sample(
    context: typer.Context,
    llm: engine.Engine,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Where to write the answered rows, or - for standard output.")
    ],
    queries: Annotated[str, typer.Argument(help="Rows with questions (none for magpie).")] = "",
    form: Annotated[
        str,
        typer.Option(
            help="plain: the query alone; again: the query, its reference answer, the query (DELIA as published); "
            "guided: the reference as a guide (SDFT); magpie: the model writes the queries too."
        ),
    ] = "plain",
    n: Annotated[int, typer.Option("-n", min=0, help="Rows to make; 0: one for each query.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.7,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Nucleus of the sampling.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 512,
    keep_truncated: Annotated[bool, typer.Option(help="Keep replies that were cut at the longest, marked.")] = True,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
    continue_anyway: resume.ContinueAnyway = False,
) -> None:
    """Let a model answer queries; rows that failed, with their reasons, are in OUT.rejects.jsonl.

    Finished chunks lie in OUT.chunks and paid replies in the store: the same command continues a run that was stopped.
    """
    from leaven.errors import UserError, nearest
    from leaven.models.settings import SampleSection
    from leaven.rows import files, outcomes
    from leaven.rows.dataset import Dataset
    from leaven.rows.outcomes import Outcome

    if form not in FORMS:
        raise UserError(f"--form is {form!r}", nearest(form, FORMS))
    if form == "magpie" and (queries or not n):
        raise UserError("magpie makes rows from nothing", "Leave the queries out, and say how many rows: -n 1000.")
    if form != "magpie" and not queries:
        raise UserError(f"there are no queries for the form {form}", "Name a file of them, or say --form magpie -n N.")
    read = files.read(queries, format, columns=columns, strict=strict) if queries else Outcome(Dataset.of([]))
    files.check_format(read.kept)
    config = SampleSection(
        temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, conditioned=form == "again",
        keep_truncated=keep_truncated,
    )  # fmt: skip
    wanted = n or len(read.kept)
    about = {"data": queries, "format": format, "columns": columns, "form": form, "llm": llm, "seed": seed, "n": wanted}
    packages = ("torch", "transformers") if llm.startswith("hf:") else ()
    begun = Path(out).is_file() or Path(out + ".chunks").is_dir()
    if not resume.begin(out, about | config.model_dump(), packages, begun=begun, continue_anyway=continue_anyway):
        return
    rows = engine.Rows() if form == "magpie" else None  # of two replies a row, or of one that can't be used
    asking = engine.opened(llm, "sampling", wanted, reading.log_of(out), rows, **engine.flags(context.params))
    with _chunks(out) as chunks, asking as opened:
        answers = _made(form, read, opened, config, seed, folder=chunks, n=wanted, spec=llm, rows=rows)
    outcome = Outcome(answers.kept, (*read.dropped, *answers.dropped), (*read.notes, *answers.notes))
    files.write(outcome.kept, out)
    for note in outcome.notes:
        print(note, file=sys.stderr)
    print(f"{outcome.summary()}. Rows: {out}", file=reading.beside(out))
    reading.write_rejects(outcome, out)
    reading.say_left_out(read)
    resume.finish(out, whole=not outcomes.failures(outcome))


@contextmanager
def _chunks(out: str) -> Iterator[Path]:
    """Where finished chunks lie: beside the rows; of rows that go down a pipe only as long as the command runs."""
    if out != "-":
        yield Path(out + ".chunks")
        return
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        yield Path(folder)


def _made(
    form: str,
    read: "Outcome",
    llm: "LLM",
    config: "SampleSection",
    seed: int,
    *,
    folder: Path,
    n: int,
    spec: str,
    rows: engine.Rows | None = None,
) -> "Outcome":
    from leaven.delia.makers import magpie, self_sample

    chunk = _chunk(spec, config.max_new_tokens)
    if form == "magpie":
        return magpie.make(llm, config, seed, folder, n=n, chunk=chunk, on_rows=rows.count if rows else None)
    answers = self_sample.collect(read.kept, llm, config, seed, folder, n=n, chunk=chunk, form=cast("Any", form))
    if form != "plain" and (same := self_sample.copies(read.kept, answers.kept)):
        print(f"{same:,} answers are the reference word for word", file=sys.stderr)
    return answers


def _chunk(spec: str, max_new_tokens: int) -> int:
    """Rows that are made at a time; where calls overlap they are many, since a chunk waits for its slowest reply."""
    if not spec.startswith("hf:"):
        return 256 if spec.startswith("scripted:") else 8192
    from leaven.llm.engines import hf
    from leaven.models.load import text_config

    return hf.chunk(text_config(spec.removeprefix("hf:")), max_new_tokens)
