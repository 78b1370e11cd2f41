"""Plain answers of a chat model are in no format: dashes, colons, code, numbers and tags stand in prose too."""

import gzip
import json

import pytest
from tests.shared import DATA, with_data

from leaven.task.format import open_format

FORMS = [
    "json",
    "table",
    "xml",
    "xml:thought,verdict",
    "yaml",
    "yaml:thought,verdict",
    "label:^Verdict:",
    "numbered",
    "list",
    "labels:yes,no",
    "words:5",
]
PROSE = [
    "The capital of France is Paris.",
    "Yes, because water is heavier than oil, so the oil stays on top.",
    "No. A whale is a mammal, although it lives in the sea.",
    "Sure! I would be happy to help you with that. Could you tell me a little more?",
    "Note: the shop is closed on Sundays.",
    "Answer: it depends on how much time you have, and on the weather.",
    "There are two reasons: the price, and the time that it takes.",
    "Three things matter here - patience, salt and a hot pan - and the rest is practice.",
    "- That is a good question, and there is no short answer to it.\nIt depends on the soil.",
    "Well - to be honest - I don't know.\nNobody does.\nPerhaps in ten years we shall.",
    "Use the <b> tag for bold text, e.g. <b>like this</b>, and <i> for the other one.",
    "If a < b and b < c, then a < c. That is what makes the order a line.",
    "<p>Dear Ann,</p>\n<p>thank you for the letter.</p>",
    "The set {x | x > 0} holds every positive number.",
    "Dear {name}, thank you for your order. It is on its way to {city}.",
    "In Python you would write `d = {}` and then fill it as you go along.",
    "int main() {\n    int n = 5;\n    return n;\n}",
    "h1 {\n  color: red;\n  margin: 0;\n}",
    "```javascript\nconst user = {name: 'Ann', age: 3};\n```\nThis makes an object with two fields.",
    "```python\nfor n in range(3):\n    print(n)\n```\n\nThe loop prints the numbers from 0 to 2.",
    "def add(a, b):\n    return a + b",
    "SELECT name FROM users WHERE age > 30;",
    "Name: Ann Miller\nAge: 32\nProfession: Baker",
    "Monday: rain.\nTuesday: sun, and in the evening a little wind from the sea.",
    "Ann: Did you see the moon?\nBen: I did, it was red.\nAnn: They say it will be again.",
    "Subject: Our meeting\n\nDear Ben,\n\nlet us meet on Friday at 10:30.\n\nBest,\nAnn",
    "Ingredients:\n- 2 eggs\n- flour\n\nMethod:\nBeat the eggs.\nAdd the flour.\nBake it all for an hour.",
    "The first step is to open the lid.\nThen take out the filter.\nRinse it, and put it back.",
    "1. FC Köln won the match in the last minute.\nThe crowd was beside itself.\nIt rained all night.",
    "2024 was warmer than 2023. The years before were cooler.",
    "1999. That was the year.\nNobody had thought it possible.\nBut it was.",
    "Roses are red,\nviolets are blue,\nsugar is sweet,\nand so are you.",
    "It costs 3.50 a piece, or 10 for three; at 20 % off that is 8.",
    "12 * 12 = 144, so the answer is a gross.",
    "You can choose a | b | c on the command line; the bar stands for or.",
    "The ratio is 3:1 - three parts water, one part rice.\n\nBring it to a boil. Then wait.",
    "I think so, yes. It's what most people would say.",
    "“Who is there?” she asked. “It is me,” he said - and came in.",
    "Sure, here it is: the story of a fox who could not count to three, and of the hen who could.",
    "Here are some thoughts on it. First, the plan is good. Second, it is late. Third, it costs too much.",
    "Paris is in France.\n\n* * *\n\nThat is all I have to say about it, and it is not much.",
    "## A heading\n\nA paragraph below it, and one more sentence.\n\nAnother paragraph, with - a dash.",
    "The verdict is not out yet. Verdict: none.",
    "My thought: it will rain. My verdict: take a coat.",
]
ALPACA = DATA / "alpaca_52k" / "alpaca_data.minus_holdout.jsonl.gz"
MOST = {"numbered": 0.09, "list": 0.03, "words": 0.16}
"""The share of Alpaca's answers that are lists or so short by themselves; of the other formats at most 0.3 %."""


@pytest.mark.parametrize("spec", FORMS)
def test_prose_is_in_no_format(spec):
    form = open_format(spec)
    assert [text for text in PROSE if form.detect(text)] == []


@with_data
@pytest.mark.parametrize("spec", FORMS)
def test_real_answers_are_seldom_in_a_format(spec):
    form = open_format(spec)
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        answers = [json.loads(line)["output"] for number, line in enumerate(lines) if number % 24 == 0]
    share = sum(map(form.detect, answers)) / len(answers)
    assert share <= MOST.get(form.name, 0.003), f"{share:.2%}"
