"""The claims that are written down before the runs, as Markdown: made from the files that `leaven reproduce` judges by.

`docs/make.py` puts it into docs/preregistration.md, and a test compares both.
"""

from collections.abc import Iterator

from leaven.study import families, reproduce, signs
from leaven.study.families import AGAINST, FOR, MOST_PRIMARY, SEEDS, Claim
from leaven.view.reproduction import FAMILIES, count_of_claims

EFFECTS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Differences in standard deviations of the seeds' differences."""


def markdown() -> str:
    """Every family of every study, and what so many seeds can show."""
    return "\n".join([*_power(), "", *(line for scale in reproduce.SCALES for line in _scale(scale))]).rstrip()


def _scale(scale: str) -> Iterator[str]:
    for study in reproduce.SCALES[scale]:
        claims = families.claims(study, scale)
        yield from (f"## Scale {scale}, study {study}", "")
        for family, words in FAMILIES.items():
            members = [claim for claim in claims if claim.family == family]
            if members:
                yield from (f"{count_of_claims(len(members))}, {words}:", "")
                yield from ("| claim | shown by | measure |", "|---|---|---|")
                yield from map(_row, members)
                yield ""


def _row(claim: Claim) -> str:
    spec = claim.spec
    item = f" of {spec['item']}" if "item" in spec else ""
    size = f", n = {spec['size']}" if "size" in spec else ""
    floor = f"; not testable where neither reaches {spec['floor']}" if "floor" in spec else ""
    relation = f"`{spec['a']}` {_relation(claim)} `{spec['b']}`"
    return f"| {claim.table}: {claim.text} | {relation} | `{spec['metric']}`{item}{size}{floor} |"


def _relation(claim: Claim) -> str:
    """How the first method must stand to the second."""
    if margin := claim.spec.get("alike"):
        return f"within ±{margin} of"
    side = "above" if claim.spec.get("higher", True) else "below"
    return f"{side}, in seeds that reach {claim.spec['success']}," if "success" in claim.spec else side


def _power() -> Iterator[str]:
    hardest = FOR / MOST_PRIMARY
    yield f"Percent of studies in which the hardest of {MOST_PRIMARY} claims is shown (p below {hardest:.2g}) where"
    yield "the mean difference is so many standard deviations of the seeds' differences:"
    yield ""
    yield "| seeds | " + " | ".join(f"{effect:g} sd" for effect in EFFECTS) + " |"
    yield "|--:|" + "--:|" * len(EFFECTS)
    for n in SEEDS:
        shares = [signs.power(signs.normal_pilot(effect, 1.0), n, hardest) for effect in EFFECTS]
        yield f"| {n} | " + " | ".join(f"{100 * share:.0f}" for share in shares) + " |"
    yield ""
    yield f"The opposite of a claim is shown where its p, corrected in the same way, is below {AGAINST}."
