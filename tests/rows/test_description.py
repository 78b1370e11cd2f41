"""What is said of rows is what a slow count of them says."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from leaven.rows import description, files

TURN = st.sampled_from(["a", "b", "c"])
ROW = st.tuples(st.booleans(), st.lists(st.tuples(TURN, TURN), min_size=1, max_size=3))


def conversation(system, turns):
    messages = [{"role": "system", "content": "S"}] * system
    for question, answer in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


@given(st.lists(ROW, min_size=1, max_size=12))
def test_turns_copies_and_answers_are_counted(rows):
    said = " ".join(description.sentences(files.read([conversation(*row) for row in rows]).kept))
    several = sum(len(turns) > 1 for _, turns in rows)
    assert (f"{several} conversations of up to {max(len(turns) for _, turns in rows)} questions" in said) == (
        several > 0
    )
    system = sum(system for system, _ in rows)
    assert (f"{system} with a system turn" in said) == (system > 0)
    copies = len(rows) - len({(system, tuple(turns)) for system, turns in rows})
    assert (f"{copies} row{'s are copies' if copies > 1 else ' is a copy'} of" in said) == (copies > 0)
    asked = {(system, tuple(turns[:-1]), *turns[-1]) for system, turns in rows}
    answers = Counter(row[:-1] for row in asked)
    many = sum(count > 1 for count in answers.values())
    assert (f"{many} question{'s have' if many > 1 else ' has'} several answers" in said) == (many > 0)


def test_rows_without_answers_and_with_tools_are_told_and_have_no_length():
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    rows = [
        {"messages": [{"role": "user", "content": "four"}]},
        {"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cde"}], "tools": [tool]},
    ]
    turns, lengths = description.sentences(files.read(rows).kept)
    assert turns == "Among them: 1 without an answer, 1 that offer tools."
    assert lengths.endswith("questions 3 (2 to 4), answers 3 (3 to 3).")
