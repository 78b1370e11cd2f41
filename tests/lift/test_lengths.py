"""A selection that chose by length is said."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from leaven.lift import lengths


@pytest.mark.parametrize(
    ("kept", "dropped", "said"),
    [
        ([79] * 20, [252] * 80, "shorter: 79 characters in the middle, dropped ones 252"),
        ([218] * 20, [178] * 80, ""),  # a fifth by variety with MiniLM
        ([300] * 20, [200] * 20, "longer: 300"),
        ([299] * 20, [200] * 20, ""),
        ([0] * 20, [40] * 20, "shorter: 0"),
        ([0] * 20, [1] * 20, ""),
        ([79] * 4, [252] * 80, ""),  # so few may be short by chance
        ([], [252], ""),
    ],
)
def test_the_middle_of_the_lengths_decides(kept, dropped, said):
    found = lengths.warning(np.asarray(kept, float), np.asarray(dropped, float))
    assert said in found if said else found == ""


def test_the_ranks_are_those_of_scipy():
    rng = np.random.default_rng(0)
    values = np.round(rng.lognormal(3, 0.1, 90))  # few ties
    expected = mannwhitneyu(values[:30], values[30:]).statistic
    error = np.sqrt(30 * 60 * 91 / 12)
    assert lengths._apart(values, 30) == pytest.approx((expected - 30 * 60 / 2) / error)


def test_every_selector_says_so(leaven, tmp_path):
    lines = (f'{{"instruction": "What is {i}?", "output": "{"word " * (1 + i)}"}}' for i in range(100))
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    done = leaven("curate", "longest", "d.jsonl", "-o", "kept.jsonl", "--keep", "0.3")
    assert done.code == 0 and "kept answers are longer: 428 characters" in done.err
    done = leaven("curate", "random", "d.jsonl", "-o", "drawn.jsonl", "--keep", "0.3")
    assert done.code == 0 and "kept answers are" not in done.err
