"""Claims and their verdicts: each is asked of the seeds, and corrected for the others of its family.

A study has four families. The *primary* claims, six at most, are written down before the first seed runs
(docs/preregistration.md). Our *controls* ask what they owe to the buffer. The *exploratory* ones are the other tables',
and those *with the paper's settings* say what its own hyper-parameters do here. Each family is corrected by itself.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import polars as pl

from leaven.study import manipulation, reproduction, signs
from leaven.study.statistics import Difference, count_of_seeds

Verdict = Literal["holds here", "does not hold here", "not distinguishable", "not testable here"]
Family = Literal["primary", "controls", "exploratory", "the paper's settings"]
Spec = Mapping[str, Any]

MOST_PRIMARY = 6
FOR, AGAINST = 0.045, 0.005
"""One family in twenty may have a false verdict where nothing differs: in nine of ten such cases that a claim holds,
and in one that its opposite does. A claim says beforehand on which side it stands, and is tested on that side."""
PARTS: dict[str, tuple[Family, ...]] = {"primary": ("primary",), "controls": ("primary", "controls")}
"""What of a reproduction may be asked for by the families of its claims."""
SEEDS = (3, 5, 8, 10, 12)
"""The numbers of seeds of a power table."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as the file of its scale says it, and its table."""

    spec: Spec
    table: str

    @property
    def text(self) -> str:
        """The claim in a sentence."""
        return str(self.spec["text"])

    @property
    def family(self) -> Family:
        """The family that it is corrected with."""
        return (
            "the paper's settings" if self.spec.get("preset") == "faithful" else self.spec.get("family", "exploratory")
        )

    @property
    def test(self) -> signs.Test:
        """The p-value of the claim, by the seeds' differences."""
        if margin := self.spec.get("alike"):
            return partial(signs.p_alike, margin=margin)
        return partial(signs.p_value, alternative="greater" if self.spec.get("higher", True) else "less")

    @property
    def opposite(self) -> signs.Test:
        """That of its opposite."""
        if margin := self.spec.get("alike"):
            return partial(signs.p_unlike, margin=margin)
        return partial(signs.p_value, alternative="less" if self.spec.get("higher", True) else "greater")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said to a claim: the difference, its p-value after Holm's correction over its family, the verdict.

    `strangeness` says how strange the answers of others are to the untouched model, where one of its methods took them.
    """

    claim: Claim
    difference: Difference
    p_value: float
    verdict: Verdict
    family_size: int
    strangeness: str = ""

    @property
    def level(self) -> float:
        """What a p-value must be below, before its correction, where the claim is the hardest of its family."""
        return FOR / self.family_size


def claims(study: str, scale: str = "lab") -> list[Claim]:
    """Every claim that is asked of a study, in the order of the tables."""
    return [
        Claim(claim, name)
        for name in reproduction.names(scale)
        for table in [reproduction.spec(name, scale)]
        for claim in table["claims"]
        if study in claim.get("studies", table["studies"])
    ]


def tables(families: Collection[Family], scale: str = "lab") -> list[str]:
    """The tables that have a claim of these families."""
    specs = reproduction.specification(scale)
    return [
        name for name, spec in specs.items() if any(Claim(claim, name).family in families for claim in spec["claims"])
    ]


def compared(study: str, families: Collection[Family], scale: str, largest: int) -> frozenset[tuple[str, int]]:
    """The method and size of every cell that a claim of these families is about."""
    specs = [claim.spec for claim in claims(study, scale) if claim.family in families]
    return frozenset((spec[side], int(spec.get("size", largest))) for spec in specs for side in ("a", "b"))


def judgements(
    study: str, scores: pl.DataFrame, scale: str = "lab", untestable: Collection[str] = ()
) -> list[Judgement]:
    """What can be said to each claim of a study whose cells are there, family by family.

    `untestable` are tests and measures that can tell nothing of the model (`ceilings.verdicts`); a claim with a `floor`
    can't be told where neither method reaches it.
    """
    families: dict[Family, list[Claim]] = {}
    for claim in claims(study, scale):
        families.setdefault(claim.family, []).append(claim)
    return [one for members in families.values() for one in _of_family(members, scores, untestable)]


def open_claims(study: str, scores: pl.DataFrame, scale: str = "lab") -> list[Claim]:
    """The claims of a study whose cells have not all run."""
    return [claim for claim in claims(study, scale) if _difference(claim, scores) is None]


def power_table(members: Sequence[Judgement]) -> Iterator[tuple[Judgement, list[float]]]:
    """For each claim the chance that so many fresh seeds show it (`SEEDS`), if they are like those that have run."""
    for one in members:
        if one.difference.n_seeds >= SEEDS[0]:
            yield one, [signs.power(one.difference.per_seed, n, one.level, one.claim.test) for n in SEEDS]


def underpowered(n_seeds: int) -> str:
    """What so few seeds can't show, in a sentence; nothing where there are enough for the hardest primary claim.

    >>> underpowered(3)
    "3 seeds can't give a one-sided p below 0.12, and the hardest of 6 claims needs 0.0075: 8 seeds can."
    """
    least, level = signs.least_p(n_seeds), FOR / MOST_PRIMARY
    if least < level:
        return ""
    enough = next(n for n in range(n_seeds, 99) if signs.least_p(n) < level)
    return (
        f"{count_of_seeds(n_seeds)} can't give a one-sided p below {least:.2g}, and the hardest of "
        f"{MOST_PRIMARY} claims needs {level:.2g}: {enough} seeds can."
    )


def _of_family(members: Sequence[Claim], scores: pl.DataFrame, untestable: Collection[str]) -> Iterator[Judgement]:
    """Those whose cells are there, corrected for all of them."""
    pairs = [(claim, gap) for claim in members if (gap := _difference(claim, scores))]
    p_values = signs.holm([claim.test(gap.per_seed) for claim, gap in pairs], of=len(members))
    opposite = signs.holm([claim.opposite(gap.per_seed) for claim, gap in pairs], of=len(members))
    for (claim, gap), p, against in zip(pairs, p_values, opposite, strict=True):
        dead = not {_test(claim.spec), claim.spec["metric"]}.isdisjoint(untestable) or _below_floor(claim, scores)
        verdict: Verdict = "not testable here" if dead else _verdict(claim, gap, p, against)
        sides = (claim.spec["a"], claim.spec["b"])
        strangeness = manipulation.of_scores(scores, sides, _size(claim.spec, scores))
        yield Judgement(claim, gap, p, verdict, len(members), strangeness)


def _verdict(claim: Claim, difference: Difference, p: float, against: float) -> Verdict:
    sure = difference.apart or "alike" in claim.spec
    if sure and p < FOR:
        return "holds here"
    return "does not hold here" if sure and against < AGAINST else "not distinguishable"


def _difference(claim: Claim, scores: pl.DataFrame) -> Difference | None:
    spec, size = claim.spec, _size(claim.spec, scores)
    return reproduction.difference_of(
        scores, spec["a"], spec["b"], spec["metric"], size, spec.get("item"), spec.get("success")
    )


def _size(spec: Spec, scores: pl.DataFrame) -> int:
    return int(spec.get("size", reproduction.largest(scores)))


def _test(spec: Spec) -> str:
    return str(spec["metric"]).partition("/")[0]


def _below_floor(claim: Claim, scores: pl.DataFrame) -> bool:
    """Whether a claim has a floor, and none of its methods reaches it."""
    spec, size = claim.spec, _size(claim.spec, scores)
    reached = [
        reproduction.estimate_of(scores, method, spec["metric"], size, spec.get("item"))
        for method in (spec["a"], spec["b"])
    ]
    return "floor" in spec and all(each is None or each.mean < spec["floor"] for each in reached)
