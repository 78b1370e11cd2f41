import json

import pytest

from leaven.errors import UserError
from leaven.rows import files
from leaven.rows import layouts as formats
from leaven.rows import writer as render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Origin

HERE = Origin("test")
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
ASKED, ANSWERED = Message("user", "q"), Message("assistant", "a")


def read(row, format="auto"):
    return formats.example(row, formats.detect([row], format), HERE)


@pytest.mark.parametrize(
    "row, said",
    [
        ({"messages": TURNS}, "messages"),
        ({"messages": json.dumps(TURNS)}, "messages"),
        ({"messages": {"role": ["user", "assistant"], "content": ["q", "a"]}}, "messages"),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "sharegpt"),
        ({"instruction": "q", "input": "", "output": "a"}, "alpaca, fields instruction (+ input)/output"),
        ({"prompt": "q", "completion": "a"}, "prompt-completion, fields prompt/completion"),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "prompt-completion, fields prompt/completion"),
        ({"prompt": "q", "response": "a"}, "prompt-completion, fields prompt/response"),
        ({"question": "q", "answer": "a"}, "prompt-completion, fields question/answer"),
        ({"query": "q", "response": "a"}, "prompt-completion, fields query/response"),
        ({"instruction": "q", "response": "a"}, "prompt-completion, fields instruction (+ input)/response"),
    ],
)
def test_format_is_told_by_the_fields(row, said):
    assert str(formats.detect([row])) == said
    assert read(row).messages == (ASKED, ANSWERED)
    assert read(row).meta == {}


@pytest.mark.parametrize(
    "row, said",
    [
        ({"Question": "q", "Answer": "a"}, "prompt-completion, fields Question/Answer"),
        ({"PROMPT": "q", " Completion": "a"}, "prompt-completion, fields PROMPT/ Completion"),
        ({"Instruction": "q", "Input": "", "Output": "a"}, "alpaca, fields Instruction (+ Input)/Output"),
        ({"Messages": TURNS}, "messages"),
    ],
)
def test_fields_of_a_spreadsheet_are_known_whatever_their_case(row, said):
    assert str(formats.detect([row])) == said
    assert read(row).messages == (ASKED, ANSWERED) and read(row).meta == {}


def test_fields_that_fit_as_they_stand_come_before_those_in_another_case():
    row = {"question": "q", "answer": "a", "Prompt": "other", "Completion": "other"}
    assert read(row).messages == (ASKED, ANSWERED)


def test_two_unknown_fields_are_named_in_the_flag_to_type():
    with pytest.raises(UserError, match="has the fields gold label, text") as error:
        formats.detect([{"text": "q", "gold label": "a"}])
    assert "--columns 'question=text,answer=gold label'" in error.value.hint


def test_of_many_fields_the_flag_names_those_with_the_longest_texts(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("\ufeffNr;Ticket Text;Team\n1;Where is my parcel?;Shipping\n2;I was charged twice;Billing\n")
    with pytest.raises(UserError, match=r"^tickets\.csv: no known format has the fields") as error:
        files.read(path)
    assert "--columns 'question=Ticket Text,answer=Team'" in error.value.hint
    with pytest.raises(UserError, match=r"^tickets\.csv: no row has the field 'Text'"):
        files.read(path, columns="question=Text")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q"},
        {"question": "q"},
        {"query": "q"},
        {"instruction": "q"},
        {"instruction": "q", "input": "", "output": ""},
        {"prompt": "q", "completion": None},
        {"prompt": TURNS[:1]},
        {"messages": TURNS[:1]},
    ],
)
def test_query_without_an_answer_is_an_example(row):
    assert read(row).messages == (ASKED,)
    assert read(row).answer is None


def test_alpaca_input_is_joined_to_the_instruction_and_parted_again():
    row = {"instruction": "Add.", "input": "1\n\n2", "output": "3", "system": "s"}
    example = read(row)
    assert example.question == "Add.\n\n1\n\n2"
    assert example.messages[0] == Message("system", "s")
    assert render.rows(Dataset.of([example]), "alpaca") == [row]


def test_alpaca_history_is_the_turns_before_and_comes_back():
    row = {"instruction": "And 2?", "input": "", "output": "4", "history": [["1 + 1?", "2"], ["Sure?", "Yes."]]}
    example = read(row)
    assert [turn.content for turn in example.messages] == ["1 + 1?", "2", "Sure?", "Yes.", "And 2?", "4"]
    assert render.rows(Dataset.of([example]), "alpaca") == [row]
    with pytest.raises(formats.RowFault, match="no list of pairs"):
        read({**row, "history": ["1 + 1?"]})


def test_fields_of_turns_are_kept():
    example = read({"messages": [{**TURNS[0], "name": "Ann"}, TURNS[1]], "source": "web"})
    assert example.meta == {"source": "web"}
    assert [turn.further for turn in example.messages] == [{"name": "Ann"}, {}]


def test_most_rows_decide_and_a_query_among_answers_is_a_query():
    rows = [{"prompt": "q", "completion": "a"}] * 3 + [{"prompt": "q"}, {"messages": TURNS}]
    assert str(formats.detect(rows)) == "prompt-completion, fields prompt/completion"


def test_two_readings_of_a_row_are_an_error_only_where_they_differ():
    row = {"instruction": "q", "output": "a", "response": "a"}
    assert read(row).answer == "a"
    with pytest.raises(UserError, match="more than one format") as error:
        read({**row, "response": "b"})
    assert "--format alpaca" in error.value.hint
    assert read({**row, "response": "b"}, "prompt-completion").answer == "b"


def test_messages_stand_above_a_bare_prompt():
    assert str(formats.detect([{"prompt": "q", "prompt_id": "7", "messages": TURNS}])) == "messages"


def test_fields_can_be_named():
    row = {"Question": "q", "Best Answer": "a"}
    with pytest.raises(UserError, match="Best Answer, Question") as error:
        formats.detect([row])
    assert "--format QUESTION/ANSWER" in error.value.hint
    assert read(row, "Question/Best Answer").messages == (ASKED, ANSWERED)
    assert read(row, "Question/").meta == {"Best Answer": "a"}


def test_unknown_format_is_an_error_with_the_nearest_one():
    with pytest.raises(UserError, match="'alpacca'") as error:
        formats.check("alpacca")
    assert "'alpaca'" in error.value.hint
