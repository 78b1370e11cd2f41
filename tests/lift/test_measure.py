"""The figures of a lift's report that come from its log."""

import pytest

from leaven.lift import measure
from leaven.runs import folder as runs


def spent(folder, *costs):
    tokens = {"failed": 0, "saved": 0, "prompt_tokens": 5, "completion_tokens": 5}
    for calls, cost in costs:
        runs.log(folder, "calls", stage="evolve", engine="openai:m", calls=calls, cost=cost, **tokens)
    (line,) = measure._cost(folder)
    return line["calls"], line["cost"]


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        ([(100, 2.0), (1, 0.25)], (101, 2.25)),
        ([(100, None), (1, 0.25)], (101, None)),  # the price was named from the second start on
        ([(1, 0.25), (100, None)], (101, None)),
        ([(0, None), (1, 0.25)], (1, 0.25)),  # nothing was asked without a price
        ([(100, None)], (100, None)),
    ],
)
def test_the_cost_of_a_stage_is_that_of_all_its_calls_or_is_not_known(tmp_path, costs, total):
    assert spent(tmp_path, *costs) == total
