"""`leaven judge-check`: a judge beside published marks."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import engine, flags
from leaven.cli.main import OPEN
from leaven.lift.selectors.quality import Config as Quality

app = typer.Typer(add_completion=False)
JUDGING = {name: name for name in ("temperature", "top_p", "max_new_tokens", "twice", "planted")}
"""Settings of the selector `quality` that this judge has too."""


@app.command(
    name="judge-check",
    epilog="Example: leaven judge-check marks/ --llm openai:gpt-4o --rows 100   (marks/: testset-v1.json, …)",
)
@engine.with_flags
@flags.added(flags.of(Quality, "The judge", called=JUDGING))
def judge_check(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Your copies of Prometheus, PandaLM, LLMBar, AlpaGasus; any of them.")],
    llm: Annotated[str, typer.Option(help="The judge: openai:MODEL, hf:MODEL_OR_DIR, vllm:MODEL or scripted:FILE.")],
    rows: Annotated[int, typer.Option(min=0, help="Rows, or pairs, of each set; 0: all.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed, other rows.")] = 0,
) -> None:
    """Say how far a judge agrees with published marks, beside length alone, and whether it can be gamed.

    Nothing is downloaded: sets are known by their published file names. Replies are stored: asked again they are free.
    """
    from rich.table import Table

    from leaven.cli.work import checked, print_wide
    from leaven.lift import calibration, published_marks
    from leaven.lift.selectors import quality
    from leaven.llm.protocol import Sampling

    config = checked(Quality, flags.given(Quality, context.params))
    sets = published_marks.read(folder, rows, seed)
    for name in published_marks.missing(folder):
        print(f"Not in {folder}: {name} ({', '.join(published_marks.PATTERNS[name])}).", file=sys.stderr)
    count = sum(len(one.rows) for one in sets)
    total = quality.calls(count, config)
    print(f"The judge is asked about {total:,} answers.", file=sys.stderr)
    with engine.opened(llm, "judging", total, **engine.flags(context.params)) as judge:
        sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed)
        results, trust, errors = calibration.calibrate(sets, judge, sampling, config.twice, config.planted)
    print(f"{trust.verdict}\n{trust.sentence()}")
    table = Table(title=f"{llm} beside published marks", title_justify="left")
    for column in ("set", "measure", "read"):
        table.add_column(column)
    for column in ("judge", "length alone", "gain"):
        table.add_column(column, justify="right")
    for one in results:
        read = f"{one.count:,} of {one.whole:,}"
        table.add_row(one.name, one.measure, read, str(one.judge), str(one.length), str(one.gain))
    print_wide(table, 120)
    better = [one.name for one in results if one.better]
    print(f"Better than chance and than length alone, by their intervals, on {len(better)} of {len(results)} sets"
          f"{': ' + ', '.join(better) if better else ''}. Chance is 0 (Spearman) or 0.5 (AUC, agreement).")  # fmt: skip
    if errors:
        print(f"Open: {len(errors):,} calls failed, the first: {errors[0]}. The same command asks for those alone.",
              file=sys.stderr)  # fmt: skip
        raise SystemExit(OPEN)
