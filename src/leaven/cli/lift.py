"""`leaven lift`: from an instruction dataset to a small excellent one."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import engine
from leaven.cli import rows as reading
from leaven.cli.resume import ContinueAnyway

if TYPE_CHECKING:
    from leaven.lift.settings import Plan

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: leaven lift data.jsonl --llm openai:gpt-4o --rounds 2 --keep-variety 0.2 --n 10000 "
    "--out runs/lifted"
)
@engine.with_flags
def lift(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="The rows (not with --from).")] = "",
    llm: Annotated[
        str, typer.Option(help="The engine that answers anew, rewrites and judges; '': expand nothing.")
    ] = "",
    judge: Annotated[str, typer.Option(help="The engine that judges, where it is another.")] = "",
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of rewriting.")] = 2,
    start: Annotated[
        str, typer.Option(help="What each round rewrites: original, or previous (what the round before made).")
    ] = "original",
    tactics: Annotated[
        list[str] | None, typer.Option("--tactic", help="How rows are made harder (again for each; leaven ls tactics).")
    ] = None,
    eliminate: Annotated[
        list[str] | None,
        typer.Option(help="Drops made rows by a rule (again for each): no_gain, refusal, copied, unanswerable."),
    ] = None,
    reanswer: Annotated[bool, typer.Option(help="Answer the original questions anew.")] = True,
    against: Annotated[
        list[str] | None, typer.Option(help="A benchmark whose rows must not be in (again for each).")
    ] = None,
    embedder: Annotated[str, typer.Option(help="lsa, st:MODEL, openai:MODEL (at OPENAI_BASE_URL), or a .py.")] = "lsa",
    embeddings: Annotated[
        str, typer.Option(help="Embeddings that are there already: FILE.npy or FILE.parquet:COLUMN.")
    ] = "",
    embed_text: Annotated[str, typer.Option(help="What of a row is embedded: all, question or answer.")] = "all",
    keep_variety: Annotated[float, typer.Option(help="The share of rows that variety keeps; 1: all.")] = 0.2,
    compat: Annotated[str, typer.Option(help="How variety is taken: paper or exact.")] = "paper",
    dedup: Annotated[
        str, typer.Option(help="Removes near copies: exact, minhash, semantic, a .py file; '': none.")
    ] = "",
    quality: Annotated[
        str, typer.Option(help="Has the last word: quality (a judge), length, ifd, random, a .py file.")
    ] = "quality",
    model: Annotated[str, typer.Option(help="The causal model of ifd: a folder, a hub id, or lab.")] = "",
    n: Annotated[int, typer.Option("--n", min=1, help="Rows to keep at most.")] = 10_000,
    source: Annotated[
        str, typer.Option("--from", help="A finished lift: select anew from what it made and scored, without a call.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Another seed, another draw.")] = 0,
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
    out: Annotated[str, typer.Option(help="The folder of the run.")] = "runs/lifted",
    push_to_hub: Annotated[
        str, typer.Option(metavar="USER/NAME", help="Upload the export as this (private) dataset repository.")
    ] = "",
    continue_anyway: ContinueAnyway = False,
) -> None:
    """Expand a dataset, keep what is varied, then what is good, and write down why: data, audit and report.

    The same command continues a run that was stopped. With --from, thresholds change and nothing is paid again.
    """
    from leaven.lift import preflight, stages
    from leaven.lift import run as lifts
    from leaven.models import names
    from leaven.runs.progress import stderr
    from leaven.view import lift as reports

    values: dict[str, Any] = {
        "data": data, "format": format, "columns": columns, "strict": strict,
        "llm": llm, "judge": judge, "reanswer": reanswer, "rounds": rounds,
        "start": start, "tactics": tuple(tactics or ()), "eliminate": tuple(eliminate or ()),
        "against": tuple(against or ()), "embedder": embedder, "embeddings": embeddings, "embed_text": embed_text,
        "keep_variety": keep_variety, "compat": compat, "dedup": dedup, "quality": quality,
        "model": names.path(model) if model else "", "n": n, "seed": seed,
    }  # fmt: skip
    given = {name for name in values if str(context.get_parameter_source(name)).endswith("COMMANDLINE")}
    plan = _again(Path(source), {name: values[name] for name in given}) if source else _plan(values)
    flags = engine.flags(context.params)
    # In a lift replies of engines in process are kept too: killed and started again, it goes on where it was.
    flags["store"] = flags["store"] or ("" if llm.startswith("openai:") else f"{out}/replies.db")
    opened = engine.opener(Path(out) / "llm.log", flags)
    try:
        checks = () if source else (partial(preflight.engines, plan, flags),)
        again = Path(source) if source else None
        folder = lifts.run(plan, Path(out), stderr(), opened, again, continue_anyway, checks=checks)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise SystemExit(130) from None
    print(reports.text(folder))
    for note in stages.notes(folder):
        if note["stage"] == "left out":
            print(note["text"], file=sys.stderr)
    print(f"Rows: {folder}/kept.jsonl, for trainers: {folder}/export. Audit: {folder}/audit.parquet.")
    print(f"Report: {reports.write(folder)}")
    if push_to_hub:
        from leaven.rows import export

        print(f"Uploaded: {export.push(folder / 'export', push_to_hub)}")
    print(f"Next: leaven why {folder} ROW, or other thresholds without a call: "
          f"leaven lift --from {folder} --n {max(1, plan.n // 2)} --out FOLDER")  # fmt: skip


def _plan(values: dict[str, Any]) -> "Plan":
    from leaven.cli.work import checked
    from leaven.errors import UserError
    from leaven.lift.settings import Plan

    if not values["data"]:
        raise UserError("there are no rows to lift", "leaven lift data.jsonl --llm ENGINE, or --from a finished lift.")
    return checked(Plan, values)


def _again(source: Path, given: dict[str, Any]) -> "Plan":
    """The plan of another lift, with the settings that need no call changed."""
    from leaven.errors import UserError
    from leaven.lift.settings import FREE, read

    if paid := sorted(set(given) - set(FREE)):
        flags, free = (", ".join("--" + name.replace("_", "-") for name in names) for names in (paid, FREE))
        raise UserError(f"--from takes over what was made: {flags} can't change it", f"These can change: {free}.")
    return _plan({**read(source).model_dump(), **given})
