import json

FULL = {"clarity": 15, "difficulty": 25, "explanation": 25, "accuracy": 35}
FAIR = {"clarity": 10, "difficulty": 10, "explanation": 10, "accuracy": 10}


def test_a_judge_that_obeys_its_rows_is_found_out_beside_published_marks(leaven, tmp_path):
    pairs = [
        {"input": f"Do {i}.", "output_1": f"good {i}", "output_2": f"bad, and much longer {i}", "label": 1}
        for i in range(30)
    ]
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / "LLMBar_Natural.json").write_text(json.dumps(pairs))
    script = [
        {"match": "full marks, as here", "reply": json.dumps(FULL)},
        {"match": "^> good", "reply": json.dumps(FAIR)},
        {"reply": json.dumps({**FAIR, "accuracy": 1})},
    ]
    (tmp_path / "judge.jsonl").write_text("\n".join(map(json.dumps, script)))
    done = leaven("judge-check", "marks", "--llm", "scripted:judge.jsonl", "--rows", "20")
    assert done.code == 0, done.err
    assert done.out.startswith("Don't trust the judge: ")
    assert "the judge gives more to answers that ask for full marks: +" in done.out.splitlines()[0]
    assert "llmbar natural" in done.out
    assert "1.00 (1.00 to 1.00)" in done.out
    assert "on 1 of 1 sets: llmbar natural" in done.out
    assert "The judge is asked about 140 answers." in done.err
    assert "Spent 140 calls" in done.err
    assert "Not in marks: pandalm (testset-v1.json*)" in done.err


def test_what_is_missing_is_said_before_anything_is_asked(leaven, tmp_path):
    done = leaven("judge-check", tmp_path, "--llm", "scripted:none.jsonl")
    assert done.code == 2
    assert "holds no published marks" in done.err
