import random

import pytest

from leaven.rows import leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.rows.leaks import LeaksSection
from leaven.rows.passages import fold

DEFAULTS = LeaksSection()
RULES = "You are a careful judge of answers. Say what is wrong with the answer below, step by step, and be strict.\n"


def rows(texts, name="rows"):
    return Dataset.of(Example(user(text), Origin("test", f"{name}:{n}")) for n, text in enumerate(texts, 1))


def guard(train, test, pool=None, **config):
    pool = None if pool is None else rows(pool, "pool")
    return leaks.guard(rows(train, "train"), {"test": rows(test, "test")}, pool, LeaksSection(**config))


def kinds(found):
    return [(where, drop.example.origin.place, drop.reason) for where, drop in found.dropped]


def made_up(rng, words):
    return " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(words))


def test_equal_and_normalised_prompts_leave_with_the_row_that_they_equal():
    found = guard(["Name a bird."], ["Name a bird.", "name   a BIRD", "Name a fish."])
    assert kinds(found) == [
        ("test", "test:1", "overlaps with a training row (exact)"),
        ("test", "test:2", "overlaps with a training row (normalised)"),
    ]
    assert found.dropped[0][1].detail == "train:1"
    assert [example.question for example in found.tests["test"]] == ["Name a fish."]


@pytest.mark.parametrize("other", ["What is 3 - 4?", "What is -3 + 4?", "What is 3 * 4?", "What is 34?"])
def test_operators_are_words(other):
    assert not guard(["What is 3 + 4?"], [other]).dropped


@pytest.mark.parametrize("pair", [("कि", "का"), ("请解释一下", "请解释两下"), ("naïve", "nave")])
def test_folding_keeps_apart_what_other_scripts_keep_apart(pair):
    assert fold(pair[0]) != fold(pair[1])


def test_short_question_is_found_within_long_instructions():
    rng = random.Random(0)
    train = [f"'query' : {made_up(rng, 5)}\n'reply' : {made_up(rng, 30)}\n\nJudge it." for _ in range(40)]
    asked = train[7].split("\n")[0].removeprefix("'query' : ")
    test = [f"{RULES}Question: {made_up(rng, 5)}\nAnswer: {made_up(rng, 30)}" for _ in range(40)]
    leaked = f"{RULES}Question: {asked}\nAnswer: {made_up(rng, 30)}"
    assert kinds(guard(train, [*test, leaked])) == [("test", "test:41", "overlaps with a training row (line)")]


def test_shared_instructions_are_no_overlap():
    rng = random.Random(1)
    texts = [f"{RULES}Question: {made_up(rng, 6)}" for _ in range(60)]
    assert not guard(texts[:30], texts[30:], texts[:0]).dropped


def test_template_with_other_content_is_no_overlap_and_its_question_is():
    lands = [f"Land{n}" for n in range(40)]
    ask = "What is the capital of {}? Answer in <sep> format."
    assert not guard([ask.format(land) for land in lands[:20]], [ask.format(land) for land in lands[20:]]).dropped
    other = "What is the capital of {}? Say it in one word."
    found = guard([ask.format(land) for land in lands[:20]], [other.format(land) for land in lands[18:]])
    assert [place for _, place, _ in kinds(found)] == ["test:1", "test:2"]


def test_question_that_train_asks_in_every_format_is_still_known_by():
    formats = ["Answer in one word.", "Do not use <sep>.", "Reply as JSON please.", "Be polite."]
    train = [f"What is the capital of Land{n}? {text}" for n in range(20) for text in formats]
    test = [f"What is the capital of Land{n}? Answer in <sep> format." for n in range(15, 50)]
    assert [place for _, place, _ in kinds(guard(train, test))] == [f"test:{n}" for n in range(1, 6)]


def test_sentence_of_a_longer_text_counts_only_where_it_is_most_of_the_shorter():
    rng = random.Random(2)
    sentence = "How many apples did Ann have left?"
    story = [f"{made_up(rng, 30)}. {sentence}" for _ in range(2)]
    assert not guard(story[:1], story[1:]).dropped
    assert kinds(guard(story[:1], [f"Think. {sentence}"])) == [
        ("test", "test:1", "overlaps with a training row (line)")
    ]


def test_long_text_with_some_words_changed_is_found():
    words = made_up(random.Random(3), 60).split()
    changed = [*words[:50], "other", *words[51:]]
    found = guard([" ".join(words)], [" ".join(changed), made_up(random.Random(4), 60)])
    assert kinds(found) == [("test", "test:1", "overlaps with a training row (ngram)")]
    assert found.dropped[0][1].score == pytest.approx(38 / 48)
    assert not guard([" ".join(words)], [" ".join(changed)], share=0.9).dropped
    assert not guard([" ".join(words)], [" ".join(changed)], ngram=51).dropped


def test_pool_leaves_for_tests_and_for_equal_train_rows():
    train = ["Name a bird that can sing.", "Name a fish that can fly.\nIn <sep> format."]
    test = ["List three uses of salt.", "Name a bird that can sing."]
    pool = [
        "list three uses of salt",
        "Name a bird that can sing!",
        "Name a fish that can fly.\nIn one word.",
        "Other.",
    ]
    found = guard(train, test, pool)
    assert [example.question for example in found.pool] == pool[2:]
    assert {match.against for match in found.matches if match.where == "pool"} == {"test"}
    assert [example.question for example in guard(train, [], [train[0], "Other."]).pool] == ["Other."]


def test_words_that_many_rows_share_do_not_count():
    rng = random.Random(5)
    train = [f"Write about the deep blue sea.\n{made_up(rng, 4)}" for _ in range(12)]
    test = [f"Write about the deep blue sea.\n{made_up(rng, 4)}" for _ in range(2)]
    assert not guard(train, test).dropped
    assert len(guard(train[:1], test).dropped) == 2
    assert len(guard(train, test, passage=7).dropped) == 0
    assert not guard(train[:4], test, common=0.0).dropped


def test_answers_and_system_turns_do_not_count():
    def talk(system, asked, answer):
        turns = (("system", system), ("user", asked), ("assistant", answer))
        from leaven.rows.example import Message

        return Dataset.of([Example(tuple(Message(*turn) for turn in turns), Origin("test", "place"))])

    first = talk("You are a helpful assistant here.", "Name a bird.", "The answer to this is a wren.")
    second = talk("You are a helpful assistant here.", "Name a fish.", "The answer to this is a wren.")
    third = talk("You are somebody else.", "Name a bird.", "A robin.")
    found = leaks.guard(first, {"a": second, "b": third}, None, DEFAULTS)
    assert (len(found.tests["a"]), len(found.tests["b"])) == (1, 0)


def test_disabled_guard_leaves_everything():
    found = guard(["Name a bird."], ["Name a bird."], ["Name a bird."], enabled=False)
    assert (len(found.tests["test"]), len(found.pool), found.dropped) == (1, 1, ())


def test_sets_may_be_empty():
    assert not guard([], ["Name a bird."], []).dropped
    assert not guard(["Name a bird."], [], None).dropped
