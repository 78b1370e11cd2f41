"""What would stop a lift is said before its first paid call."""

from contextlib import contextmanager

import pytest

from leaven.errors import UserError
from leaven.lift import preflight
from leaven.lift.curate import measured_by
from leaven.lift.recipe import Stage
from leaven.lift.settings import Settings
from leaven.llm.budget import Budgeted, Counted, Spend
from leaven.llm.engines.scripted import Scripted
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs import folder as runs


def checked(tmp_path, reply="{}", rows=9, **values):
    """The calls that the judge got, of so many rows, or of those that are there; the engines say one thing."""
    if rows is not None:
        data = Dataset.of(pair(f"What is {n} plus {n}?", f"It is {n + n}.", Origin("x")) for n in range(rows))
        files.write(data, tmp_path / "d.jsonl")
    calls = []

    def answer(prompt, draw):
        calls.append(prompt)
        return reply

    @contextmanager
    def open_llm(spec, what):
        spend = Spend()
        yield Counted(Budgeted(Scripted(answer), spend), spend)

    settings = Settings(**{"data": str(tmp_path / "d.jsonl"), "llm": "openai:m", **values})
    preflight.check(settings, tmp_path / "run", open_llm)
    return calls


MARKS = '{"reason": "r", "clarity": 9, "difficulty": 9, "explanation": 9, "accuracy": 9}'


def test_a_judge_that_can_be_read_is_asked_a_few_times_and_one_that_is_not_wanted_never(tmp_path):
    assert len(checked(tmp_path, MARKS)) == preflight.TRIED
    (counts,) = runs.events(tmp_path / "run", "calls")
    assert (counts["stage"], counts["calls"]) == ("trying the judge", preflight.TRIED)
    assert checked(tmp_path, quality="length") == []
    assert checked(tmp_path, quality="") == []


def test_of_json_lines_no_more_is_read_than_a_judge_is_tried_on(tmp_path, monkeypatch):
    lines = ['{"prompt": "Why?", "completion": " "}', *('{"prompt": "Why?", "completion": "So."}' for _ in range(5000))]
    (tmp_path / "d.jsonl").write_text("\n".join([*lines, "no row at all"]))
    looks = 0
    example = files.example

    def counted(*record):
        nonlocal looks
        looks += 1
        return example(*record)

    monkeypatch.setattr(files, "example", counted)
    assert len(checked(tmp_path, MARKS, rows=None)) == preflight.TRIED
    assert looks == preflight.TRIED + 1  # the first is of blanks
    with pytest.raises(UserError, match="1 row can't be used"):
        checked(tmp_path, MARKS, rows=None, strict=True)


def test_a_judge_is_tried_with_the_sampling_that_it_marks_with(tmp_path):
    files.write(Dataset.of([pair("Why?", "So.", Origin("x"))]), tmp_path / "d.jsonl")
    seen = []

    class Judge(Scripted):
        def replies(self, prompts, sampling):
            seen.append((sampling.temperature, sampling.top_p))
            return super().replies(prompts, sampling)

    @contextmanager
    def open_llm(spec, what):
        yield Counted(Judge(lambda prompt, draw: MARKS), Spend())

    quality = {"name": "quality", "temperature": 0.5, "top_p": 0.8}
    settings = Settings(data=str(tmp_path / "d.jsonl"), judge="openai:m", quality=quality)
    preflight.check(settings, tmp_path / "run", open_llm)
    assert seen == [(0.5, 0.8)]
    (stage,) = (stage for stage in settings.plan if stage.name == "quality")
    assert measured_by(stage, stage.settings())["top_p"] == 0.8


def test_a_judge_that_can_not_be_read_is_known_before_a_row_is_made(tmp_path):
    with pytest.raises(UserError, match="no mark that can be read"):
        checked(tmp_path, "I like it!")


def test_everything_that_is_wrong_is_said_at_once_and_nobody_is_asked(tmp_path):
    (tmp_path / "run").write_text("")
    wrong = {"quality": "lenght", "dedup": "minhsh", "embedder": "lsaa", "against": (str(tmp_path / "no.jsonl"),)}
    with pytest.raises(UserError) as caught:
        checked(tmp_path, **wrong)
    told = str(caught.value)
    for said in ("5 faults", "'length'", "'minhash'", "'lsa'", "no.jsonl", "is a file"):
        assert said in told


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"llm": ""}, "needs a judge"),
        ({"quality": "ifd"}, "measures with a model"),
        ({"quality": "ifd", "model": "./nowhere"}, "the model ./nowhere does not exist"),
        ({"embedder": "lsa:wide"}, "lsa:wide is no width"),
        ({"embeddings": "nowhere.npy"}, "nowhere.npy"),
    ],
)
def test_a_fault_is_said_before_the_first_call(tmp_path, values, said):
    with pytest.raises(UserError) as caught:
        checked(tmp_path, MARKS, **values)
    assert said in str(caught.value)


def test_a_selector_that_says_no_needs_has_none(tmp_path):
    path = tmp_path / "mine.py"
    head = "from leaven.section import Section as Config"
    path.write_text(f"{head}\n\ndef choose(data, scores, config, context):\n    pass\n")
    assert Stage(plug=str(path)).needs == ()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Config:\n    pass\ndef choose(data, scores, config, context):\n    pass\n", "Config is no Section"),
        ("class Config:\n    pass\ndef make(data, llm, config, seed):\n    pass\n", "Config is no Section"),
        ("class Config:\n    pass\ndef make(data):\n    pass\n", "make can't be called with data, llm, config, seed"),
        ("class Config:\n    pass\n", "is no selector: it has no choose"),
    ],
)
def test_a_faulty_file_is_told_of_what_it_means_to_be(tmp_path, code, said):
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(UserError, match=said):
        _ = Stage(plug=str(tmp_path / "mine.py")).module
