"""A reproduction in Markdown and on the terminal: the paper's figures beside ours, claims with verdicts, charts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

from leaven.study.families import SEEDS, Judgement, power_table
from leaven.study.reproduction import Entry, Point, Table
from leaven.study.statistics import Estimate, Interval, count_of_seeds

if TYPE_CHECKING:
    from rich.table import Table as RichTable

SETTINGS = {"ours": "our settings", "faithful": "the paper's settings"}
FAMILIES = {
    "primary": "primary (written down before the runs)",
    "controls": "our controls",
    "exploratory": "exploratory",
    "the paper's settings": "with the paper's settings",
}


@dataclass(frozen=True, slots=True)
class Section:
    """All there is to say on one table or figure."""

    name: str
    spec: Mapping[str, Any]
    tables: Sequence[Table]
    points: Sequence[Point]
    judgements: Sequence[Judgement]
    scale: str
    subject: str = ""
    """What it was measured on, where there is one section for each of several studies."""
    untestable: Mapping[str, str] = field(default_factory=dict)
    """Tests that can tell nothing of the model, with the reason."""
    sentences: Sequence[str] = ()
    """What was left out since training has seen it, and what words reach in the token's place, in sentences."""

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
    for family in dict.fromkeys(one.claim.family for one in section.judgements):
        text += [f"Claims, {FAMILIES[family]}:", ""]
        text += [
            f"- {one.claim.text}: **{one.verdict}**{_evidence(one)}"
            for one in section.judgements
            if one.claim.family == family
        ]
        text.append("")
    judged = {
        name for one in section.judgements for name in (one.difference.metric.partition("/")[0], one.difference.metric)
    }
    if dead := [test for test in section.untestable if test in judged]:
        text += [*(f"- Not testable here, {test}: {section.untestable[test]}." for test in dead), ""]
    text += [*(f"*{note}*\n" for note in (*section.sentences, *section.spec["notes"]))]
    return "\n".join(text).rstrip() + "\n"


def page(sections: Sequence[Section], caution: str = "", still_open: Sequence[str] = ()) -> str:
    """All sections as one page, which begins with every claim and what can be said to it, family by family.

    `caution` is what so many seeds can't show, `still_open` are claims whose cells have not all run.
    """
    lines = ["# The DELIA paper, reproduced", "", f"Scale: {sections[0].scale}. {caution}".strip(), ""]
    claims = [(section.subject, one) for section in sections for one in section.judgements]
    for family, words in FAMILIES.items():
        members = [(subject, one) for subject, one in claims if one.claim.family == family]
        if members:
            lines += [f"## Claims, {words}", "", *verdicts(members), "", *counts(members), "", *_power(members), ""]
    if still_open:
        lines += ["No verdict yet, since their cells have not all run (the same command goes on):", ""]
        lines += [*(f"- {text}" for text in still_open), ""]
    return "\n".join([*lines, *map(markdown, sections)])


def verdicts(claims: Sequence[tuple[str, Judgement]]) -> Iterator[str]:
    """Every claim of (subject, claim) with its verdict, and a column for each subject where there are some."""
    subjects = list(dict.fromkeys(subject for subject, _ in claims))
    yield " | ".join(["| claim", *(subject or "verdict" for subject in subjects)]) + " |"
    yield "|---" * (1 + len(subjects)) + "|"
    rows: dict[str, dict[str, str]] = {}
    for subject, one in claims:
        rows.setdefault(f"{one.claim.table}: {one.claim.text}", {})[subject] = one.verdict
    for text, said in rows.items():
        yield " | ".join([f"| {text}", *(said.get(subject, "–") for subject in subjects)]) + " |"


def counts(claims: Sequence[tuple[str, Judgement]]) -> Iterator[str]:
    """How many claims have which verdict, in a line for each subject."""
    verdicts: dict[str, Counter[str]] = {}
    for subject, one in claims:
        verdicts.setdefault(subject, Counter())[one.verdict] += 1
    for subject, verdict in verdicts.items():
        tally = ", ".join(f"{words} {count}" for words, count in verdict.most_common())
        yield f"- {subject or 'all'}, {count_of_claims(verdict.total())}: {tally}"


def count_of_claims(count: int) -> str:
    """So many claims, in words."""
    return f"{count} claim{'s' * (count != 1)}"


