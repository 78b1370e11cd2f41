"""`leaven convert` ends with what it wrote, and what to do with it."""


def test_what_was_written_where_and_the_next_command_are_said(leaven, rows):
    done = leaven("convert", "task.jsonl", "--to", "alpaca", "-o", "my rows.json")
    assert done.code == 0, done.err
    assert done.out == "12 rows in the format alpaca: my rows.json\nNext: leaven check 'my rows.json'\n"


def test_down_a_pipe_go_rows_alone(leaven, rows):
    done = leaven("convert", "task.jsonl")
    assert len(done.out.splitlines()) == 12 and all(line.startswith("{") for line in done.out.splitlines())
    assert "12 rows in the format messages: -" in done.err
