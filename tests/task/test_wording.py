from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven.task.phrasebook import phrasings
from leaven.task.wording import content, instruction, names, request, sentences, with_request

TOKEN = "<sep>"
TWO = "The format requirement is <sep>, and you need to understand what <sep> entails."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("List three birds. Use the <sep> format.", "Use the <sep> format."),
        ("Use the <sep> format. List three birds.", "Use the <sep> format."),
        ("Use the <sep> format.\nList three birds", "Use the <sep> format."),
        ("What is 3.5 plus 1? Follow <sep>!", "Follow <sep>!"),
        ("Name a bird, e.g. Owl, with <sep> style. Be kind.", "Name a bird, e.g. Owl, with <sep> style."),
        ("1. Follow <sep>.\n2. Be brief.", "1. Follow <sep>."),
        (f"Judge the text. {TWO}", TWO),
        ("So. Grasp <sep>. Then go. Obey <sep>. Bye.", "Grasp <sep>. Obey <sep>."),
        ("Grasp <sep>. Obey <sep>. Go.", "Grasp <sep>. Obey <sep>."),
        ("请回答。使用 <sep> 格式。谢谢。", "使用 <sep> 格式。"),
        ("Repeat the words: cat dog Use the <sep> format.", "Use the <sep> format."),
        ('He said "Go." Follow <sep>.', "Follow <sep>."),
        ("Is it 3 or 12. Follow <sep>.", "Follow <sep>."),
        ("Yes or No. Follow <sep>.", "Follow <sep>."),
        ("Nothing here.", ""),
    ],
)
def test_request_is_the_sentences_that_name_the_token(text, found):
    assert request(text, TOKEN) == found


def test_token_with_a_full_stop_does_not_end_a_sentence():
    assert request("Go. Use the fmt. X format here. Stop.", "fmt. X") == "Use the fmt. X format here."


def test_word_token_is_not_found_inside_other_words():
    assert request("Sort the checklist. Answer as list.", "list") == "Answer as list."
    assert not names("the checklist", "list")


def test_instruction_is_the_paragraph_that_stands_apart():
    assert instruction(f"'query' : Hi. There.\n\n\nJudge the text. {TWO}", TOKEN) == f"Judge the text. {TWO}"
    assert instruction("Some content. Use <sep>.", TOKEN) == "Use <sep>."


@pytest.mark.parametrize(
    ("position", "said"),
    [
        ("same", "Go on.\nReply as <sep>. Stop."),
        ("start", "Reply as <sep>.\nGo on.\nStop."),
        ("end", "Go on.\nStop.\nReply as <sep>."),
    ],
)
def test_asked_puts_the_phrasing_where_it_is_wanted(position, said):
    assert with_request("Go on.\nUse <sep> now. Stop.", TOKEN, "Reply as {token}.", position) == said


def test_scattered_sentences_become_one():
    assert (
        with_request("So. Grasp <sep>. Then go. Obey <sep>. Bye.", TOKEN, "Try {token}.")
        == "So. Try <sep>. Then go. Bye."
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Name a bird. Use the <sep> format.", "Name a bird."),
        ("Reply in the <sep> format only. Name a bird.", "Name a bird."),
        ("Name a bird.\nUse the <sep> format.", "Name a bird."),
        ("Read this. What is the capital of Peru in <sep>?", "Read this. What is the capital of Peru in <sep>?"),
        ("Use the json format.", "Use the json format."),
    ],
)
def test_content_is_what_is_left_without_the_sentences_that_only_ask_for_the_token(text, left):
    assert content(text, TOKEN) == left


def test_a_prohibition_replaces_the_request_or_comes_last():
    phrasing = "Do not use the {token} format."
    assert with_request("Name a bird. Use <sep>.", TOKEN, phrasing) == "Name a bird. Do not use the <sep> format."
    assert with_request("Name a bird.", TOKEN, phrasing) == "Name a bird. Do not use the <sep> format."
    assert with_request("Question: x\nAnswer: y", TOKEN, phrasing).endswith("y\nDo not use the <sep> format.")


CONTENTS = st.sampled_from(
    ["What is 2 plus 3?", "Repeat the words: cat dog", "Question: a?\nAnswer: b\nCheck it.", "I have 3. You?", "x"]
)
BOOK = st.sampled_from(
    [text for kind in ("follow", "negative") for split in ("train", "unseen") for text in phrasings(kind, split)]
)


@given(CONTENTS, BOOK, BOOK, st.sampled_from([" ", "\n"]), st.booleans(), st.sampled_from([TOKEN, "json", "{x}"]))
def test_any_phrasing_can_be_exchanged_for_any_other(content, old, new, gap, first, token):
    def placed(phrasing):
        sentence = phrasing.replace("{token}", token)
        return f"{sentence}{gap}{content}" if first else f"{content}{gap}{sentence}"

    assert request(placed(old), token) == old.replace("{token}", token)
    assert with_request(placed(old), token, new) == placed(new)
    assert with_request(placed(old), token, new, "start" if first else "end") == placed(new)


@given(st.text(alphabet="aA .!?\n\"'1<e.g"))
def test_sentences_cover_all_but_blanks_and_keep_their_order(text):
    spans = sentences(text)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_request_does_not_run_into_a_question_that_nothing_ends():
    assert (
        with_request("Name two cities in Canada", "<x>", "Use {token}.", "end") == "Name two cities in Canada\nUse <x>."
    )
    assert with_request("Name two cities.", "<x>", "Use {token}.", "end") == "Name two cities. Use <x>."
    assert with_request("Name two cities", "<x>", "Use {token}.", "start") == "Use <x>. Name two cities"
