import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from leaven.errors import UserError
from leaven.llm.engines.hf import HF, _seed_at
from leaven.llm.engines.scripted import Scripted
from leaven.llm.open import open_llm
from leaven.llm.protocol import Reply, Sampling
from leaven.rows.example import user


def script(tmp_path, *entries):
    path = tmp_path / "script.jsonl"
    path.write_text("\n".join(json.dumps(entry) for entry in entries), encoding="utf-8")
    return path


def say(llm, *texts, **sampling):
    replies = dict(llm.replies([user(text) for text in texts], Sampling(**sampling)))
    assert sorted(replies) == list(range(len(texts)))
    return [replies[index] for index in range(len(texts))]


def test_a_reply_of_a_script_may_hold_any_end_of_a_line_that_unicode_has(tmp_path):
    """JSON needs none of them escaped but a line feed: the line was cut at the first of the others."""
    text = "one\u2028two\x85three\x0cfour"
    (tmp_path / "script.jsonl").write_text(json.dumps({"reply": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    (reply,) = dict(open_llm(f"scripted:{tmp_path / 'script.jsonl'}").replies([user("x")], Sampling())).values()
    assert reply.text == text


def test_the_first_entry_that_matches_replies(tmp_path):
    llm = open_llm(
        f"scripted:{script(tmp_path, {'match': 'Peru', 'reply': 'Lima'}, {'match': '^Add [0-9]', 'reply': '3'})}"
    )
    assert [reply.text for reply in say(llm, "Capital of Peru?", "Add 1 and 2")] == ["Lima", "3"]
    assert llm.name == "scripted:script.jsonl"


def test_an_error_entry_and_a_prompt_without_entry_fail():
    llm = Scripted.of([{"match": "(", "error": "busy"}])
    busy, unknown = say(llm, "a ( b", "else")
    assert (busy.text, busy.error) == (None, "busy")
    assert unknown.text is None
    assert "no entry" in unknown.error


def test_draws_cycle_by_seed_and_index_and_greedy_always_takes_the_first():
    llm = Scripted.of([{"reply": ["a", "b", "c"]}])
    assert [r.text for r in say(llm, "x", "x", "x", "x", seed=1)] == ["b", "c", "a", "b"]
    assert [r.text for r in say(llm, "x", "x", temperature=0.0, seed=1)] == ["a", "a"]


def test_truncated_entries_and_function_replies_say_so():
    assert say(Scripted.of([{"reply": "cut", "truncated": True}]), "x")[0].truncated
    llm = Scripted(lambda prompt, draw: Reply(None, "odd") if draw % 2 else prompt[-1].content.upper())
    assert [reply.text for reply in say(llm, "a", "b")] == ["A", None]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"reply": "a", "error": "b"}', '{"match": "a"}', '{"reply": []}', '{"reply": [1]}', '{"repl": "a"}'],
)
def test_a_faulty_script_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "script.jsonl"
    path.write_text('{"reply": "fine"}\n' + line, encoding="utf-8")
    with pytest.raises(UserError, match=r"script\.jsonl:2"):
        Scripted.read(path)


def test_a_missing_or_empty_script_is_refused(tmp_path):
    with pytest.raises(UserError, match="can't be read"):
        open_llm(f"scripted:{tmp_path / 'none.jsonl'}")
    with pytest.raises(UserError, match="no entries"):
        open_llm(f"scripted:{script(tmp_path)}")


@pytest.mark.parametrize("spec", ["scriptd:x", "hf", "hf:", ":x", ""])
def test_an_unknown_engine_is_refused(spec):
    with pytest.raises(UserError, match="names no engine"):
        open_llm(spec)


def test_hf_passes_the_sampling_on_and_hands_back_what_was_generated(monkeypatch):
    calls = []

    def generate(model, tokenizer, prompts, **options):
        calls.append((model, tokenizer, list(prompts), options))
        for index in reversed(range(len(prompts))):
            yield index, SimpleNamespace(text=f"t{index}", finish_reason="length", prompt_tokens=2, completion_tokens=3)

    stand_in = ModuleType("leaven.models.generate")
    stand_in.generate = generate
    monkeypatch.setitem(sys.modules, "leaven.models.generate", stand_in)
    llm = HF.of(SimpleNamespace(model="m", tokenizer="t", path="tiny"), batch_size=5)
    replies = dict(llm.replies([user("a"), user("b")], Sampling(0.7, 0.9, 8, 42, 3)))
    assert replies[1] == Reply("t1", None, "length", 2, 3)
    assert llm.name == "hf:tiny"
    (model, tokenizer, prompts, options), *_ = calls
    assert (model, tokenizer, prompts) == ("m", "t", [user("a"), user("b")])
    assert options == {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 8, "seed": _seed_at(42, 3), "batch_size": 5}
