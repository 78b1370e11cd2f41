"""The harness is an extra: without it there is nothing to test. Its own warnings are not ours."""

import json

import pytest

pytest.importorskip("lm_eval")

WORDS = ("Paris", "Madrid", "one", "two", "json", "label", "claim", "model")


@pytest.fixture
def copies(tmp_path):
    """A folder with small copies of benchmarks, made up, in the layouts that are about."""
    rows = {
        "mmlu/mmlu_test.jsonl": [
            {
                "subject": subject,
                "question": f"Which is {word}, of {subject}?",
                **{letter: WORDS[(number + place) % 8] for place, letter in enumerate("ABCD")},
                "answer": "ABCD"[number % 4],
            }
            for subject in ("anatomy", "marketing")
            for number, word in enumerate(WORDS)
        ],
        "sets/ARC-Easy.test.jsonl": [
            {
                "instruction": f"Please choose the correct answer to the question: Is it {word}?\n\n"
                f"Answer1: yes, {word} Answer2: no Answer3: Madrid\n\nAnswer format: answer1/answer2/answer3",
                "answer": f"answer{1 + number % 3}",
            }
            for number, word in enumerate(WORDS)
        ],
        "gsm8k.jsonl": [
            {"question": f"What is {a} and {a}?", "answer": f"It is {a} + {a}.\n#### {2 * a}"} for a in range(6)
        ],
        "bbh.jsonl": [{"task": "navigate", "input": f"Do {n} steps. Back?", "target": "Yes"} for n in range(6)],
    }
    for name, each in rows.items():
        path = tmp_path / "copies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in each))
    csv = "Question,Best Answer,Correct Answers,Incorrect Answers\n" + "".join(
        f"What is {word}?,A {word},A {word}; One {word},No {word}; Two {word}s.; Madrid\n" for word in WORDS
    )
    (tmp_path / "copies" / "TruthfulQA.csv").write_text(csv)
    return tmp_path / "copies"
