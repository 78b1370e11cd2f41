"""Dedup against all pairs compared one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven import extras
from leaven.errors import UserError
from leaven.lift.selectors import exact, minhash, semantic
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, pair, user


def jaccard(a, b, n):
    def grams(text):
        words = text.split()
        words += [""] * (n - len(words))
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    return len(grams(a) & grams(b)) / len(grams(a) | grams(b))


def varied(count, seed=0):
    """Texts of 12 words, of which many differ from an earlier one in a word or two."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        words = [f"w{i}" for i in rng.integers(0, 400, 12)]
        if texts and rng.random() < 0.6:
            words = texts[rng.integers(len(texts))].split()
            for place in rng.integers(0, 12, rng.integers(0, 3)):
                words[place] = f"w{rng.integers(400)}"
        texts.append(" ".join(words))
    return texts


def greedy(alike, count):
    kept = []
    for row in range(count):
        if not any(alike(row, other) for other in kept):
            kept.append(row)
    return kept


def test_minhash_keeps_what_comparing_every_pair_keeps():
    texts = varied(300)
    config = minhash.Config(threshold=0.5, ngram=2, permutations=512)
    found = minhash.near_copies([texts], config)
    expected = greedy(lambda a, b: jaccard(texts[a], texts[b], 2) >= 0.5, 300)
    mine = [row for row in range(300) if row not in found]
    assert 30 < len(expected) < 250
    assert len(set(mine) ^ set(expected)) <= 2  # banding may miss a pair near the threshold
    for row, (other, value) in found.items():
        assert abs(jaccard(texts[row], texts[other], 2) - value) < 1e-9
        assert value >= 0.5


def test_signatures_agree_as_often_as_the_sets_overlap():
    texts = varied(120, seed=1)
    grams, starts = minhash.ngrams(texts, 2)
    found = minhash.signatures(grams, starts, 1024)
    estimated = [(found[a] == found[b]).mean() for a in range(60) for b in range(a)]
    true = [jaccard(texts[a], texts[b], 2) for a in range(60) for b in range(a)]
    assert max(abs(e - t) for e, t in zip(estimated, true, strict=True)) < 0.08


def test_pieces_make_no_difference_to_signatures(monkeypatch):
    grams, starts = minhash.ngrams(varied(40), 2)
    whole = minhash.signatures(grams, starts, 16)
    monkeypatch.setattr(minhash, "_PIECE", 7)
    assert (minhash.signatures(grams, starts, 16) == whole).all()


@pytest.mark.parametrize(
    ("text", "near", "other"),
    [
        ("请用一句话向一个十岁的孩子解释什么是人工智能,并且举一个生活中的例子。",
         "请用一句话向一个九岁的孩子解释什么是人工智能,并且举一个生活中的例子。", "请用一句话写一个关于大海的故事。"),
        ("今日の天気について、誰にでもわかる短い文章を日本語で書いてください。",
         "明日の天気について、誰にでもわかる短い文章を日本語で書いてください。", "短い詩を書いてください。"),
        ("กรุณาอธิบายความหมายของปัญญาประดิษฐ์เป็นประโยคสั้น", "กรุณาอธิบายความหมายของปัญญาประดิษฐ์เป็นประโยคยาว", "กรุณาเขียนบทกวีสั้น"),
    ],
    ids=["Chinese", "Japanese", "Thai"],
)  # fmt: skip
def test_minhash_takes_characters_for_words_where_a_script_has_no_spaces(text, near, other):
    config = minhash.Config()
    assert set(minhash.near_copies([[text, other, near, "GPT-4 " + text]], config)) == {2, 3}
    english = ["What is a fish?", "Naïve — “café”", "Two words"]
    alone, starts = minhash.ngrams(english, 3)
    beside, _ = minhash.ngrams([*english, text], 3)
    assert (beside[: starts[-1]] == alone).all()
    assert len(alone) == 4  # of four words two, of two or fewer one


@settings(max_examples=30)
@given(st.lists(st.text("ab ?!", max_size=12), max_size=12), st.integers(1, 4))
def test_minhash_takes_any_text_and_never_drops_the_first_of_its_kind(texts, n):
    found = minhash.near_copies([texts], minhash.Config(ngram=n))
    assert all(other < row and other not in found for row, (other, _) in found.items())
    first = {}
    for row, text in enumerate(texts):
        if first.setdefault(text, row) != row:
            assert row in found


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("दिन", "दान", False),  # day, gift: they differ in a vowel sign alone
        ("cafe\u0301s?", "CAFÉS", True),
        ("Well — done ❤\ufe0f!", "well done", True),
        ("Step 1\ufe0f\u20e3: go", "step 1 go", True),
        ("Name a b\u200bird of Pe\u00adru", "name a bird of peru", True),
        ("❤\u200d🔥", "❤\u200d🩹", False),
    ],
)
def test_vowel_signs_and_accents_tell_words_apart_and_how_they_are_written_does_not(first, second, same):
    assert (exact.key(first, True) == exact.key(second, True)) is same