def _power(claims: Sequence[tuple[str, Judgement]]) -> Iterator[str]:
    """How often so many seeds would show each claim at its family's hardest level, were they like those that ran."""
    rows = [(subject, *row) for subject, one in claims for row in power_table([one])]
    if rows:
        yield "Power, percent: how often so many fresh seeds would show it, drawn from the differences of these seeds."
        yield ""
        yield "| claim | difference ± sd of seeds | level | " + " | ".join(f"n = {n}" for n in SEEDS) + " |"
        yield "|---|--:|--:|" + "--:|" * len(SEEDS)
    for subject, one, shares in rows:
        gap = one.difference
        about = f"{_number(gap.mean)} ± {_number(stdev(gap.per_seed))}"
        where = f"{one.claim.table}{f', {subject}' if subject else ''}"
        power = " | ".join(f"{100 * share:.0f}" for share in shares)
        yield f"| {where}: {one.claim.text} | {about} | {one.level:.2g} | {power} |"


def terminal(table: Table, subject: str = "") -> "RichTable":
    """A table for the terminal; each entry is the paper's figure, an arrow, and ours."""
    from rich.table import Table as RichTable

    drawing = RichTable(
        title=f"{table.title} ({subject or SETTINGS[table.preset]})", title_justify="left", caption=table.sentence
    )
    drawing.add_column("method")
    for column in table.columns:
        drawing.add_column(column["name"], justify="right")
    for name, entries in table.rows:
        texts = (_short(entry, column) for entry, column in zip(entries, table.columns, strict=True))
        drawing.add_row(name, *texts)
    return drawing


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
    figure = (
        base.mark_line(point=True).encode(y=y) + base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
    ).properties(width=560, height=280)
    charts.draw(figure, path)


def _rows(table: Table) -> Iterator[str]:
    yield "| method | " + " | ".join(column["name"] for column in table.columns) + " |"
    yield "|---|" + "--:|" * len(table.columns)
    for name, entries in table.rows:
        texts = (_long(entry, column) for entry, column in zip(entries, table.columns, strict=True))
        yield f"| {name} | " + " | ".join(texts) + " |"
    yield ""
    yield "Each cell: the paper's figure → ours (95 % interval over seeds and items); bold: best beyond doubt."


def _series(section: Section) -> Iterator[str]:
    xs = section.spec["x"]
    yield f"| {section.spec['x_title']} | " + " | ".join(str(x) for x in xs) + " |"
    yield "|---|" + "--:|" * len(xs)
    for name in dict.fromkeys(point.series for point in section.points):
        points = {point.x: point for point in section.points if point.series == name}
        yield f"| {name} | " + " | ".join(_interval(points.get(x), 1) for x in xs) + " |"


def _long(entry: Entry, column: Mapping[str, Any]) -> str:
    ours = _interval(entry.ours, 100 if column.get("percent") else 1)
    paper = "" if entry.paper is None else f"{entry.paper:g} → "
    return f"{paper}**{ours}**" if entry.best else f"{paper}{ours}"


def _short(entry: Entry, column: Mapping[str, Any]) -> str:
    if entry.ours is None:
        return "–"
    ours = _number(entry.ours.mean * (100 if column.get("percent") else 1))
    paper = "" if entry.paper is None else f"{entry.paper:g} → "
    return f"{paper}[bold]{ours}[/bold]" if entry.best else f"{paper}{ours}"


def _interval(estimate: Estimate | Interval | Point | None, factor: float) -> str:
    if estimate is None:
        return "–"
    mean = _number(estimate.mean * factor)
    if estimate.low is None or estimate.high is None:
        return mean
    return f"{mean} ({_number(estimate.low * factor)} to {_number(estimate.high * factor)})"


def _evidence(one: Judgement) -> str:
    """The difference (of distances the ratio), its interval, p after Holm's correction, and a check of what differs."""
    gap = one.difference
    unit = "share of seeds that succeed, " if "success" in one.claim.spec else ""
    how = "over" if gap.is_ratio else "less"
    p = f"p {one.p_value:.2g}, {count_of_seeds(gap.n_seeds)}"
    check = f". {one.strangeness}" if one.strangeness else ""
    return f" ({unit}{gap.method_a} {how} {gap.method_b}: {_interval(gap.shown, 1)}, {p}){check}"


def _number(value: float) -> str:
    size = abs(value)
    text = f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"
    return text.replace("-", "−").removesuffix(".0")
