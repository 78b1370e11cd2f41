"""`leaven judge-check`: a judge beside published marks."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import engine

app = typer.Typer(add_completion=False)


@app.command(
    name="judge-check",
    epilog="Example: leaven judge-check marks/ --llm openai:gpt-4o --rows 100   (marks/: testset-v1.json, …)",
)
@engine.with_flags
def judge_check(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Your copies of Prometheus, PandaLM, LLMBar, AlpaGasus; any of them.")],
    llm: Annotated[str, typer.Option(help="The judge: openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE.")],
    rows: Annotated[int, typer.Option(min=0, help="Rows, or pairs, of each set; 0: all.")] = 100,
    twice: Annotated[int, typer.Option(min=0, help="Rows that are judged a second time.")] = 50,
    planted: Annotated[
        int, typer.Option(min=0, help="Rows of which copies are planted: answer swapped, cut, asking for full marks.")
    ] = 20,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest reply of the judge, in tokens.")] = 512,
    temperature: Annotated[float, typer.Option(min=0, help="Sampling temperature of the judge.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, other rows.")] = 0,
) -> None:
    """Say how far a judge agrees with published marks, beside length alone, and whether it can be gamed.

    Nothing is downloaded: sets are known by their published file names. Replies are stored: asked again they are free.
    """
    from rich.console import Console
    from rich.table import Table

    from leaven.lift import calibration, published_marks
    from leaven.llm.protocol import Sampling

    sets = published_marks.read(folder, rows, seed)
    for name in published_marks.missing(folder):
        print(f"Not in {folder}: {name} ({', '.join(published_marks.PATTERNS[name])}).", file=sys.stderr)
    count = sum(len(one.rows) for one in sets)
    total = count + min(twice, count) + 3 * min(planted, count)
    print(f"The judge is asked about {total:,} answers.", file=sys.stderr)
    with engine.opened(llm, "judging", total, **engine.flags(context.params)) as judge:
        sampling = Sampling(temperature, 1.0, max_new_tokens, seed)
        results, trust = calibration.calibrate(sets, judge, sampling, twice, planted)
    print(f"{trust.verdict}\n{trust.sentence()}")
    table = Table(title=f"{llm} beside published marks", title_justify="left")
    for column in ("set", "measure", "read"):
        table.add_column(column)
    for column in ("judge", "length alone", "gain"):
        table.add_column(column, justify="right")
    for one in results:
        read = f"{one.count:,} of {one.whole:,}"
        table.add_row(one.name, one.measure, read, str(one.judge), str(one.length), str(one.gain))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    better = [one.name for one in results if one.better]
    print(f"Better than chance and than length alone, by their intervals, on {len(better)} of {len(results)} sets"
          f"{': ' + ', '.join(better) if better else ''}. Chance is 0 (Spearman) or 0.5 (AUC, agreement).")  # fmt: skip
