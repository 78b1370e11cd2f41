"""`leaven view`: the page of a run, served on this machine or written as a folder to send."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven view runs/quickstart")
def view(
    run: Annotated[Path, typer.Argument(help="The folder of a study or a lift; it may still be running.")],
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="Write the page as this folder, which opens from disk, and serve nothing."),
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on loopback; 0: one that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Look at a run: answers side by side, the story of a row, the run as it goes. Ctrl-C ends it.

    Only this machine can ask for the page, and only by its address, which holds a secret.
    """
    if out:
        from leaven.view import bundle

        print(f"Page: {bundle.write(run, Path(out))}")
        return
    import webbrowser

    from leaven.view import server

    with server.serve(run, port) as page:
        print(f"Page: {server.url(page)}", flush=True)
        print("Ctrl-C ends it.", file=sys.stderr)
        if browser:
            webbrowser.open(server.url(page))
        try:
            page.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
