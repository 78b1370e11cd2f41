"""The exit code of `leaven check` says whether rows overlap."""


def test_overlaps_exit_with_1_and_none_with_0(leaven, process, rows):
    same = process("check", "task.jsonl", "--test", "task.jsonl")
    assert same.code == 1 and "12 of 12 test rows overlap" in same.out
    other = leaven("check", "pool.jsonl", "--test", "test.jsonl")
    assert other.code == 0, other.out
    assert leaven("check", "task.jsonl", "--against", "task.jsonl").code == 1
