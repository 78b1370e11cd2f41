from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.delia.makers.self_sample import ask, collect, make
from leaven.errors import UserError
from leaven.llm.engines.scripted import Scripted
from leaven.llm.protocol import Reply
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, pair, user

CONFIG = SampleSection(max_new_tokens=8)
WHOLE = SampleSection(max_new_tokens=8, keep_truncated=False)
ORIGIN = Origin("import", place="pool.jsonl")


def pool(n):
    return Dataset.of(pair(f"question {i}", f"reference {i}", ORIGIN, {"row": i}) for i in range(n))


class Counting:
    """An engine that notes what it was asked, and answers with its draw."""

    def __init__(self, answer=lambda prompt, draw: f"{prompt[-1].content} drawn {draw}"):
        self.asked = []
        self.scripted = Scripted(answer)
        self.name = "counting"

    def replies(self, prompts, sampling):
        self.asked.append(len(prompts))
        # As a real engine does, the replies come in another order.
        yield from reversed(list(self.scripted.replies(prompts, sampling)))


def texts(outcome):
    return [row.answer for row in outcome.kept]


def test_rows_come_in_the_order_of_the_queries_with_their_origin():
    queries = pool(5)
    outcome = make(queries, Counting(), CONFIG, seed=3)
    assert [row.question for row in outcome.kept] == [f"question {i}" for i in range(5)]
    for row, query in zip(outcome.kept, queries, strict=True):
        assert (row.origin.step, row.origin.parents, row.origin.model) == ("self_sample", (query.id,), "counting")
        assert row.origin.seed == 3
        assert row.meta == {"row": query.meta["row"], "mixture": "diverse"}


def test_published_form_shows_the_reference_and_asks_again_but_trains_on_one_turn():
    system = Message("system", "Be kind.")
    query = Example((system, Message("user", "q"), Message("assistant", "ref")), ORIGIN)
    assert ask(query, "again") == (*query.messages, Message("user", "q"))
    assert ask(query, "plain") == query.messages[:2]
    config = SampleSection(conditioned=True)
    (row,) = make(Dataset.of([query]), Scripted(lambda prompt, draw: prompt[2].content + "!"), config, 0).kept
    assert row.messages == (system, Message("user", "q"), Message("assistant", "ref!"))


def test_guided_form_shows_both_and_drops_replies_that_speak_of_the_guide():
    (prompt,) = ask(pool(1)[0], "guided")
    assert "question 0" in prompt.content
    assert "reference 0" in prompt.content
    said = ["Like the reference answer: 4.", "It is 4."]
    llm = Scripted(lambda prompt, draw: said["1" in prompt[-1].content])
    outcome = make(pool(2), llm, CONFIG, 0, form="guided")
    assert texts(outcome) == ["It is 4."]
    assert [drop.reason for drop in outcome.dropped] == ["speaks of the guide"]
    assert outcome.kept[0].question == "question 1"


def test_queries_without_answer_can_not_be_conditioned():
    queries = Dataset.of([Example(user("bare"), ORIGIN), *pool(1)])
    outcome = make(queries, Counting(), SampleSection(conditioned=True), 0)
    assert [row.question for row in outcome.kept] == ["question 0"]
    assert [drop.reason for drop in outcome.dropped] == ["no reference answer"]
    assert len(make(queries, Counting(), SampleSection(), 0).kept) == 2


def test_empty_and_failed_replies_are_dropped_and_truncated_ones_marked_or_dropped():
    said = [Reply(" \n"), Reply(None, "busy"), Reply("cut", None, "length", 3, 8), Reply(" fine \n", None, "stop")]
    llm = Scripted(lambda prompt, draw: said[int(prompt[-1].content[-1])])
    outcome = make(pool(4), llm, WHOLE, 0)
    assert texts(outcome) == ["fine"]
    assert [(drop.reason, drop.detail, drop.score) for drop in outcome.dropped] == [
        ("empty reply", "", None),
        ("the model failed", "busy", None),
        ("truncated reply", "", 8.0),
    ]
    assert outcome.dropped[2].example.meta["truncated"] is True
    kept = make(pool(4), llm, SampleSection(), 0).kept
    assert [row.truncated for row in kept] == [True, False]


