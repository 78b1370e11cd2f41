"""The exit code of `leaven check` says whether rows overlap."""


def test_overlaps_exit_with_1_and_none_with_0(leaven, process, rows):
    same = process("check", "task.jsonl", "--test", "task.jsonl")
    assert same.code == 1 and "12 of 12 test rows overlap" in same.out
    other = leaven("check", "pool.jsonl", "--test", "test.jsonl")
    assert other.code == 0, other.out
    assert leaven("check", "task.jsonl", "--against", "task.jsonl").code == 1


def test_rows_alone_are_described(leaven, rows):
    lines = leaven("check", "task.jsonl").out.splitlines()
    assert lines[0].startswith("task.jsonl: 12 rows") and "Each row is a question and its answer." in lines
    assert any("12 of 12 answers are JSON objects" in line for line in lines) and lines[-1].startswith("Next: leaven")


def test_an_option_that_needs_other_rows_is_refused_without_them(leaven, rows):
    alone = leaven("check", "task.jsonl", "-o", "clean.jsonl")
    assert alone.code == 2 and "--test or --against" in alone.err
    assert leaven("check", "task.jsonl", "--test", "test.jsonl", "--embedder", "lsa").code == 2
    assert leaven("check", "task.jsonl", "--test", "test.jsonl", "--against", "task.jsonl").code == 2
