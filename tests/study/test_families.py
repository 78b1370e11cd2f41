"""Claims: a verdict for each that is asked, on the side where it stands, corrected for the others of its family."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leaven.study import families, reproduction
from leaven.study.run import SCHEMA
from leaven.view import preregistration
from leaven.view import reproduction as pages

SEEDS, ITEMS = 12, 20


def scores_of(shares, metric="unseen_phrasing/format", size=100, seeds=SEEDS):
    """Scores of 0 and 1 with these shares by method."""
    rng = np.random.default_rng(0)
    rows = [
        (method, size, seed, metric, f"i{item}", float(rng.random() < share))
        for method, share in shares.items()
        for seed in range(seeds)
        for item in range(ITEMS)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def by_seed(values, metric="t/m"):
    rows = [(m, 100, seed, metric, "", float(v)) for m, each in values.items() for seed, v in enumerate(each)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture
def judged(monkeypatch):
    """The judgements on made-up claims of one table."""

    def judge(claims, scores, untestable=()):
        about = {
            "title": "T",
            "studies": ["s"],
            "claims": [{"text": "t", "a": "a", "b": "b", "metric": "t/m"} | claim for claim in claims],
        }
        monkeypatch.setattr(reproduction, "specification", lambda scale: {"t": about})
        return families.judgements("s", scores, "made-up", untestable)

    return judge


RNG = np.random.default_rng(0)
SOME = RNG.normal(0.5, 0.1, SEEDS)


@pytest.mark.parametrize(
    ("claim", "gap", "verdict"),
    [
        ({}, 0.3, "holds here"),
        ({}, -0.3, "does not hold here"),
        ({}, 0.0, "not distinguishable"),
        ({"higher": False}, -0.3, "holds here"),
        ({"higher": False}, 0.3, "does not hold here"),
        ({"alike": 0.2}, 0.0, "holds here"),
        ({"alike": 0.2}, 0.5, "does not hold here"),
        ({"alike": 0.005}, 0.0, "not distinguishable"),
    ],
)
def test_a_claim_has_a_verdict_by_the_side_on_which_it_stands(judged, claim, gap, verdict):
    noise = np.random.default_rng(1).normal(0, 0.05, SEEDS)
    (one,) = judged([claim], by_seed({"a": SOME + gap + noise - noise.mean(), "b": SOME}))
    assert one.verdict == verdict


def test_few_seeds_have_no_verdict_however_sure_they_look(judged):
    for seeds, verdict in [(4, "not distinguishable"), (12, "holds here")]:
        (one,) = judged([{}], scores_of({"a": 1.0, "b": 0.0}, "t/m", seeds=seeds))
        assert one.verdict == verdict and one.p_value == 0.5**seeds
    assert "needs 0.0075: 8 seeds can" in families.underpowered(3) and families.underpowered(8) == ""


def test_a_family_is_corrected_by_itself_and_for_claims_that_have_not_run(judged):
    scores = by_seed({"a": SOME + 0.3, "b": SOME})
    absent = {"a": "not run", "family": "primary"}
    one, other = judged([{"family": "primary"}, absent, absent, {}], scores)
    assert (one.p_value, other.p_value) == (3 / 2**12, 1 / 2**12)
    assert (one.level, other.level) == (0.015, 0.045)
    assert [claim.spec["a"] for claim in families.open_claims("s", scores, "made-up")] == ["not run", "not run"]


def test_where_seeds_do_all_or_nothing_the_share_that_succeeds_is_judged(judged):
    a, b = [1.0] * 11 + [0.0], [1.0] * 2 + [0.0] * 10
    (one,) = judged([{"success": 0.5}], by_seed({"a": a, "b": b}))
    assert one.verdict == "holds here" and one.difference.mean == 9 / 12


def test_a_test_that_tells_nothing_of_the_model_gives_no_verdict(judged):
    scores = by_seed({"a": SOME + np.linspace(0.28, 0.32, SEEDS), "b": SOME})
    assert judged([{}], scores, ("t",))[0].verdict == "not testable here"
    assert judged([{}], scores, ("t/m",))[0].verdict == "not testable here"  # this measure of the test alone
    assert judged([{}], scores, ("t/other",))[0].verdict != "not testable here"
    assert judged([{"floor": 2.0}], scores)[0].verdict == "not testable here"  # neither translates at all
    assert judged([{"floor": 0.7}], scores)[0].verdict == "holds here"


def test_an_interval_that_reaches_zero_holds_a_verdict_back(judged):
    """All seeds agree on these questions, and all by one phrasing of six: another test could say otherwise."""
    rows = [
        (method, 100, seed, "t/m", f"i{item}", float(method == "a" and item % 6 == 0), f"p{item % 6}")
        for method in "ab" for seed in range(SEEDS) for item in range(60)
    ]  # fmt: skip
    scores = pl.DataFrame(rows, schema={**SCHEMA, "phrasing": pl.String}, orient="row")
    (one,) = judged([{}], scores)
    assert one.p_value == 2**-12 and one.verdict == "not distinguishable"
    assert judged([{}], scores.drop("phrasing"))[0].verdict == "holds here"


def test_the_page_begins_with_every_claim_family_by_family_and_its_power():
    scores = scores_of({"delia": 0.95, "common_7_steps": 0.2, "delia_paper": 0.5, "common_paper": 0.5})
    every = families.judgements("format", scores)
    own = [one for one in every if one.claim.table == "table2"]
    spec = reproduction.spec("table2")
    section = pages.Section("table2", spec, reproduction.tables("table2", scores), [], own, "lab, 12 seeds")
    page = pages.page([section], still_open=["DELIA is above the moon"])
    head, _, rest = page.partition("## Table 2")
    text = "The paper's main claim: above common tuning, here of 7 steps of 16 rows"
    assert f"| table2: {text} | holds here |" in head and "- DELIA is above the moon" in head
    assert "Power, percent" in head and "| n = 3 | n = 5 | n = 8 | n = 10 | n = 12 |" in head
    assert f"- {text}: **holds here** (delia less common_7_steps: " in rest and "Scale: lab, 12 seeds." in rest
    assert "96 → **" in rest and "percentage points" in rest
    assert pages.terminal(section.tables[0]).row_count == len(section.tables[0].rows)


def test_a_page_of_several_studies_has_a_verdict_for_each():
    spec = reproduction.spec("table2", "smol")
    sections = []
    for study, shares in {
        "json": {"delia": 0.9, "common_7_steps": 0.2},
        "halu": {"delia": 0.9, "common_7_steps": 0.9},
    }.items():
        scores = scores_of(shares)
        own = [one for one in families.judgements(study, scores, "smol") if one.claim.table == "table2"]
        tables = reproduction.tables("table2", scores, "smol")
        sections.append(pages.Section("table2", spec, tables, [], own, "smol", study))
    page = pages.page(sections)
    assert "| claim | json | halu |\n|---|---|---|\n" in page
    assert page.count("percent (json)") == page.count("percent (halu)") == 1
    assert [section.stem for section in sections] == ["table2-json", "table2-halu"]


def test_what_is_registered_is_what_is_judged():
    """docs/preregistration.md is made of the same files: who changes a claim there or here is told."""
    page = (Path(__file__).parents[2] / "docs" / "preregistration.md").read_text(encoding="utf-8")
    assert preregistration.markdown() in page, "python docs/make.py"
    primary = [claim for claim in families.claims("format") if claim.family == "primary"]
    assert len(primary) == 6 and all(f"| table2: {claim.text} | `delia` " in page for claim in primary)
