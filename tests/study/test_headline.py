"""What a study says first: the strongest opponent, honest verdicts, forgetting and cost, and what did nothing."""

import pytest

from leaven.study import columns, headline

METRICS = ("unseen_phrasing/format", "general/leak", "general/kept")


def summary(means, told_apart=(), seeds=3, tests=None, main="delia"):
    """Means by method, one for each metric; the pairs (method, metric) whose difference from the main one is told."""
    rows = [
        {"method": method, "size": 100, "metric": metric, "mean": mean, "low": mean, "high": mean, "n_items": 100,
         "n_seeds": seeds, "by_seed": {}}
        for method, values in means.items()
        for metric, mean in zip(METRICS, values, strict=False)
    ]  # fmt: skip
    by_name = {(row["method"], row["metric"]): row["mean"] for row in rows}
    comparisons = [
        {"a": main, "b": method, "metric": metric, "size": 100, "difference": by_name[main, metric] - mean,
         "low": by_name[main, metric] - mean - 0.02, "high": by_name[main, metric] - mean + 0.02,
         "distinguishable": (method, metric) in told_apart}
        for (method, metric), mean in by_name.items() if method != main
    ]  # fmt: skip
    return {"headline_metrics": list(METRICS), "methods": list(means), "rows": rows, "comparisons": comparisons,
            "notes": [], **({"tests": tests} if tests else {})}  # fmt: skip


def cell(method, losses, seconds=10.0):
    return {"method": method, "size": 100, "seed": 0, "steps": len(losses), "trained_tokens": 1000, "losses": losses,
            "seconds": {"fit": seconds, "answer": 5.0, "probe": 1.0, "all": seconds + 6}}  # fmt: skip


MEANS = {
    "original": (0.0, 0.0, 1.0),
    "common": (0.4, 0.0, 0.9),
    "equal_steps": (1.0, 0.91, 0.6),
    "delia": (0.99, 0.0, 0.58),
}


def test_the_headline_is_against_the_strongest_other_method_and_never_the_untouched_model():
    told = headline.tell(summary(MEANS, [("original", METRICS[0]), ("common", METRICS[0])]), [])
    assert told["headline"] == (
        "DELIA answers in the format on 99 % of new phrasings; the strongest other method, equal steps, 100 %: "
        "no difference can be told with 3 seeds."
    )
    assert "untouched" not in " ".join([told["headline"], *told["findings"]])


def test_who_answers_plain_questions_in_the_format_is_named_in_the_first_line():
    means = {**MEANS, "usual recipe": (1.0, 1.0, 0.14)}
    (warning,) = headline.tell(summary(means), [])["warnings"]
    assert "though nobody asks for it: usual recipe 100 %, equal steps 91 %. " in warning
    assert headline.tell(summary({name: MEANS[name] for name in ("original", "common", "delia")}), [])["warnings"] == []


def test_a_token_row_that_is_enough_is_said_first_and_one_that_is_not_is_not():
    def said(row, told_apart=()):
        means = {"original": (0.0, 0.0, 1.0), "token_row": row, "delia": (0.99, 0.0, 0.58)}
        warnings = headline.tell(summary(means, told_apart), [])["warnings"]
        return [text for text in warnings if "row alone" in text]

    (warning,) = said((0.96, 0.0, 1.0), [("token_row", METRICS[2])])  # what it keeps more is no reason against it
    assert warning.startswith("The token's row alone does as well (new phrasings: 96 %), as far as 3 seeds can tell")
    assert warning.endswith("leaven export-adapter RUN --cell token_row-n100-s0.")
    assert said((0.7, 0.0, 1.0), [("token_row", METRICS[0])]) == []
    assert said((0.96, 0.5, 1.0), [("token_row", METRICS[1])]) == []
    assert said((0.8, 0.0, 1.0)) == []  # behind by much, though so few seeds can't tell
    assert said((0.3, 0.0, 1.0)) == []  # nobody knows what it is worth


def test_a_difference_that_is_told_has_a_side_an_interval_and_its_seeds():
    means = {**MEANS, "equal_steps": (0.8, 0.91, 0.9)}
    pairs = [("equal_steps", METRICS[0]), ("common", METRICS[2]), ("equal_steps", METRICS[2])]
    told = headline.tell(summary(means, pairs), [])
    assert "DELIA is better by 19 points (95 % interval 17 to 21, 3 seeds, too few for a test)" in told["headline"]
    many = headline.tell(summary(means, pairs, seeds=8), [])
    assert "DELIA is better by 19 points (95 % interval 17 to 21, 8 seeds)" in many["headline"]
    assert "kept: 58 %; equal steps, 90 %: DELIA is worse by 32 points" in " ".join(told["findings"])


def test_seeds_are_those_that_both_have():
    told = summary(MEANS, [("equal_steps", METRICS[0])], seeds=12)
    told["comparisons"] = [{**row, "n_seeds": 2} for row in told["comparisons"]]
    assert "2 seeds, too few for a test" in headline.tell(told, [])["headline"]


def test_sentences_are_about_the_largest_size_that_the_main_method_was_trained_at():
    """Where another method had more task rows, DELIA was said to have no scores."""
    told = summary(MEANS)
    told["rows"] += [{**row, "size": 400} for row in told["rows"] if row["method"] == "equal_steps"]
    assert headline.tell(told, [])["headline"] == headline.tell(summary(MEANS), [])["headline"]


def test_a_leak_is_better_when_low_and_the_first_opponents_stands_beside_it():
    leak = headline.tell(summary(MEANS), [])["findings"][0]
    assert leak.startswith("Plain questions answered in the format: 0 %; common, 0 %: no difference can be told")
    assert leak.endswith("equal steps, 91 %.")


