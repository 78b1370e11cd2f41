"""The tables on made-up scores: the paper beside ours, bold only beyond doubt, and a verdict for each claim."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leaven import plugs
from leaven.delia import buffer
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.study import families, reproduce, reproduction
from leaven.study import recipe as recipes
from leaven.study.cells import cells
from leaven.study.recipe import RECIPES
from leaven.study.run import SCHEMA
from leaven.task.test import metric as metric_of
from leaven.view import reproduction as pages

SEEDS, ITEMS = 12, 20


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
    return recipes.read(RECIPES / f"{reproduce.SCALES[scale][study]}.yaml")


STUDIES = [(scale, study) for scale, studies in reproduce.SCALES.items() for study in studies]


@pytest.mark.parametrize(("scale", "study"), [pair for pair in STUDIES if pair[1] != "gradients"])
def test_a_study_asks_what_it_claims(scale, study):
    """Both methods of every claim run at its size with every seed, and are asked its test or probed for it."""
    recipe = recipe_of(study, scale)
    by_label = {method.label: method for method in recipe.methods}
    every = families.claims(study, scale)
    assert every
    for claim in every:
        test, size = claim.spec["metric"].partition("/")[0], claim.spec.get("size", max(recipe.sizes))
        for method in (by_label[claim.spec["a"]], by_label[claim.spec["b"]]):
            assert not method.first_seeds, (claim.text, method.label)
            assert not method.sizes or size in method.sizes, (claim.text, method.label)
            if test in plugs.names("probes"):
                assert test in (recipe.probes if method.probes is None else method.probes), (claim.text, method.label)
            else:
                assert method.takes(test), (claim.text, method.label)


@pytest.mark.parametrize(("scale", "study"), STUDIES)
def test_a_family_of_primary_claims_has_six_at_most_and_every_claim_a_text_of_its_own(scale, study):
    every = families.claims(study, scale)
    assert sum(claim.family == "primary" for claim in every) <= families.MOST_PRIMARY
    assert len({(claim.family, claim.text) for claim in every}) == len(every)
    assert all(claim.text.count(". ") == 0 for claim in every)


@pytest.mark.parametrize(("scale", "study"), [("lab", "format"), ("smol", "json"), ("smol", "list"), ("smol", "halu")])
def test_the_cells_of_the_primary_claims_are_all_that_is_run_for_them(scale, study):
    recipe = recipe_of(study, scale).model_copy(update={"seeds": (100, 101)})
    order = reproduce.Order(scale, [100, 101], Path("nowhere"), families=("primary",))
    only = reproduce.needed(study, families.tables(("primary",), scale), order, max(recipe.sizes))
    labels = {"delia", "control_masked"} | ({"common", "control_external"} if study != "halu" else set())
    wanted = [cell for cell in cells(recipe, 100) if only(cell)]
    assert {(cell.method.label, cell.size, cell.seed) for cell in wanted} == set(product(labels, [100], [100, 101]))


def test_every_label_of_a_table_is_in_its_studys_recipe():
    for name in reproduction.names():
        (study,) = reproduction.spec(name)["studies"]
        if study == "gradients":
            continue
        recipe = recipe_of(study, "lab")
        assert reproduction.methods(name) <= {method.label for method in recipe.methods}, name
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


@pytest.mark.parametrize(("scale", "study"), [pair for pair in STUDIES if pair[1] != "gradients"])
def test_a_control_differs_from_delia_in_what_its_name_says(scale, study):
    """Steps and the task rows of each are the recipe's for all of them, whatever stands beside these rows."""
    recipe = recipe_of(study, scale)
    assert recipe.tune.step_task_rows and (recipe.tune.max_steps > 0 or recipe.tune.preset == "small")
    by_label = {method.label: method for method in recipe.methods}
    assert by_label["delia"].name == "delia" and set(by_label["delia"].config) == {"ratio"}
    changes = {
        "no_buffer": {"ratio": 0},
        "control_masked": {"buffer": "masked"},
        "control_external": {"buffer": "external"},
        "control_duplicated": {"buffer": "task"},
        "delia_no_diversified": {"diversify": False},
    } | {label: {"ratio": method.config["ratio"]} for label, method in by_label.items() if label.startswith("delia_r")}
    for label in changes.keys() & by_label.keys():
        assert by_label[label].name == "delia", label
        assert by_label[label].config == {**by_label["delia"].config, **changes[label]}, label
    assert by_label.get("common", by_label["delia"]).config in ({}, by_label["delia"].config)


@pytest.mark.parametrize("rows", [30, 100])
@pytest.mark.parametrize("ratio", [0, 1, 20])
def test_steps_and_their_task_rows_are_the_same_at_every_size_and_ratio(rows, ratio):
    tune = recipe_of("format", "lab").tune
    schedule = buffer.schedule(rows, ratio, tune, buffer.passes(tune))
    assert (schedule.steps, schedule.warmup_steps) == (17, 1)
    numbers = Dataset.of(pair(str(number), "a", Origin("x")) for number in range(rows * (1 + ratio)))
    own, diverse = numbers.rows(list(range(rows))), numbers.rows(list(range(rows, len(numbers))))
    sources = [row.meta[buffer.MARK] for row in buffer.spread(own, diverse, 0)]
    counts = [sources[step.start : step.stop].count(buffer.TASK) for step in map(schedule.step, range(17))]
    assert all(count in (5, 6) for count in counts) and abs(sum(counts) - 17 * rows / schedule.epoch_steps) < 6


