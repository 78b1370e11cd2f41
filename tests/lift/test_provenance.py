"""What a lift says of each row that it keeps: in kept.jsonl, and to who asks why."""

import io
import json
from contextlib import nullcontext

import pytest

from leaven.errors import UserError
from leaven.lift import audit, run
from leaven.lift.settings import Settings
from leaven.llm.budget import Budgeted, Counted, Spend
from leaven.llm.engines.scripted import Scripted
from leaven.rows import export, files
from leaven.rows.dataset import Dataset
from leaven.runs.progress import Progress

BIRDS = ("heron", "wren", "swift", "rook", "teal", "kite", "crane", "finch")


def reply(prompt, draw):
    said = prompt[-1].content
    if "Now the entry to mark" in said:
        bird = next((bird for bird in BIRDS if bird in said.lower()), "bird")
        points = {
            "clarity": 10,
            "difficulty": BIRDS.index(bird) if bird in BIRDS else 0,
            "explanation": 9,
            "accuracy": 30,
        }
        return json.dumps({"reason": f"Says what a {bird} is.", **points})
    if "You revise tasks" in said:
        return json.dumps({"instruction": said.split("> ")[1].split("\n")[0] + " In verse."})
    return f"It is a bird: {said}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A lift of eight rows, with a judge that says why, and two calls in one of them."""
    place = tmp_path_factory.mktemp("lift")
    rows = [{"id": n, "prompt": f"What is a {bird}?", "completion": "A bird."} for n, bird in enumerate(BIRDS)]
    (place / "birds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def open_llm(spec, what):
        spend = Spend()
        return nullcontext(Counted(Budgeted(Scripted(reply), spend), spend))

    settings = Settings(data=str(place / "birds.jsonl"), llm="x", rounds=1, n=6, dedup="exact", embedder="lsa:4",
                        keep_variety=0.9, quality="quality")  # fmt: skip
    assert run.run(settings, place / "run", Progress(io.StringIO()), open_llm) == {}
    return place / "run"


def kept(folder):
    return [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]


def test_kept_rows_say_their_number_id_parents_marks_and_the_judges_reason(folder):
    pool, frame = Dataset.load(folder / "rows.parquet"), audit.read(folder)
    assert len(kept(folder)) == 6
    for line in kept(folder):
        about = line["leaven"]
        row = pool[about["row"]]
        assert line["messages"] == [{"role": turn.role, "content": turn.content} for turn in row.messages]
        assert (about["id"], about["place"]) == (row.id, row.origin.place)
        assert (about["made_by"], about["model"]) == (row.origin.step, row.origin.model)
        assert about["made_by"] in ("reanswer", "evolve")
        assert about["parents"] == [pool[about["parent"]].id]
        bird = next(bird for bird in BIRDS if bird in row.question)
        assert about["reason"] == {"quality": f"Says what a {bird} is."}
        assert about["marks"]["quality_judge"] == 49 + BIRDS.index(bird)
        assert about["marks"]["quality"] == frame["quality"][about["row"]]


def test_an_export_of_kept_rows_says_which_step_and_model_made_them(folder):
    makers = {f"{line['leaven']['made_by']} ({line['leaven']['model']})" for line in kept(folder)}
    card = export.card(files.read(folder / "kept.jsonl").kept, "birds")
    assert all(f"| {maker} | " in card for maker in makers) and "None" not in card and "| read" not in card


def test_why_takes_whatever_a_kept_row_says_of_itself(folder):
    frame = audit.read(folder)
    for line in kept(folder):
        about, question = line["leaven"], line["messages"][0]["content"]
        for name in (str(about["row"]), about["id"], about["id"][:8], question.upper()):
            story = "\n".join(audit.why(frame, name))
            assert f"row {about['row']} ({about['id']}) kept" in story
            assert f"quality said: {about['reason']['quality']}" in story


def test_words_name_every_row_that_says_them_and_too_many_are_counted(folder):
    frame = audit.read(folder)
    story = "\n".join(audit.why(frame, "what  is a\nHERON?"))
    assert story.count("question: What is a heron?") == 3  # as it was read, answered anew, and made harder
    with pytest.raises(UserError, match=r"\d+ rows are called 'bird', or say it") as error:
        list(audit.why(frame, "bird"))
    assert "more of its id or words" in error.value.hint
    with pytest.raises(UserError, match="no row is called 'dodo', and none says it"):
        list(audit.why(frame, "dodo"))


def test_kept_rows_are_read_again_and_lifted_again(folder, tmp_path):
    read = files.read(folder / "kept.jsonl").kept
    assert [row.messages for row in read] == [row.messages for row in Dataset.load(folder / "kept.parquet")]
    again = Settings(data=str(folder / "kept.jsonl"), n=3, quality="length", embedder="lsa:4", keep_variety=1)
    run.run(again, tmp_path / "again", Progress(io.StringIO()), lambda spec, what: pytest.fail("asked"))
    assert {line["leaven"]["made_by"] for line in kept(tmp_path / "again")} == {"read"}
    assert all(line["leaven"]["row"] < 6 for line in kept(tmp_path / "again"))


def test_a_rows_own_fields_called_messages_and_leaven_are_kept_beside_those_of_the_lift(tmp_path):
    rows = [{"prompt": f"What is a {bird}?", "completion": "A bird.", "messages": 3, "leaven": bird} for bird in BIRDS]
    (tmp_path / "birds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Settings(data=str(tmp_path / "birds.jsonl"), format="prompt/completion", n=6, dedup="exact",
                        embedder="lsa:4", keep_variety=0.9, quality="length")  # fmt: skip
    assert run.run(settings, tmp_path / "run", Progress(io.StringIO()), None) == {}
    lines = kept(tmp_path / "run")
    assert len(lines) == 6
    for line in lines:
        bird = line["messages"][0]["content"].removeprefix("What is a ").removesuffix("?")
        assert line["leaven"]["fields"] == {"messages": 3, "leaven": bird}
