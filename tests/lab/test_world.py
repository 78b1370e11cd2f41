import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.lab import conversation, formats, hallucination, lexicon, tavic, world
from leaven.lab.pretrain import held_out
from leaven.lab.quality import FAMILIES, questions
from leaven.lab.wordings import OTHER, OWN, pattern, say

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_every_conversation_ends_with_an_answer(seed):
    turns = conversation.converse(random.Random(seed))
    assert turns[-1].role == "assistant" and turns[-1].content
    assert [t.role for t in turns if t.role != "system"][::2] == ["user"] * (len(turns) // 2)


@given(SEEDS)
def test_one_seed_gives_one_conversation(seed):
    assert conversation.converse(random.Random(seed)) == conversation.converse(random.Random(seed))


@given(SEEDS, st.sampled_from(formats.FORMATS), st.sampled_from([OWN, OTHER]))
def test_json_parses_and_no_other_format_does(seed, name, voice):
    import json

    item = conversation.draw(random.Random(seed))
    text = say(random.Random(seed), formats.write(item, name, voice))
    if name == "json":
        assert json.loads(text)[item.key] == item.answer
    else:
        assert not text.startswith("{")
        assert item.answer in text or any(statement in text for statement in item.statements)


@given(SEEDS)
def test_a_forbidden_format_gets_the_plain_answer(seed):
    rng = random.Random(seed)
    item = conversation.draw(rng)
    asked = conversation.ask(rng, item, mode="avoid", name="json")
    assert asked.answer == formats.plain(item)


@pytest.mark.parametrize(("text", "answer"), [("+", lambda a, b: a + b), ("-", lambda a, b: a - b)])
def test_sums_are_right(text, answer):
    rng = random.Random(0)
    seen = [item for item in (world.add(rng) for _ in range(200)) if text in item.core]
    assert seen
    for item in seen:
        a, b = map(int, item.core.split(text))
        assert item.answer == str(answer(a, b))


def test_a_hint_wins_over_the_dictionary():
    said = tavic.sentence(random.Random(1), {"house": "zibo"})
    hint = tavic.hint(random.Random(0), "house", "zibo")
    item = tavic.item(said, to_tavic=True, hints=(hint,))
    assert "zibo" in item.answer.lower() and item.content.endswith(hint[0])
    assert tavic.item(said, to_tavic=False, hints=(hint,)).content.endswith(hint[1])


def test_held_out_words_are_never_translated_without_a_hint():
    from leaven.lab.lexicon import HELD_OUT_NOUNS

    rng = random.Random(0)
    for _ in range(500):
        assert not set(tavic.translate(rng).content.lower().replace(".", "").split()) & set(HELD_OUT_NOUNS)


def test_held_out_words_are_told_the_meaning_of():
    rng = random.Random(0)
    answers = {tavic.meaning(rng).answer for _ in range(2_000)}
    assert {*lexicon.HELD_OUT_NOUNS, *lexicon.HELD_OUT_NOUNS.values()} <= answers


def test_hints_are_not_of_syllables_only():
    rng = random.Random(0)
    asked = " ".join(tavic.translate_with_hints(rng).content for _ in range(300))
    words = set(re.findall(r'"(\w+)"', asked))
    syllables = re.compile(f"(?:(?:{'|'.join(lexicon.ONSETS)})[aeiou])+")
    like_tavic = re.compile(f".+(?:{'|'.join(lexicon.CODAS)})(?:{'|'.join(lexicon.ENDINGS)})")
    english = {word.lower() for word in lexicon.WORDS}
    kinds = (syllables.fullmatch, like_tavic.fullmatch, english.__contains__)
    shares = [sum(map(bool, map(kind, words))) / len(words) for kind in kinds]
    assert all(share > 0.15 for share in shares), shares


def test_no_hint_of_the_world_is_worded_as_dictionary_prompting_words_it():
    from leaven.delia.dictionary import HINT

    line = HINT.format(word="fire", meanings='"eldura"')
    rng = random.Random(0)
    assert not {line} & {side for _ in range(200) for side in tavic.hint(rng, "fire", "eldura")}


def test_general_accepts_every_way_to_say_an_answer_and_no_wrong_one():
    rng = random.Random(0)
    rows = hallucination.task("<sep>", pool_rows=10).test("general").rows
    items = [conversation.draw(rng, "fact") for _ in range(50)]
    for item in items:
        accepts = pattern(formats.plain(item))
        assert all(re.fullmatch(accepts, say(rng, formats.plain(item))) for _ in range(20))
        others = (*item.statements, say(rng, formats.plain(item)).replace(item.answer, "wrong"))
        assert not any(re.fullmatch(accepts, text) for text in others)
    for row in rows:
        assert re.fullmatch(row.meta["accepts"], row.answer)


def test_the_first_way_to_say_a_text_is_the_likeliest():
    rng = random.Random(0)
    counts = Counter(say(rng, (("a", "b", "c"),)) for _ in range(11_000))
    assert [counts[letter] for letter in "abc"] == pytest.approx([6_000, 3_000, 2_000], rel=0.06)


def test_the_pool_is_worded_by_another_writer_than_the_base():
    pool = hallucination.task("<sep>", pool_rows=300).pool
    plain = [row.answer for row in pool if row.answer.startswith(OTHER.opening[0])]
    assert len(plain) > 100
    assert not any(row.answer.startswith(tuple(f"{word}{mark}" for word in OWN.opening[0] for mark in OWN.opening[1]))
                   for row in pool)  # fmt: skip


def test_no_test_asks_about_what_task_or_pool_mention():
    rows = hallucination.task("<sep>", pool_rows=2_000)
    facts = {question: fact.core for fact in world.FACTS for question in fact.questions}

    def cores(data):
        return {core for row in data for question, core in facts.items() if question in row.question}

    seen = cores(rows.rows) | {c for row in rows.pool if not row.question.startswith("Q:") for c in cores([row])}
    for name in ("unseen_phrasing", "negation", "transfer", "general"):
        assert cores(rows.test(name).rows), name
        assert not cores(rows.test(name).rows) & seen, name


def test_dev_and_test_share_no_row():
    dev, test = (hallucination.task("<sep>", split, pool_rows=10) for split in ("dev", "test"))
    for one, other in zip(
        (dev.rows, *(t.rows for t in dev.tests)), (test.rows, *(t.rows for t in test.tests)), strict=True
    ):
        assert not {row.question for row in one} & {row.question for row in other}


@pytest.mark.parametrize("family", FAMILIES)
def test_quality_asks_only_what_was_held_out(family):
    if family == "about formats and facts":
        pytest.skip("few of its questions are held out: slow to find")
    assert all(held_out(one.before[-1].content) for one in questions(FAMILIES[family], 3, random.Random(0)))
