"""`leaven check-serving`: whether engines answer as the tuned model does."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)
CALLS = 4
"""At a time: a server on the user's own machine."""


@app.command(epilog="Example: leaven check-serving serving --engine peft --engine llama_cpp")
def check_serving(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that leaven export-adapter has written.")],
    engine: Annotated[
        list[str] | None, typer.Option(help="Ask this engine only (leaven ls engines); may be given again.")
    ] = None,
    llm: Annotated[
        str, typer.Option(help="Ask a server that runs already (vLLM, SGLang, Ollama, LM Studio): openai:ITS_MODEL.")
    ] = "",
    base_url: Annotated[str, typer.Option(help="Of --llm: where it answers, up to /v1.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="So many prompts with the token and without; 0: all.")] = 0,
) -> None:
    """Load an export in each engine at hand, and compare its answers with those of the tuned model in memory.

    The matrix is written into the folder as serving.md, too, where engines that were asked before keep their line.
    The exit code is 1 where an engine differs or refuses.
    With --llm and --base-url a server is asked that you have started yourself, as adapter/README.md says.
    """
    from leaven import extras
    from leaven.errors import UserError
    from leaven.serving import source

    base = source.about(out)["base"]
    if llm and not (llm.startswith("openai:") and base_url):
        raise UserError(
            "--llm asks a server that you have started",
            "Name its model and its address: --llm openai:MODEL --base-url http://localhost:8000/v1.",
        )
    extras.require(*extras.STUDY)
    from leaven.cli.work import print_wide
    from leaven.llm.open import open_llm
    from leaven.llm.throttle import Limits
    from leaven.models import names
    from leaven.serving import check, matrix

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    cells = list(check.check(out, engine or (), limit, say)) if engine or not llm else []
    if llm:
        server = open_llm(llm, base_url=base_url, limits=Limits(concurrency=CALLS, attempts=2))
        cells.append(check.check_server(out, server, base_url, limit, say))
    print_wide(matrix.table(cells), 160)
    matrix.write(cells, out, names.weights(base))
    if any(cell.verdict in (check.DIFFERS, check.REFUSED) for cell in cells):
        raise typer.Exit(1)