def test_exact_keeps_the_first_of_each_kind_and_names_it(rows, context, select):
    data = rows(("A b?", "x"), ("a B", "x"), ("A b?", "x"), ("A b?", "y"), ("…", "x"), ("!", "x"))
    found = select(exact, data, exact.Config(), context())
    assert found.positions == (0, 1, 3, 4, 5)
    assert [(drop.reason, drop.detail) for drop in found.dropped] == [("a copy of another row", "f:1")]
    assert select(exact, data, exact.Config(normalise=True), context()).positions == (0, 3, 4)
    assert select(exact, data, exact.Config(compare="question"), context()).positions == (0, 1, 4, 5)
    assert select(exact, data, exact.Config(compare="question", normalise=True), context()).positions == (0, 4, 5)


@pytest.mark.parametrize("selector", [exact, minhash])
def test_rows_without_the_text_that_is_compared_are_no_copies_and_are_said(selector, context, select):
    asked = [Example(user(text), Origin("x", f"f:{text}")) for text in ("Name a fish.", "Name a bird.")]
    answered = [
        pair(text, answer, Origin("x", f"f:{text}")) for text, answer in (("a", "It is."), ("b", " "), ("c", ""))
    ]
    data = Dataset.of([*asked, *answered, pair("d", "It is.", Origin("x", "f:d"))])
    found = select(selector, data, selector.Config(compare="answer"), context())
    assert found.positions == (0, 1, 2, 3, 4)
    assert [drop.detail.split()[0] for drop in found.dropped] == ["f:a"]
    assert found.notes[0] == "4 rows have no answer: not compared with any other, and kept"
    assert not select(selector, data, selector.Config(), context()).notes
    if selector is minhash:
        assert np.isnan(found.scores["jaccard"][:2]).all() and found.scores["jaccard"][5] == 1
    assert not len(select(selector, Dataset.of([]), selector.Config(), context()).kept)


def test_semantic_keeps_what_comparing_every_pair_keeps(unit, monkeypatch):
    monkeypatch.setattr(semantic, "BLOCK", 16)
    rows = unit(200, 4)
    nearest, cosines = semantic.near_copies(rows, 0.9)
    expected = greedy(lambda a, b: rows[a] @ rows[b] >= 0.9, 200)
    kept = [row for row in range(200) if cosines[row] < 0.9]
    assert kept == expected
    for row in set(range(200)) - set(kept):
        before = [other for other in kept if other < row]
        assert nearest[row] == max(before, key=lambda other: rows[row] @ rows[other])
        assert np.isclose(cosines[row], rows[row] @ rows[nearest[row]])


def near_copied(unit):
    """3,000 rows, of which each tenth has a near copy behind it (cosine .96 to 1)."""
    rows = unit(3000, 24)
    rows[1::10] = rows[::10] + 0.05 * unit(300, 24, seed=1) * np.linspace(0, 5, 300, dtype=np.float32)[:, None]
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)


def test_semantic_by_cells_finds_nearly_all_that_the_exact_search_finds_and_nothing_else(
    unit, numbered, context, select
):
    data, vectors = numbered(3000), near_copied(unit)
    exact_, cells = (
        select(semantic, data, semantic.Config(threshold=0.95, search=search), context(vectors))
        for search in ("exact", "ivf")
    )
    gone = [set(range(3000)) - set(one.positions) for one in (exact_, cells)]
    assert len(gone[0]) > 250 and len(gone[0] & gone[1]) >= 0.99 * len(gone[0])
    for row in gone[1]:
        before = [other for other in cells.positions if other < row]
        assert (vectors[before] @ vectors[row]).max() >= 0.95 - 1e-5
    few = select(semantic, numbered(3), semantic.Config(search="ivf"), context(unit(3)))
    assert few.positions == (0, 1, 2)


def test_cells_without_faiss_are_refused_before_anything_is_compared(numbered, unit, context, select, monkeypatch):
    monkeypatch.setattr(extras, "_installed", lambda package: package != "faiss")
    with pytest.raises(UserError, match="faiss is not installed") as error:
        select(semantic, numbered(3), semantic.Config(search="ivf"), context(unit(3)))
    assert "leaven[scale]" in error.value.hint and semantic.Config(search="ivf").packages == ("faiss",)


def test_semantic_finds_every_identical_row_at_a_threshold_of_one(numbered, unit, context, select):
    vectors = np.concatenate([unit(40, 384)] * 2) * np.linspace(0.1, 3, 80, dtype=np.float32)[:, None]
    found = select(semantic, numbered(80), semantic.Config(threshold=1), context(vectors))
    assert found.positions == tuple(range(40))


def test_rows_without_text_or_whose_vector_says_nothing_are_no_copies_of_each_other(rows, unit, context, select):
    """An encoder has one vector for every empty text, and one for all that differs behind where it stops reading."""
    data = rows(("a", "Yes."), ("b", ""), ("c", " "), ("d", "long, one end"), ("e", "long, another"), ("f", "yes"))
    yes, nothing, long = unit(3)
    vectors = np.array([yes, nothing, nothing, long, long, yes])
    found = select(semantic, data, semantic.Config(), context(vectors, embed_text="answer"))
    assert found.positions == (0, 1, 2, 3, 4)
    assert [(drop.reason, drop.detail) for drop in found.dropped] == [("near a kept row", "f:1 (cosine 1.000)")]
    assert np.isnan(found.scores["cosine"][1:5]).all()
    assert found.notes[0] == "2 rows have no answer: not compared with any other, and kept"
    assert found.notes[1].startswith("2 rows have the embedding of a row that says something else")
    assert not len(select(semantic, Dataset.of([]), semantic.Config(), context(np.zeros((0, 3)))).kept)
