"""`leaven merge`: an adapter merged into a model of its own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven merge runs/halu/cells/delia-n100-s0/adapter merged")
def merge(
    adapter: Annotated[Path, typer.Argument(help="The folder of an adapter.")],
    out: Annotated[Path, typer.Argument(help="The folder of the new model.")],
    model: Annotated[str, typer.Option(help="The base model; by default the one that the adapter names.")] = "",
    trust_remote_code: Annotated[bool, typer.Option(help="Run Python code that comes with the model.")] = False,
) -> None:
    """Merge an adapter into a model of its own, which needs neither peft nor leaven."""
    import json

    from leaven.cli.work import refuse_taken
    from leaven.models import names

    names.check_adapter(adapter)
    refuse_taken(out)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    base = model or config["base_model_name_or_path"]
    from leaven.models import adapter as adapters

    adapters.merge(adapter, out, names.path(base), trust_remote_code)
    print(f"The merged model is in {out}. Next: load it with AutoModelForCausalLM.from_pretrained({str(out)!r}).")