def test_the_untouched_model_is_an_opponent_only_where_it_is_alone():
    told = headline.tell(summary({name: MEANS[name] for name in ("original", "delia")}), [])
    assert "; the untouched model, 0 %:" in told["headline"] and "strongest" not in told["headline"]
    assert "nothing to compare" in headline.tell(summary({"delia": MEANS["delia"]}), [])["headline"]


def test_a_test_that_this_model_can_not_pass_has_no_verdict():
    tests = {"unseen_phrasing": {"testable": False, "reason": "in plain words it succeeds at 3 %."}}
    told = headline.tell(summary(MEANS, tests=tests), [])
    assert told["headline"].startswith("Nothing can be said of what was learnt: no test of the task can be made")
    assert told["findings"][0].startswith("DELIA: Plain questions answered in the format: 0 %")
    assert "Unseen phrasing: not testable with this model: in plain words it succeeds at 3 %." in told["findings"]


def test_tests_that_can_not_be_made_for_one_reason_are_told_in_one_sentence():
    why = {"testable": False, "reason": "the untouched model never writes a list."}
    tests = {"unseen_phrasing": why, "new_token": why, "transfer": {"testable": False, "reason": "too few rows"}}
    told = headline.tell(summary(MEANS, tests=tests), [])["findings"]
    sentences = [sentence for sentence in told if "not testable" in sentence]
    assert sentences == [
        "Unseen phrasing, new token: not testable with this model: the untouched model never writes a list.",
        "Transfer: not testable with this model: too few rows.",
    ]


def test_the_cost_stands_beside_that_of_the_strongest():
    cells = [cell("delia", [2.0] * 8, 140), cell("equal_steps", [2.0] * 8, 25), cell("common", [1.0] * 8, 3)]
    assert headline.tell(summary(MEANS), cells)["findings"][-1] == (
        "Cost of DELIA: 140 s, 8 steps, 1,000 tokens trained; equal steps: 25 s, 8 steps, 1,000 tokens trained."
    )


def test_a_tuning_that_did_nothing_is_told_with_the_remedy():
    flat, falling = [2.1, 2.3, 2.0, 2.2, 2.1, 2.3, 2.0, 2.2], [2.1, 1.9, 1.6, 1.2, 0.9, 0.7, 0.5, 0.4]
    means = {**MEANS, "common": (0.0, 0.0, 1.0)}
    cells = [cell("common", flat), cell("equal_steps", falling), cell("delia", flat)]
    warning, _ = headline.tell(summary(means), cells)["warnings"]
    assert warning.startswith("Common learnt nothing: its loss did not fall") and "learning rate" in warning
    assert not headline.fell(flat) and headline.fell(falling)


def test_too_few_steps_are_told_with_the_remedy():
    means = {**MEANS, "delia": (0.0, 0.0, 1.0)}
    for losses, steps in (([2.0, 1.0, 0.5], "3"), ([2.1, 1.9, 1.6, 1.2, 0.9, 0.7, 0.5, 0.4], "8")):
        warning, _ = headline.tell(summary(means), [cell("delia", losses)])["warnings"]
        assert warning.startswith(
            f"After {steps} steps DELIA is no better than the untouched model (new phrasings: 0 %)"
        )
        assert "--num-train-epochs" in warning
    assert not list(headline.untaught(headline.tell(summary(MEANS), []), [cell("delia", [2.0, 1.0, 0.5])]))


def test_a_search_that_came_to_nothing_is_told_first():
    trial = {"method": "delia", "learnt": 0.25, "leak": 0.0, "chosen": True}
    trials = [trial, {**trial, "learnt": 1.0, "method": "common"}, {**trial, "chosen": False}]
    warning, _ = headline.tell({**summary(MEANS), "trials": trials}, [])["warnings"]
    assert warning.startswith("No settings that were tried serve DELIA: the best answered 25 % of held-out rows")


def test_a_few_seeds_are_told_what_they_can_not_show():
    few, many = (headline.tell(summary(MEANS, seeds=n), [])["cautions"] for n in (3, 8))
    assert any("can't give a p below 0.25" in text for text in few)
    assert not any("can't give" in text for text in many) and any("not corrected" in text for text in many)


@pytest.mark.parametrize(
    ("metric", "heading", "lower"),
    [
        ("unseen_phrasing/format", "new phrasings", False),
        ("unseen_phrasing/json", "new phrasings", False),
        ("general/leak", "leak", True),
        ("invoices/valid", "invoices, well formed", False),
        ("invoices/mine_own", "invoices, mine own", False),
    ],
)
def test_every_measure_has_words(metric, heading, lower):
    column = columns.column(metric, "What the plug's file says.")
    assert (column.heading, column.lower_is_better) == (heading, lower)
    assert column.explanation and "{value}" in column.phrase


def test_a_method_that_trained_what_another_did_is_said_to_be_no_other():
    cells = [cell("common", [1.0, 0.5]), cell("sdft", [1.0, 0.5]), cell("delia", [1.0, 0.4]), cell("original", [])]
    told = headline.tell(summary(MEANS), [*cells, cell("delia_no_buffer", [1.0, 0.4])])["cautions"]
    assert [text for text in told if "digit for digit" in text] == [
        "Sdft trained what common did: every loss is the same, digit for digit. Here it is no other method.",
        "DELIA no buffer trained what DELIA did: every loss is the same, digit for digit. Here it is no other method.",
    ]
