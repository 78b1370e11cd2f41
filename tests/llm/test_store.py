"""Replies survive kill -9, several processes and other orders of rows, and are paid for once."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.llm.test_openai import asked_of, questions, serving

from leaven.errors import UserError
from leaven.llm.engines.openai import read_completion
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Reply, Sampling
from leaven.llm.store import Store, Stored, key
from leaven.rows.example import Message, user

CLIENT = """
import sys
from pathlib import Path
from leaven.llm.engines.openai import OpenAI
from leaven.llm.protocol import Sampling
from leaven.llm.store import Store, Stored
from leaven.llm.throttle import Limits
from leaven.rows.example import user
url, store, rows = sys.argv[1:4]
llm = Stored(OpenAI.open("m", url, limits=Limits(concurrency=16)), Store.open(Path(store)))
found = dict(llm.replies([user(f"question {number}") for number in range(int(rows))], Sampling()))
assert all(found[number].text == f"reply to question {number}" for number in range(int(rows)))
"""


def client(url, store, rows):
    return subprocess.Popen([sys.executable, "-c", CLIENT, url, str(store), str(rows)])


class Counting:
    """An engine that counts what it is asked."""

    name, takes_schema = "counting", False

    def __init__(self):
        self.asked = []

    def replies(self, prompts, sampling):
        for index, prompt in enumerate(prompts):
            self.asked.append(prompt[-1].content if prompt else "")
            yield index, Reply(f"{self.asked[-1]} #{len(self.asked)}", None, "stop", 3, 4)


def texts(llm, prompts, **sampling):
    found = dict(llm.replies(prompts, Sampling(**sampling)))
    return [found[index].text for index in range(len(prompts))]


def test_a_reply_is_paid_for_once_in_whatever_order_rows_come(tmp_path):
    engine = Counting()
    llm = Stored(engine, Store.open(tmp_path / "s.db"))
    first = texts(llm, questions(5))
    assert texts(llm, questions(6)[::-1])[1:] == first[::-1]
    assert len(engine.asked) == 6
    found = dict(llm.replies(questions(2), Sampling()))
    assert found[0].cached and (found[0].prompt_tokens, found[0].completion_tokens) == (3, 4)


def test_samples_of_one_prompt_are_as_many_draws(tmp_path):
    engine = Counting()
    llm = Stored(engine, Store.open(tmp_path / "s.db"))
    three = texts(llm, [user("x")] * 3)
    assert len(set(three)) == 3
    assert texts(llm, [user("x")] * 4)[:3] == three
    assert len(engine.asked) == 4
    assert len(set(texts(llm, [user("x")] * 3, seed=1)) | set(three)) == 6


def test_draws_that_are_told_apart_by_the_caller_are_apart(tmp_path):
    llm = Stored(Counting(), Store.open(tmp_path / "s.db"))
    first, again, second = (texts(llm, [user("a")] * 2, draws=draws) for draws in ((0, 1), (0, 1), (2, 3)))
    assert first == again == ["a #1", "a #2"]
    assert second == ["a #3", "a #4"]


def test_what_is_left_of_a_row_of_prompts_is_drawn_by_its_own_place(tmp_path):
    """An engine draws by place: resumed in the middle, it must not begin with the draws of the beginning."""
    seen = []

    class Placed(Counting):
        def replies(self, prompts, sampling):
            seen.append(sampling.first)
            yield from super().replies(prompts, sampling)

    llm = Stored(Placed(), Store.open(tmp_path / "s.db"))
    texts(llm, [()] * 3, draws=(0, 1, 2))
    texts(llm, [()] * 5, draws=(0, 1, 2, 3, 4))
    texts(llm, [()] * 2, first=5, draws=(5, 6))
    assert seen == [0, 3, 5]


def test_a_failed_reply_is_asked_again(tmp_path):
    store = Store.open(tmp_path / "s.db")
    failing = Stored(Scripted.of([{"error": "busy"}]), store)
    assert texts(failing, [user("x")]) == [None]
    assert texts(Stored(Scripted.of([{"reply": "now"}]), store), [user("x")]) == ["now"]


@given(st.lists(st.text(), min_size=1, max_size=3), st.integers(0, 5))
def test_the_key_depends_on_all_that_changes_a_reply(contents, draw):
    prompt = tuple(Message("user", text) for text in contents)
    base = Sampling()
    known = key("e", prompt, base, draw)
    assert known == key("e", prompt, replace(base, first=7), draw)
    others = [replace(base, temperature=0.1), replace(base, top_p=0.1), replace(base, max_new_tokens=1),
              replace(base, seed=1), replace(base, schema="{}")]  # fmt: skip
    keys = [key("e", prompt, other, draw) for other in others]
    keys += [key("f", prompt, base, draw), key("e", prompt, base, draw + 1)]
    keys += [key("e", (*prompt, Message("user", "more")), base, draw)]
    assert len({known, *keys}) == len(keys) + 1
    greedy = replace(base, temperature=0)
    assert key("e", prompt, greedy, draw) == key("e", prompt, replace(greedy, seed=3), draw)


def test_what_is_kept_can_be_counted_exported_and_forgotten(tmp_path):
    store = Store.open(tmp_path / "s.db")
    texts(Stored(Counting(), store), questions(3))
    (row,) = store.stats()
    assert (row["engine"], row["replies"], row["prompt_tokens"]) == ("counting", 3, 9)
    exported = list(store.export())
    assert exported[0]["messages"] == [["user", "question 0"]] and exported[0]["sampling"]["top_p"] == 0.95
    assert store.prune("another") == 0
    assert store.prune(before=time.time() + 1) == 3
    assert store.stats() == []


def test_a_file_that_is_no_store_is_said(tmp_path):
    (tmp_path / "s.db").write_text("a diary " * 100)
    with pytest.raises(UserError, match="can't be opened"):
        Store.open(tmp_path / "s.db")


def test_two_processes_with_the_same_prompts_pay_once(tmp_path):
    with serving(tmp_path, latency=0.02, at_once=16) as url:
        both = [client(url, tmp_path / "s.db", 500) for _ in range(2)]
        assert [process.wait(60) for process in both] == [0, 0]
        assert asked_of(url, "count")["answered"] == 500


def test_a_disk_that_is_full_from_the_start_is_said_before_anything_is_asked(tmp_path):
    store, engine = Store.open(tmp_path / "s.db"), Counting()
    store.database.execute("PRAGMA query_only = ON")
    with pytest.raises(UserError, match="can't be written"):
        texts(Stored(engine, store), questions(3))
    assert engine.asked == []


def test_half_a_character_harms_nothing(tmp_path):
    store = Store.open(tmp_path / "s.db")
    reply = read_completion('{"choices": [{"message": {"content": "half \\ud800"}}]}')
    texts(Stored(Scripted(lambda *_: reply), store), [user("ä\ud800")])
    assert texts(Stored(Scripted.of([{"reply": "half \ud800"}]), store), [user("b")]) == ["half ?"]
    assert next(store.export())["text"] == "half ?"
