"""`leaven lift`: from an instruction dataset to a small excellent one."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from leaven import extras, section
from leaven.cli import engine, flags
from leaven.cli import rows as reading
from leaven.cli.main import OPEN
from leaven.cli.resume import ContinueAnyway, stoppable
from leaven.lift.recipe import halves, labelled
from leaven.lift.selectors.quality import Config as Quality
from leaven.lift.settings import FLAT, FREE, PARTS, Settings, file, parse, read, shipped, written
from leaven.scale.settings import ScaleSection

app = typer.Typer(add_completion=False)
SPELLED = {"tactics": "--tactic", "n": "--n"}
STEPS = {"evolve": "Harder rows", "variety": "Variety"}
"""Steps of whose settings some have a flag, and the panel of those."""
WRITTEN = ("data", "format", "columns", "strict", "reanswer", "steps")
"""Settings whose flags the command writes itself, and the order of steps, which a recipe says."""
FLAGS = flags.of(Settings, "What is made and kept", without=(*WRITTEN, *STEPS), spelled=SPELLED)
for step, panel in STEPS.items():
    short = {field: name for name, (part, field) in FLAT.items() if part == step}
    FLAGS += flags.of(PARTS[step], panel, called=short, spelled=SPELLED)
ASKED = ("temperature", "top_p", "max_new_tokens")
"""How the engine that writes is asked (each step that asks it), and as `judge_…` the one that judges."""
SAMPLING = [
    *flags.of(PARTS["evolve"], "How engines are asked", called={name: name for name in ASKED}),
    *flags.of(Quality, "How engines are asked", called={name: f"judge_{name}" for name in ASKED}),
]


@app.command(
    epilog="Example: leaven lift data.jsonl --llm openai:gpt-4o --rounds 2 --keep-variety 0.2 --n 10000 "
    "--out runs/lifted"
)
@engine.with_flags
@flags.added([*FLAGS, *SAMPLING, *flags.of(ScaleSection, "Beyond one machine")])
def lift(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="The rows (not with --from).")] = "",
    reanswer: Annotated[
        bool | None,
        typer.Option("--reanswer/--no-reanswer", help="Answer the original questions anew.", show_default="yes"),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(help="A YAML file of settings (leaven schema lift), or one that ships (leaven ls recipes); flags "
                     "go before it."),
    ] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="STEP.KEY=VALUE",
            help="A setting of a step's own (again for each): quality.twice=100, evolve.temperature=0.7.",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--from", help="A finished lift: select anew from what it made and scored, without a call.")
    ] = "",
    format: reading.Format = "auto",
    columns: reading.Columns = "",
    strict: reading.Strict = False,
    out: Annotated[str, typer.Option("--out", "-o", help="The folder of the run.")] = "runs/lifted",
    push_to_hub: Annotated[
        str, typer.Option(metavar="USER/NAME", help="Upload the export as this (private) dataset repository.")
    ] = "",
    continue_anyway: ContinueAnyway = False,
) -> None:  # fmt: skip
    """Expand a dataset, keep what is varied, then what is good, and write down why: data, audit and report.

    The same command continues a run that was stopped. With --from, thresholds change and nothing is paid again.
    """
    from leaven.lift import preflight, stages
    from leaven.lift import run as lifts
    from leaven.runs.progress import stderr

    settings, folder = settings_of(context.params), Path(out)
    scale = section.checked(ScaleSection, flags.given(ScaleSection, context.params), "the command line")
    spend = engine.flags(context.params)
    # In a lift replies of engines in process are kept too: killed and started again, it goes on where it was.
    spend["store"] = spend.get("store") or ("" if settings.llm.startswith("openai:") else f"{out}/replies.db")
    opened = engine.opener(Path(out) / "llm.log", spend)
    with stoppable():
        upload = ("huggingface_hub",) if push_to_hub else ()
        checks: list[Callable[[], object]] = [partial(extras.require, *extras.REPORT, *upload)]
        checks += [] if source else preflight.engines(settings, spend)
        again = Path(source) if source else None
        left = lifts.run(settings, folder, stderr(), opened, again, continue_anyway, checks=checks, scale=scale)
    from leaven.view import lift as reports

    print(reports.text(folder))
    for note in stages.notes(folder):
        if note["stage"] == "left out":
            print(note["text"], file=sys.stderr)
    print(f"Rows: {folder}/kept.jsonl, for trainers: {folder}/export. Audit: {folder}/audit.parquet.")
    print(f"Report: {reports.page(folder)}")
    if push_to_hub:
        from leaven.rows import export

        paths = [path for name in export.FILES if (path := folder / "export" / name).is_file()]
        print(f"Uploaded: {export.push(paths, push_to_hub)}")
    typed = quote(str(folder))
    print(f"Next: leaven why {typed} ROW, or other thresholds without a call: "
          f"leaven lift --from {typed} --n {max(1, reports.kept(folder) // 2)} --out FOLDER")  # fmt: skip
    if left:
        _say_open(left)
        raise SystemExit(OPEN)


def _say_open(left: Mapping[str, Sequence[str]]) -> None:
    """The last lines of a lift that is not at its end: which calls failed, and what to do."""
    for stage, errors in left.items():
        print(f"Open: {stage}: {len(errors):,} rows have no verdict, since their calls failed; the first: {errors[0]}",
              file=sys.stderr)  # fmt: skip
    print("The same command asks for those alone, and selects anew with them.", file=sys.stderr)


def settings_of(told: Mapping[str, Any]) -> Settings:
    """The settings that the command's flags mean, over those of a recipe or of another lift. Raises UserError."""
    from leaven.errors import UserError
    from leaven.models import names

    own = {name: told[name] or None for name in ("data", "columns", "strict")} | {"reanswer": told["reanswer"]}
    own["format"] = None if told["format"] == "auto" else told["format"]
    values = flags.said({**own, **{flag.name: told[flag.name] for flag in FLAGS}})
    values |= flags.said({f"{step}.{name}": told[name] for step in ("reanswer", "evolve") for name in ASKED})
    values |= flags.said({f"quality.{name}": told[f"judge_{name}"] for name in ASKED})
    values |= dict(_change(words) for words in told["changes"] or ())
    before: dict[str, Any] = {}
    if told["source"] and told["recipe"]:
        raise UserError(
            "--from has the recipe of the lift that it names", "Leave out --recipe; flags and --set change it."
        )
    if told["source"]:
        theirs = read(Path(told["source"]))
        again = (*FREE, *(stage.name for stage in halves(labelled(theirs.stages))[1]))
        if paid := sorted(name for name in values if name not in again and name.partition(".")[0] not in again):
            fixed, free = (", ".join(map(_flag, some)) for some in (paid, FREE))
            raise UserError(f"--from takes over what was made: {fixed} can't change it", f"These can change: {free}.")
        before = written(theirs)
    elif told["recipe"]:
        before = file(shipped(told["recipe"]))
    values = {**before, **values}
    if not values.get("data"):
        raise UserError("there are no rows to lift", "leaven lift data.jsonl --llm ENGINE, or --from a finished lift.")
    if not values.get("llm") and not values.get("stages") and (unheard := flags.said({n: told[n] for n in ASKED})):
        said = ", ".join(map(_flag, unheard))
        raise UserError(f"no engine is asked, so nothing would come of {said}", "Name one: --llm openai:MODEL.")
    if values.get("model"):
        values["model"] = names.path(values["model"])
    return parse(values, _flag)


def _change(words: str) -> tuple[str, Any]:
    """The path and the value of `quality.twice=100`; the value is read as YAML."""
    import yaml

    from leaven.errors import UserError

    path, equals, value = words.partition("=")
    if not equals or path.count(".") != 1:
        raise UserError(f"--set {words} changes nothing", "Write STEP.KEY=VALUE, for example quality.twice=100.")
    return path, yaml.safe_load(value)


def _flag(name: str) -> str:
    """The flag of a setting."""
    if "." in name or name in PARTS:
        return f"--set {name if '.' in name else f'{name}.KEY'}"
    return SPELLED.get(name, "--" + name.replace("_", "-"))