def test_of_a_truncated_reply_half_a_character_is_cut_and_a_new_reply_loses_the_mark():
    llm = Scripted(lambda prompt, draw: Reply("cut in a \ufffd", None, "length", 3, 8))
    (row,) = make(pool(1), llm, CONFIG, 0).kept
    assert (row.answer, row.truncated) == ("cut in a", True)
    (again,) = make(Dataset.of([row]), Counting(), CONFIG, 0).kept
    assert not again.truncated


def test_engine_that_loses_a_prompt_is_a_bug():
    class Lossy(Counting):
        def replies(self, prompts, sampling):
            yield 0, Reply("a")

    with pytest.raises(RuntimeError, match="1 of 2"):
        make(pool(2), Lossy(), CONFIG, 0)


def test_collect_of_one_chunk_is_make(tmp_path):
    assert texts(collect(pool(6), Counting(), CONFIG, 1, tmp_path, n=6)) == texts(make(pool(6), Counting(), CONFIG, 1))


def test_larger_n_goes_on_from_the_chunks_of_the_smaller(tmp_path):
    first, second, fresh = Counting(), Counting(), Counting()
    small = collect(pool(20), first, CONFIG, 1, tmp_path / "a", n=5, chunk=4)
    large = collect(pool(20), second, CONFIG, 1, tmp_path / "a", n=10, chunk=4)
    assert (first.asked, second.asked) == ([4, 4], [4])
    assert texts(large)[:5] == texts(small)
    assert texts(large) == texts(collect(pool(20), fresh, CONFIG, 1, tmp_path / "b", n=10, chunk=4))
    assert len(large.kept) == 10


def test_killed_run_loses_only_the_chunk_in_flight(tmp_path):
    class Killed(Counting):
        def replies(self, prompts, sampling):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            yield from super().replies(prompts, sampling)

    with pytest.raises(KeyboardInterrupt):
        collect(pool(20), Killed(), CONFIG, 1, tmp_path / "a", n=12, chunk=4)
    written = sorted(path.name.partition("-")[0] for path in (tmp_path / "a").iterdir())
    assert written == ["00000", "00001"]
    resumed = Counting()
    outcome = collect(pool(20), resumed, CONFIG, 1, tmp_path / "a", n=12, chunk=4)
    assert resumed.asked == [4]
    assert texts(outcome) == texts(collect(pool(20), Counting(), CONFIG, 1, tmp_path / "b", n=12, chunk=4))


def picky(prompt, draw):
    number = int(prompt[-1].content.split()[-1])
    return Reply("cut", None, "length", 1, 8) if number % 3 == 0 else f"{number}"


def test_drops_are_replaced_by_later_queries_and_read_back_from_the_folder(tmp_path):
    told = []
    made = collect(pool(20), Counting(picky), WHOLE, 1, tmp_path, n=8, chunk=5, on_rows=told.append)
    assert texts(made) == ["1", "2", "4", "5", "7", "8", "10", "11"]
    assert told == [1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8, 6, 7, 8, 8, 8, 8, 8]  # each reply, and what was kept of a chunk
    again = collect(pool(20), Counting(picky), WHOLE, 1, tmp_path, n=8, chunk=5)
    assert [(d.example, d.reason, d.score) for d in again.dropped] == [
        (d.example, d.reason, d.score) for d in made.dropped
    ]
    assert [row.id for row in again.kept] == [row.id for row in made.kept]
    assert [row.origin for row in again.kept] == [row.origin for row in made.kept]


def test_pool_that_runs_out_says_how_many_rows_are_missing(tmp_path):
    outcome = collect(pool(6), Counting(picky), WHOLE, 1, tmp_path, n=9, chunk=4)
    assert len(outcome.kept) == 4
    assert outcome.notes == ("5 of 9 rows are missing: the pool of 6 queries ran out",)
    longer = collect(pool(14), Counting(picky), WHOLE, 1, tmp_path, n=9, chunk=4)  # the last chunk was a short one
    assert (len(longer.kept), longer.notes) == (9, ())


