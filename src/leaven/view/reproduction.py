"""A reproduction in Markdown and on the terminal: the paper's figures beside ours, claims with verdicts, charts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table as RichTable

# Shapes of `study/reproduction.py`; this page reads them, and imports nothing of it.
Cell = Any
Shown = Any
SETTINGS = {"ours": "our settings", "faithful": "the paper's settings"}


@dataclass(frozen=True, slots=True)
class Section:
    """All there is to say on one table or figure."""

    name: str
    spec: Mapping[str, Any]
    tables: Sequence[Shown]
    points: Sequence[Any]
    claims: Sequence[Any]
    scale: str
    subject: str = ""
    """What it was measured on, where there is one section for each of several studies."""
    untestable: Mapping[str, str] = field(default_factory=dict)
    """Tests that can tell nothing of the model, with the reason."""
    leaks: Sequence[str] = ()
    """What was left out since training has seen it, in sentences."""

    @property
    def stem(self) -> str:
        """The name of its files."""
        return f"{self.name}-{self.subject}" if self.subject else self.name

    @property
    def title(self) -> str:
        """Its heading."""
        return f"{self.spec['title']} ({self.subject})" if self.subject else str(self.spec["title"])


def markdown(section: Section) -> str:
    """The section as Markdown."""
    text = [f"## {section.title}", "", f"Scale: {section.scale}.", ""]
    for table in section.tables:
        text += [f"**With {SETTINGS[table.preset]}.** {table.sentence}", "", *_rows(table), ""]
    if section.points:
        text += [f"![{section.title}]({section.stem}.svg)", "", *_series(section), ""]
    both = len({claim.preset for claim in section.claims}) > 1
    for preset in dict.fromkeys(claim.preset for claim in section.claims):
        text += [f"Claims, with {SETTINGS[preset]}:", ""] if both else []
        text += [
            f"- {'(our control) ' if claim.control else ''}{claim.text}: **{claim.verdict}**{_evidence(claim)}"
            for claim in section.claims
            if claim.preset == preset
        ]
        text.append("")
    judged = {claim.difference.metric.partition("/")[0] for claim in section.claims if claim.difference}
    if dead := [test for test in section.untestable if test in judged]:
        text += [*(f"- Not testable here, {test}: {section.untestable[test]}." for test in dead), ""]
    text += [*(f"*{note}*\n" for note in (*section.leaks, *section.spec["notes"]))]
    return "\n".join(text).rstrip() + "\n"


def page(sections: Sequence[Section], caution: str = "") -> str:
    """All sections as one page, which begins with every claim and what can be said to it.

    `caution` is what so many seeds can't show.
    """
    lines = ["# The DELIA paper, reproduced", "", f"Scale: {sections[0].scale}. {caution}".strip(), ""]
    lines += [*verdicts(sections), "", *counts(sections), ""]
    return "\n".join([*lines, *map(markdown, sections)])


def verdicts(sections: Sequence[Section]) -> Iterator[str]:
    """Every claim with what can be said to it: by settings, or by subject where the sections have some."""
    subjects = list(dict.fromkeys(section.subject for section in sections if section.subject))
    yield " | ".join(["| claim", *(subjects or [f"with {words}" for words in SETTINGS.values()])]) + " |"
    yield "|---" * (1 + len(subjects or SETTINGS)) + "|"
    rows: dict[str, dict[str, str]] = {}
    for section in sections:
        for claim in section.claims:
            row = rows.setdefault(f"{section.name}: {'(our control) ' if claim.control else ''}{claim.text}", {})
            row[section.subject or claim.preset] = claim.verdict
    for text, said in rows.items():
        yield " | ".join([f"| {text}", *(said.get(column, "–") for column in subjects or SETTINGS)]) + " |"


def counts(sections: Sequence[Section]) -> Iterator[str]:
    """How many claims have which verdict, in a line for each column of `verdicts`."""
    said: dict[str, Counter[str]] = {}
    for section in sections:
        for claim in section.claims:
            said.setdefault(section.subject or f"with {SETTINGS[claim.preset]}", Counter())[claim.verdict] += 1
    for column, verdict in said.items():
        told = ", ".join(f"{count} {words}" for words, count in verdict.most_common())
        yield f"- {column}: of {verdict.total()} claims {told}"


def terminal(table: Shown, subject: str = "") -> "RichTable":
    """A table for the terminal; each cell is the paper's figure, an arrow, and ours."""
    from rich.table import Table

    made = Table(
        title=f"{table.title} ({subject or SETTINGS[table.preset]})", title_justify="left", caption=table.sentence
    )
    made.add_column("method")
    for column in table.columns:
        made.add_column(column["name"], justify="right")
    for name, cells in table.rows:
        texts = (_short(cell, column) for cell, column in zip(cells, table.columns, strict=True))
        made.add_row(name, *texts)
    return made


