"""Drop rows that give a benchmark away: the same question, one alike, or one with most of its words."""

from leaven.errors import UserError
from leaven.lift import contamination
from leaven.lift.selection import Context, Scores, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.leaks import LeaksSection
from leaven.rows.outcomes import Outcome
from leaven.section import Section

NEEDS = ()
EXAMPLE = "--against gsm8k.jsonl"


class Config(Section):
    """Which benchmarks."""

    against: tuple[str, ...] = ()
    """Benchmark files (again for each)."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Every row that overlaps with no question; the detail of the others names the first that it overlaps with."""
    if not config.against:
        raise UserError("guard has nothing to compare the rows with", "Say --against BENCHMARK.jsonl (again for each).")
    benchmarks = {path: contamination.benchmark(path) for path in config.against}
    matches = contamination.by_words(data, benchmarks, LeaksSection())
    first = {match.row: match for match in reversed(matches)}
    reasons = {row: f"gives a benchmark away ({match.kind})" for row, match in first.items()}
    details = {row: f"{match.benchmark}: {match.source}" for row, match in first.items()}
    kept = [row for row in range(len(data)) if row not in first]
    return outcome(data, kept, "guard", reasons, None, details)