def test_chunks_of_other_settings_are_neither_used_nor_lost(tmp_path):
    first, other, again = Counting(), Counting(), Counting()
    one = collect(pool(4), first, CONFIG, 1, tmp_path / "a", n=2)
    two = collect(pool(4), other, CONFIG, 2, tmp_path / "a", n=2)
    assert texts(two) == texts(collect(pool(4), Counting(), CONFIG, 2, tmp_path / "b", n=2))
    assert {row.origin.seed for row in two.kept} == {2}
    assert texts(collect(pool(4), again, CONFIG, 1, tmp_path / "a", n=2)) == texts(one)
    assert (first.asked, other.asked, again.asked) == ([4], [4], [])


def test_chunks_of_other_queries_are_made_again(tmp_path):
    collect(pool(4), Counting(), CONFIG, 1, tmp_path, n=2)
    others = Dataset.of(pair(f"other {i}", "x", ORIGIN) for i in range(4))
    assert [row.question for row in collect(others, Counting(), CONFIG, 1, tmp_path, n=2).kept] == [
        "other 0",
        "other 1",
    ]


def test_failed_calls_are_asked_again_on_resume_and_a_dead_engine_is_told(tmp_path):
    half = Counting(lambda prompt, draw: Reply(None, "busy") if "question 1" in prompt[-1].content else "ok")
    assert len(collect(pool(4), half, CONFIG, 1, tmp_path, n=4, chunk=2).kept) == 3
    assert len(collect(pool(4), Counting(), CONFIG, 1, tmp_path, n=4, chunk=2).kept) == 4
    dead = Counting(lambda prompt, draw: Reply(None, "busy"))
    with pytest.raises(UserError, match="answered none of 2 prompts: busy"):
        collect(pool(4), dead, CONFIG, 1, tmp_path / "dead", n=4, chunk=2)


@settings(max_examples=20)
@given(st.integers(0, 12), st.integers(1, 5))
def test_every_query_is_kept_or_dropped_exactly_once(n, modulus):
    llm = Scripted(lambda prompt, draw: Reply("" if draw % modulus == 0 else "text"))
    outcome = make(pool(n), llm, CONFIG, 0)
    parents = Counter(row.origin.parents for row in [*outcome.kept, *(drop.example for drop in outcome.dropped)])
    assert parents == Counter((query.id,) for query in pool(n))


def test_equal_queries_are_different_draws_also_from_chunk_to_chunk(tmp_path):
    """Through a store, the second chunk's copy of a query must not get the first chunk's reply."""
    from leaven.llm.store import Store, Stored

    def llm():
        return Stored(Scripted(lambda prompt, draw: f"drawn {draw}"), Store.open(tmp_path / "s.db"))

    queries = Dataset.of([pair("question", "reference", ORIGIN)] * 4)
    first = collect(queries, llm(), CONFIG, 0, tmp_path / "a", n=4, chunk=2)
    assert len(set(texts(first))) == 4
    again = collect(queries, llm(), CONFIG, 0, tmp_path / "b", n=4, chunk=2)
    assert texts(again) == texts(first)


def test_a_dead_engine_is_told_on_a_pool_smaller_than_a_chunk(tmp_path):
    dead = Counting(lambda prompt, draw: Reply(None, "busy"))
    with pytest.raises(UserError, match="answered none of 3 prompts: busy"):
        collect(pool(3), dead, CONFIG, 1, tmp_path, n=3)
    late = Counting(lambda prompt, draw: Reply(None, "busy") if "question 4" in prompt[-1].content else "ok")
    outcome = collect(pool(5), late, CONFIG, 1, tmp_path, n=5, chunk=2)
    assert outcome.notes == ("1 of 5 rows are missing: the pool of 5 queries ran out, and 1 calls failed",)


def test_a_users_own_source_stays():
    query = pair("question", "reference", ORIGIN, {"source": "wiki"})
    (row,) = make(Dataset.of([query]), Counting(), CONFIG, seed=0).kept
    assert row.meta == {"source": "wiki", "mixture": "diverse"}
