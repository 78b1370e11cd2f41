import pytest
from tests.llm.test_openai import asked_of, questions, serving

from leaven.errors import UserError
from leaven.llm.budget import Budgeted, BudgetReached, Counted, Price, Spend, price
from leaven.llm.engines.openai import OpenAI, ServerError
from leaven.llm.engines.scripted import Scripted
from leaven.llm.open import open_with_budget
from leaven.llm.protocol import Reply, Sampling
from leaven.llm.settings import LLMSection
from leaven.llm.store import Store, Stored


def test_the_price_is_known_by_name_or_unknown(tmp_path):
    assert price("a-model-that-nobody-has") is None
    mine = tmp_path / "prices.yaml"
    mine.write_text("{date: 2026-01-31, models: {mine: {prompt: 2, completion: 8}}}")
    found = price("mine", mine)
    assert found == Price(2, 8, "2026-01-31")
    assert found.of(1_000_000, 500_000) == 6
    mine.write_text("nothing")
    with pytest.raises(UserError, match="no table of prices"):
        price("mine", mine)


@pytest.mark.parametrize("limit", [{"max_requests": 10}, {"max_tokens": 60}, {"max_cost": 6e-5}])
def test_a_limit_stops_cleanly_and_the_same_call_goes_on(tmp_path, limit):
    store = Store.open(tmp_path / "s.db")
    with serving(tmp_path, latency=0.01) as url:
        answered = []
        for _ in range(5):
            spend = Spend(Price(1, 1, "today"), **limit)
            llm = Stored(Budgeted(OpenAI.open("m", url), spend), store)
            found = []
            try:
                found.extend(llm.replies(questions(30), Sampling()))
            except BudgetReached as reached:
                assert "goes on from here" in reached.hint
                assert spend.requests <= 30
            answered.append(asked_of(url, "count")["answered"])
            if len(found) == 30:
                break
        assert answered[0] < 30
        assert answered[-1] == 30
        if "max_requests" in limit:
            assert answered == [10, 20, 30]


def test_a_limit_on_tokens_is_not_passed_by_more_than_a_reply(tmp_path):
    spend = Spend(max_tokens=100)
    llm = Budgeted(Scripted.of([{"reply": "one two three"}]), spend)  # five tokens a call
    with pytest.raises(BudgetReached, match="max_tokens 100"):
        list(llm.replies(questions(50), Sampling()))
    assert 95 <= spend.tokens <= 105


def test_calls_that_all_fail_at_first_do_not_lift_the_limit():
    asked = []

    class Wave(Scripted):
        """Takes all prompts that it may before it replies, as a server's engine does."""

        def replies(self, prompts, sampling):
            for number, _ in enumerate(list(prompts)):
                asked.append(number)
                failed = len(asked) <= 6
                yield number, Reply(None, "down") if failed else Reply("a", None, "stop", 1, 1)

    spend = Spend(Price(1e6, 1e6, "today"), max_cost=10)  # two dollars a call
    with pytest.raises(BudgetReached):
        list(Budgeted(Wave(lambda *_: ""), spend).replies(questions(60), Sampling()))
    assert spend.cost <= 14 and spend.failed == 6


def test_calls_that_nobody_waits_for_any_more_take_nothing_of_the_limit():
    """After a server that broke, or a caller that stopped, they counted as under way for good."""

    class Breaks(Scripted):
        def replies(self, prompts, sampling):
            several = list(prompts)
            yield 0, self.answer(several[0], 0)
            raise ServerError("gone")

    spend = Spend(max_requests=20)
    with pytest.raises(ServerError):
        list(Budgeted(Breaks(lambda *_: Reply("a")), spend).replies(questions(9), Sampling()))
    assert (spend.requests, spend.under_way) == (1, 0)
    replies = Budgeted(Breaks(lambda *_: Reply("a")), spend).replies(questions(9), Sampling())
    next(replies)
    replies.close()
    assert spend.under_way == 0
    assert len(list(Budgeted(Scripted.of([{"reply": "a"}]), spend).replies(questions(18), Sampling()))) == 18


def test_the_end_says_what_was_spent_and_saved(tmp_path):
    spend = Spend()
    llm = Counted(Stored(Budgeted(Scripted.of([{"reply": "a"}]), spend), Store.open(tmp_path / "s.db")), spend)
    list(llm.replies(questions(3), Sampling()))
    list(llm.replies(questions(4), Sampling()))
    assert spend.sentence() == "Spent 4 calls, 8 tokens in, 4 out, cost unknown; the store saved 3 calls."
    assert spend.note() == "7 ok, 0 failed, 3 cached"


def test_a_limit_on_the_cost_of_a_model_without_a_price_is_refused():
    with pytest.raises(UserError, match=r"the price of openai:mine is unknown\nName a table"):
        open_with_budget(LLMSection(engine="openai:mine", max_cost=5))


def test_the_pilot_and_the_rest_are_drawn_by_their_own_places():
    seen = []
    spend = Spend(max_tokens=10**6)
    llm = Budgeted(Scripted(lambda prompt, draw: seen.append(draw) or "x"), spend)
    assert len(list(llm.replies(questions(9), Sampling(seed=0, first=100)))) == 9
    assert seen == list(range(100, 109))