def chart(section: Section, path: Path) -> None:
    """Draw a figure's points with their intervals as SVG and PNG."""
    import altair as alt
    import polars as pl

    from leaven.view import charts

    rows = [(p.series, str(p.x), p.mean, p.low, p.high) for p in section.points]
    frame = pl.DataFrame(rows, orient="row", schema=["series", "x", "mean", "low", "high"])
    x = alt.X("x:O", title=section.spec["x_title"], sort=[str(x) for x in section.spec["x"]])
    base = alt.Chart(frame).encode(x=x, color=alt.Color("series:N", title=None))
    y = alt.Y("mean:Q", title=section.spec["y_title"])
    drawn = (
        base.mark_line(point=True).encode(y=y) + base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
    ).properties(width=560, height=280)
    charts.draw(drawn, path)


def _rows(table: Shown) -> Iterator[str]:
    yield "| method | " + " | ".join(column["name"] for column in table.columns) + " |"
    yield "|---|" + "--:|" * len(table.columns)
    for name, cells in table.rows:
        texts = (_long(cell, column) for cell, column in zip(cells, table.columns, strict=True))
        yield f"| {name} | " + " | ".join(texts) + " |"
    yield ""
    yield "Each cell: the paper's figure → ours (95 % interval over seeds and items); bold: best beyond doubt."


def _series(section: Section) -> Iterator[str]:
    xs = section.spec["x"]
    yield f"| {section.spec['x_title']} | " + " | ".join(str(x) for x in xs) + " |"
    yield "|---|" + "--:|" * len(xs)
    for name in dict.fromkeys(point.series for point in section.points):
        found = {point.x: point for point in section.points if point.series == name}
        yield f"| {name} | " + " | ".join(_interval(found.get(x), 1) for x in xs) + " |"


def _long(cell: Cell, column: Mapping[str, Any]) -> str:
    ours = _interval(cell.found, 100 if column.get("percent") else 1)
    paper = "" if cell.paper is None else f"{cell.paper:g} → "
    return f"{paper}**{ours}**" if cell.best else f"{paper}{ours}"


def _short(cell: Cell, column: Mapping[str, Any]) -> str:
    if cell.found is None:
        return "–"
    ours = _number(cell.found.mean * (100 if column.get("percent") else 1))
    paper = "" if cell.paper is None else f"{cell.paper:g} → "
    return f"{paper}[bold]{ours}[/bold]" if cell.best else f"{paper}{ours}"


def _interval(found: Any, factor: float) -> str:
    if found is None:
        return "–"
    mean = _number(found.mean * factor)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} ({_number(found.low * factor)} to {_number(found.high * factor)})"


def _evidence(claim: Any) -> str:
    if claim.difference is None:
        return ""
    gap = claim.difference
    seeds = f"{gap.n_seeds} seed{'s' if gap.n_seeds > 1 else ''}"
    return f" ({gap.method_a} less {gap.method_b}: {_interval(gap, 1)}, p {claim.p_value:.2g}, {seeds})"


def _number(value: float) -> str:
    size = abs(value)
    text = f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"
    return text.replace("-", "−").removesuffix(".0")
