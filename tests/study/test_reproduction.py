"""The tables on made-up scores: the paper beside ours, bold only beyond doubt, and a verdict for each claim."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from leaven import plugs
from leaven.errors import UserError
from leaven.study import recipe as recipes
from leaven.study import reproduce, reproduction, statistics
from leaven.study.recipe import RECIPES
from leaven.study.run import SCHEMA
from leaven.task.test import metric as metric_of
from leaven.view import reproduction as pages

SEEDS, ITEMS = 3, 60


def made(values, metric="unseen_phrasing/format", size=100, seed=0):
    """Scores of 0 and 1 with these shares by method."""
    rng = np.random.default_rng(seed)
    rows = [
        (method, size, s, metric, f"i{i}", float(rng.random() < share))
        for method, share in values.items()
        for s in range(SEEDS)
        for i in range(ITEMS)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def by_seed(values, metric):
    rows = [(m, 100, s, metric, "", float(v)) for m, each in values.items() for s, v in enumerate(each)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def recipe_of(study, scale):
    return recipes.read(RECIPES / f"{reproduce.SCALES[scale][study].recipe}.yaml")


def test_every_label_of_a_table_is_in_its_studys_recipe():
    for name in reproduction.names():
        (study,) = reproduction.spec(name)["studies"]
        if study == "gradients":
            continue
        recipe = recipe_of(study, "lab")
        known = {method.label for method in recipe.methods}
        assert reproduction.methods(name) <= known, name
        sizes = {column.get("size", 100) for column in reproduction.spec(name).get("columns", ())}
        assert sizes <= set(recipe.sizes)


def test_what_a_table_of_the_real_model_shows_is_in_the_recipe_of_one_of_its_studies():
    """The first study of a table has all of it; the others have some of its rows, the main ones among them."""
    for name in reproduction.names("smol"):
        first, *others = reproduction.spec(name, "smol")["studies"]
        known = [{method.label for method in recipe_of(study, "smol").methods} for study in (first, *others)]
        assert reproduction.methods(name, "smol") <= known[0], name
        assert all({"original", "no_buffer", "delia"} <= labels for labels in known)
    used = {study for name in reproduction.names("smol") for study in reproduction.spec(name, "smol")["studies"]}
    assert used == set(reproduce.SCALES["smol"])


def test_the_trainings_of_the_real_model_differ_in_one_part():
    """Without the buffer there are the same task rows in as many steps, whatever the ratio."""
    for study in ("json", "list", "halu"):
        recipe = recipe_of(study, "smol")
        assert recipe.tune.step_task_rows == 4 and (recipe.tune.learning_rate, recipe.tune.preset) == (2e-3, "small")
        by_label = {method.label: method for method in recipe.methods}
        without, buffered = by_label["no_buffer"], by_label["delia"]
        assert without.name == buffered.name == "delia"
        assert without.config == {"ratio": 0} and buffered.config == {"ratio": 1.25}


def test_the_issues_tables_and_figures_are_all_there():
    wanted = {"table1", "table2", "table3", "table4", "figure2", "figure3", "figure4", "demo"}
    assert wanted <= set(reproduction.names())
    for name in ("figure3", "figure4"):
        assert reproduction.spec(name)["x"] == [0, 1, 5, 20, 50, 100, 200]


def test_the_papers_figures_stand_beside_ours():
    scores = made({"original": 0.05, "common": 0.5, "delia": 0.98})
    ours, faithful = reproduction.tables("table2", scores)
    assert (ours.preset, faithful.preset) == ("ours", "faithful")
    place = [column["name"] for column in ours.columns].index("n = 100")
    rows = dict(ours.rows)
    cell = rows["DELIA"][place]
    assert cell.paper == 96.0 and cell.found.mean == pytest.approx(0.98, abs=0.03) and cell.best
    assert not rows["Common tuning"][place].best and rows["Original"][place].paper == 34.8
    assert rows["SDFT"][place].found is None
    assert ours.sentence == "Beyond doubt the best in 1 of 9 columns: DELIA in n = 100."


def test_what_can_not_be_told_from_another_is_not_bold():
    (ours, _) = reproduction.tables("table2", made({"original": 0.05, "common": 0.9, "delia": 0.93}))
    assert not any(cell.best for _, cells in ours.rows for cell in cells)
    assert ours.sentence.startswith("In none of 9 columns")


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ({"delia": 0.95, "common": 0.3}, "holds here"),
        ({"delia": 0.3, "common": 0.95}, "does not hold here"),
        ({"delia": 0.6, "common": 0.6}, "not distinguishable"),
        ({"delia": 0.6}, "not measured"),
    ],
)
def test_a_claim_has_one_of_four_verdicts(shares, verdict):
    (claim, *_) = reproduction.claims("table2", made(shares))
    assert claim.verdict == verdict


def test_a_claim_of_likeness_is_refuted_by_a_difference_and_by_nothing_else():
    for shares, verdict in [
        ({"delia": 0.9, "common": 0.2}, "does not hold here"),
        ({"delia": 0.5, "common": 0.5}, "not distinguishable"),
    ]:
        told = reproduction.claims("table2", made(shares, size=30))
        found = {claim.text: claim for claim in told if claim.preset == "ours"}
        assert found["With 30 task rows the two are alike"].verdict == verdict


def test_a_claim_is_judged_with_the_papers_settings_too():
    shares = {"delia": 0.6, "common": 0.6, "delia_paper": 0.95, "common_paper": 0.1}
    found = [claim for claim in reproduction.claims("table2", made(shares)) if claim.text.startswith("With 100")]
    assert [(claim.preset, claim.verdict) for claim in found] == [
        ("ours", "not distinguishable"),
        ("faithful", "holds here"),
    ]
    (warm, *_) = [c for c in reproduction.claims("table2", made(shares)) if "proportional" in c.text]
    assert (warm.preset, warm.verdict) == ("faithful", "not measured")


def test_the_page_begins_with_every_claim_and_both_verdicts():
    scores = made({"delia": 0.95, "common": 0.2, "delia_paper": 0.5, "common_paper": 0.5})
    spec, claims = reproduction.spec("table2"), reproduction.claims("table2", scores)
    page = pages.page([pages.Section("table2", spec, reproduction.tables("table2", scores), [], claims, "lab")])
    head, _, rest = page.partition("## Table 2")
    assert "| table2: With 100 task rows DELIA is above common tuning | holds here | not distinguishable |" in head
    assert "(our control) DELIA is above equal steps with proportional warm-up | – | not measured |" in head
    assert head.count("\n| table2: ") == len({claim.text for claim in claims})
    assert "Claims, with the paper's settings:" in rest


def test_a_page_of_several_studies_has_a_verdict_for_each():
    spec = reproduction.spec("table2", "smol")
    sections = []
    for study, shares in {"json": {"delia": 0.9, "no_buffer": 0.2}, "halu": {"delia": 0.9, "no_buffer": 0.9}}.items():
        scores = made(shares)
        claims = reproduction.claims("table2", scores, "smol")
        tables = reproduction.tables("table2", scores, "smol")
        sections.append(pages.Section("table2", spec, tables, [], claims, "smol", study))
    page = pages.page(sections)
    assert "| claim | json | halu |\n|---|---|---|\n" in page
    assert "\n- json: of 9 claims 8 not measured, 1 holds here\n" in page
    assert "(our control) DELIA is above itself without the buffer | holds here | not distinguishable |" in page
    assert page.count("percent (json)") == page.count("percent (halu)") == 1
    assert [section.stem for section in sections] == ["table2-json", "table2-halu"]


def test_a_table_of_several_studies_shows_what_this_one_has():
    (table,) = reproduction.tables("table2", made({"original": 0.1, "delia": 0.9}), "smol")
    assert [name for name, _ in table.rows] == ["Original", "DELIA"]
    assert [column["name"] for column in table.columns] == ["n = 100"]
    assert [cells[0].paper for _, cells in table.rows] == [34.8, 96.0]


def test_a_test_that_can_not_be_made_gives_no_verdict():
    scores = made({"delia": 0.9, "common": 0.2}, "soft_prompt/controlled")
    texts = [reproduction.claims("demo", scores, "smol", dead)[0].verdict for dead in ((), ("soft_prompt",))]
    assert texts == ["holds here", "not testable here"]
    (_, unmeasured) = reproduction.claims("demo", scores, "smol", ("soft_prompt",))
    assert unmeasured.verdict == "not measured"


def test_below_its_floor_a_claim_is_not_judged():
    """Two ways of not translating may differ beyond doubt, and say nothing."""
    for shares, verdict in [({"delia": 0.2, "no_buffer": 0.01}, "not testable here"),
                            ({"delia": 0.9, "no_buffer": 0.01}, "holds here")]:  # fmt: skip
        (claim, _) = reproduction.claims("table4-translation", made(shares, "task/chrf"), "smol")
        assert claim.verdict == verdict


def test_p_values_without_items_are_those_of_a_paired_t_test():
    a, b = [1.0, 1.2, 0.8, 1.1], [0.2, 0.7, 0.3, 0.1]
    scores = by_seed({"a": a, "b": b}, "layers/x")
    found = statistics.compare(scores, "a", "b", "layers/x", 100)
    assert found.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-6)


def test_a_few_seeds_that_agree_prove_nothing_and_many_do():
    """Three that agree have a p of 2 in 2³ and not of 1; with two in 2¹² a claim can hold."""
    few, many = (
        statistics.compare(
            by_seed({"a": [1] * n, "b": [0.4] * n}, "robustness/worst"), "a", "b", "robustness/worst", 100
        )
        for n in (3, 12)
    )
    assert few.p_value == 0.25 and not few.distinguishable and few.low < 0 < few.high
    assert many.p_value == 2 / 2**12 and many.distinguishable and 0 < many.low < many.mean < many.high
    one = statistics.compare(by_seed({"a": [1], "b": [0]}, "layers/x"), "a", "b", "layers/x", 100)
    assert one.p_value == 1 and not one.distinguishable


def test_chance_alone_is_seldom_bold():
    told = 0
    for seed in range(12):
        (ours, _) = reproduction.tables("table2", made(dict.fromkeys(("original", "common", "delia"), 0.5), seed=seed))
        told += any(cell.best for _, cells in ours.rows for cell in cells)
    assert told <= 1


def test_a_figure_is_relative_to_its_first_point():
    labels = reproduction.spec("figure4")["methods"]
    scores = made({label: 0.1 * (place + 1) for place, label in enumerate(labels.values())}, "divergence/start")
    points = {point.x: point for point in reproduction.points("figure4", scores)}
    assert (points[0].mean, points[0].low) == (0, 0) and len(points) == 7
    assert points[200].mean == pytest.approx(0.6, abs=0.1) and points[200].low < points[200].mean < points[200].high


def test_curves_have_a_point_for_every_block():
    scores = pl.concat([by_seed({"delia": [b, b + 1]}, f"layers/curve/{b}/meaning") for b in range(1, 7)])
    points = [point for point in reproduction.points("figure2", scores) if point.series == "DELIA"]
    assert [(point.x, point.mean) for point in points] == [(b, b + 0.5) for b in range(1, 7)]


def test_the_page_says_scale_verdicts_and_what_is_inconsistent(tmp_path):
    scores = made({"original": 0.05, "common": 0.5, "delia": 0.98})
    section = pages.Section(
        "table2", reproduction.spec("table2"), reproduction.tables("table2", scores), [],
        reproduction.claims("table2", scores), "lab, 3 seeds",
    )  # fmt: skip
    text = pages.markdown(section)
    assert "Scale: lab, 3 seeds." in text and "96 → **" in text and "34.8 → " in text
    assert "With 100 task rows DELIA is above common tuning: **holds here**" in text
    assert "(our control) DELIA is above common tuning at equal steps: **not measured**" in text
    assert "percentage points" in text and "7 optimiser steps" in text
    assert pages.terminal(section.tables[0]).row_count == len(section.tables[0].rows)


def test_a_figure_is_drawn(tmp_path):
    labels = reproduction.spec("figure3")["methods"]
    scores = made(dict.fromkeys(labels.values(), 0.4), "token_loss/answer")
    points = list(reproduction.points("figure3", scores))
    section = pages.Section("figure3", reproduction.spec("figure3"), [], points, [], "lab")
    pages.chart(section, tmp_path / "figure3")
    assert (tmp_path / "figure3.svg").stat().st_size > 1_000 and (tmp_path / "figure3.png").is_file()
    assert "| all tokens | " in pages.markdown(section)


def test_an_unknown_table_is_told_with_the_nearest():
    with pytest.raises(UserError) as caught:
        reproduction.spec("tabel2")
    assert "table2" in caught.value.hint


def test_a_measure_that_is_better_when_low_is_so_in_every_table():
    low = {
        f"{test}/{measure}"
        for test, metric in {"unseen_phrasing": "format"}.items() | {(name, name) for name in plugs.names("metrics")}
        for measure in metric_of(metric).LOWER_IS_BETTER
    }
    assert "general/leak" in low
    columns = [column for name in reproduction.names() for column in reproduction.spec(name).get("columns", ())]
    measured = {column["metric"] for column in columns}
    assert "general/leak" in measured
    for column in columns:
        if column["metric"].partition("/")[0] in (*plugs.names("metrics"), "unseen_phrasing"):
            assert column.get("higher", True) == (column["metric"] not in low), column