def test_the_issues_tables_and_figures_are_all_there():
    wanted = {"table1", "table2", "table3", "table4", "figure2", "figure3", "figure4", "demo"}
    assert wanted <= set(reproduction.names())
    for name in ("figure3", "figure4"):
        assert reproduction.spec(name)["x"] == [0, 1, 5, 20, 50, 100, 200]


def test_the_papers_figures_stand_beside_ours():
    scores = made({"original": 0.05, "common_7_steps": 0.5, "delia": 0.98})
    ours, faithful = reproduction.tables("table2", scores)
    assert (ours.preset, faithful.preset) == ("ours", "faithful")
    place = [column["name"] for column in ours.columns].index("n = 100")
    rows = dict(ours.rows)
    cell = rows["DELIA"][place]
    assert cell.paper == 96.0 and cell.ours.mean == pytest.approx(0.98, abs=0.03) and cell.best
    assert not rows["Common tuning, 7 steps of 16 rows"][place].best and rows["Original"][place].paper == 34.8
    assert rows["SDFT"][place].ours is None
    assert ours.sentence == "Beyond doubt the best in 1 of 9 columns: DELIA in n = 100."


def test_what_can_not_be_told_from_another_is_not_bold():
    (ours, _) = reproduction.tables("table2", made({"original": 0.05, "common": 0.9, "delia": 0.93}))
    assert not any(cell.best for _, cells in ours.rows for cell in cells)
    assert ours.sentence.startswith("In none of 9 columns")


def test_who_was_measured_on_other_seeds_is_no_rival_that_is_beaten():
    """Without a seed in common nothing is told: the lead over nobody was beyond doubt."""
    first, second = made({"common": 0.1}), made({"delia": 0.9}).with_columns(seed=pl.col("seed") + SEEDS)
    (ours, _) = reproduction.tables("table2", pl.concat([first, second]))
    assert ours.sentence.startswith("In none of 9 columns")


def test_who_does_not_train_is_a_rival_at_every_size():
    """It runs at the largest size alone, and was left out of the comparison at the others."""
    prompted = made({"prompted": 0.9})
    trained = made({"common": 0.1, "delia": 0.93}, size=30, seed=1)
    (ours, _) = reproduction.tables("table2", pl.concat([prompted, trained]))
    assert ours.columns[0]["name"] == "n = 30" and ours.sentence.startswith("In none of 9 columns")
    weak = made({"prompted": 0.1})
    (ours, _) = reproduction.tables("table2", pl.concat([weak, trained]))
    assert ours.sentence == "Beyond doubt the best in 1 of 9 columns: DELIA in n = 30."


def test_a_table_of_several_studies_shows_what_this_one_has():
    (table,) = reproduction.tables("table2", made({"original": 0.1, "delia": 0.9}), "smol")
    assert [name for name, _ in table.rows] == ["Original", "DELIA"]
    assert [column["name"] for column in table.columns] == ["n = 100"]
    assert [cells[0].paper for _, cells in table.rows] == [34.8, 96.0]


def test_a_partial_table_has_nothing_that_was_not_run():
    (ours,) = reproduction.tables("table2", made({"common": 0.1, "delia": 0.9}), partial=True)
    assert ours.preset == "ours" and [column["name"] for column in ours.columns] == ["n = 100"]
    assert [name for name, _ in ours.rows] == ["Common tuning, equal steps and exposures", "DELIA"]


def test_chance_alone_is_seldom_bold():
    told = 0
    for seed in range(3):
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


def test_what_words_reach_in_the_tokens_place_is_said_and_what_nothing_reaches_can_not_be_told(tmp_path):
    ceiling = {"follow": 1.0, "refrain_paper": 0.02, "controlled": 0.75, "controlled_paper": 0.02}
    test = {"testable": True, "reason": "", "ceiling": ceiling, "wording": "json",
            "out_of_reach": ["soft_prompt/refrain_paper", "soft_prompt/controlled_paper"]}  # fmt: skip
    (tmp_path / "format").mkdir()
    (tmp_path / "format" / "summary.json").write_text(json.dumps({"tests": {"soft_prompt": test}}))
    asked = ["soft_prompt/follow", "soft_prompt/controlled_paper", "robustness/worst"]
    order = reproduce.Order("lab", (), tmp_path)
    assert reproduce.about("format", order).in_words(asked) == [
        "Said in words ('json'), the untouched model reaches: soft_prompt/follow 100%, soft_prompt/controlled_paper 2%."
    ]
    assert set(reproduce.about("format", order).untestable) == set(test["out_of_reach"])
    assert reproduce.about("translation", order).in_words(asked) == []
