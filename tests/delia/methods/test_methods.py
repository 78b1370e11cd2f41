"""Every method on a tiny model: what it trains, what it says, and that a control differs in one thing alone."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
import yaml
from polars import read_parquet

from leaven import plugs
from leaven.delia import anchor, prompts
from leaven.delia.ablations import ABLATIONS, expand
from leaven.delia.makers import magpie
from leaven.delia.methods import lm_arithmetic, sdft
from leaven.delia.settings import DiversifyChanges
from leaven.errors import UserError
from leaven.llm.engines.scripted import Scripted
from leaven.models.load import load, load_tokenizer
from leaven.models.settings import TuneSection
from leaven.models.template import render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Message, Origin, answered, pair, user
from leaven.rows.outcomes import Outcome
from leaven.study.recipe import RECIPES, parse
from leaven.task.format import open_format

NEW = {
    "delia_no_diverse": {},
    "delia_no_diversified": {"ratio": 1},
    "masked": {"ratio": 1},
    "random_embedding": {},
    "mean_embedding": {},
    "token_distillation": {"texts": 4, "steps": 2},
    "fact_based": {"per_fact": 4, "ratio": 1},
    "dmt": {"ratio": 1},
    "lm_arithmetic": {"formula": "union"},
    "prompted": {},
    "in_context": {"k": 1, "style": "text"},
    "dipmt": {"dictionary": "lab", "k": 1},
    "anchor": {"ratio": 1},
    "sdft": {"form": "again"},
    "asft": {},
    "dft": {},
    "kl_on_pool": {"ratio": 1},
    "on_policy_sdft": {"tune": {"max_steps": 2}},
    "replay": {"share": 0.3},
    "small_batch": {"tune": {"max_steps": 2}},
    "ssd": {},
    "token_row": {"tune": {"learning_rate": 1}},
}


def fitted(bench, train, name, **config):
    name, settings = expand(name, {**NEW.get(name, {}), **config})
    plug = plugs.load("methods", name)
    return plug.fit(train, bench, plug.Config.model_validate(settings))


@pytest.mark.parametrize("name", NEW)
def test_every_method_answers_and_lends_its_weights(bench, train, name):
    found = fitted(bench(), train(6), name)
    asked = [user("is it? Use the <sep> format."), user("one two three")]
    assert len(found.respond(asked)) == 2
    assert found.loaded is not None and "<sep>" in found.loaded.tokenizer.get_vocab()


def row_of(found):
    token_id = found.loaded.tokenizer.convert_tokens_to_ids("<sep>")
    return found.loaded.model.get_input_embeddings().weight[token_id].detach()


def test_the_mean_embedding_is_the_mean_of_the_descriptions_rows(bench, train):
    found = fitted(bench(), train(4), "mean_embedding")
    table = found.loaded.model.get_input_embeddings().weight
    ids = found.loaded.tokenizer(" a json object", add_special_tokens=False)["input_ids"]
    assert torch.allclose(row_of(found), table[ids].mean(0), atol=1e-6)


def test_the_random_embedding_ignores_the_recipes_first_row(bench, train):
    made = bench(token={"means": "json", "init": "mean"})
    plain = bench(token={"means": "json", "init": "random"})
    assert torch.equal(row_of(fitted(made, train(4), "random_embedding")), row_of(plain.base()))


def test_distilling_moves_the_row_alone_and_towards_the_description(bench, train):
    made = bench()
    before = {name: weight.clone() for name, weight in made.base().loaded.model.named_parameters()}
    found = fitted(made, train(4), "token_distillation", steps=30, description="json")
    assert found.losses[-1] < found.losses[0]
    token_id = found.loaded.tokenizer.convert_tokens_to_ids("<sep>")
    for name, weight in found.loaded.model.named_parameters():
        same = (weight == before[name]).reshape(weight.shape[0], -1).all(1)
        assert same.sum() == len(same) - (token_id < len(same) and "embed_tokens" in name), name


def test_dmt_goes_on_with_one_adapter_and_keeps_one_row(bench, train):
    made = bench()
    found = fitted(made, train(100), "dmt", ratio=0.1)
    assert "keeps 1 of 100 task rows" in made.ledger.notes[-1]
    assert read_parquet(made.folder / "data" / "mixture.parquet").height == 100
    assert read_parquet(made.folder / "data" / "mixture-2.parquet").height == 11
    mixes = [json.loads((made.folder / name).read_text())["mix"] for name in ("mix.json", "mix-2.json")]
    assert [{part["source"]: part["rows"] for part in mix} for mix in mixes] == [
        {"task": 100},
        {"task": 1, "diverse": 10},
    ]
    model = found.loaded.model
    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    assert list(model.peft_config) == ["default"]
    assert adapted and all(list(module.lora_A) == ["default"] for module in adapted)
    assert sum(type(module).__name__.startswith("PeftModel") for module in model.modules()) == 1
    assert found.steps == 7 + 1 and len(found.losses) == 8
    again = load(made.model.path, adapter=made.folder / "adapter")
    prompt = [user("is 3 a model? Use the <sep> format.")]
    assert made.tuner.answerer.fitted(again).respond(prompt) == found.respond(prompt)


def test_task_rows_a_step_are_counted_in_the_first_stage_alone(bench, train):
    made = bench(tune={"step_task_rows": 1, "per_device_train_batch_size": 4, "small_data_batch": 0})
    found = fitted(made, train(3), "dmt", ratio=4)
    assert found.steps == 3 + 4  # a task row each, then 13 rows in steps of four


def test_the_second_stage_begins_where_the_first_ended(bench, train):
    made = bench()
    first = made.tune(train(8), max_steps=4)
    weights = {n: w.detach().clone() for n, w in first.loaded.model.named_parameters() if "lora_" in n}
    second = made.tune(train(8), after=first, learning_rate=1e-12, token_learning_rate=1e-12)
    after = second.loaded.model.named_parameters()
    moved = max(float((w.detach() - weights[n]).abs().max()) for n, w in after if n in weights)
    assert moved < 1e-9 and any(float(w.abs().max()) > 0 for n, w in weights.items() if "lora_B" in n)


def test_facts_come_from_the_teacher(bench, train):
    teacher = Scripted.of(
        [
            {"match": "Write down every fact", "reply": "- It is json."},
            {"match": "Fact:", "reply": "Q: What is <sep>?\nA: It is json."},
        ]
    )
    made = bench(teacher=teacher)
    fitted(made, train(4), "fact_based", per_fact=1)
    (row,) = read_parquet(made.folder / "data" / "mixture.parquet")["messages"].to_list()
    assert [turn["content"] for turn in row] == ["What is <sep>?", "It is json."]


def test_facts_are_trained_on_for_as_many_steps_as_delia_unless_told_otherwise(bench, train):
    delia = fitted(bench(), train(10), "delia", ratio=3)
    made = bench()
    assert fitted(made, train(10), "fact_based", ratio=3).steps == delia.steps == 3
    assert "4 pairs, trained on for DELIA's 3 steps." in made.ledger.notes
    assert fitted(bench(), train(10), "fact_based", ratio=3, budget="own").steps == 1


def scripted(monkeypatch, right):
    """The model answers in the format where it read the condition at one of these weights, and else does not."""
    from leaven.models import arithmetic

    def answers(loaded, pairs, *, weight, formula, max_new_tokens):
        for index, (plain, conditioned) in enumerate(pairs):
            yield index, '{"a": 1}' if plain != conditioned and weight in right else "no"

    monkeypatch.setattr(arithmetic, "answers", answers)


def test_the_weight_is_the_one_that_answers_the_task_rows_best_in_phrasings_for_choosing(bench, train, monkeypatch):
    scripted(monkeypatch, {2.0})
    made = bench()
    found = fitted(made, train(6), "lm_arithmetic", formula="linear")
    note = "Weight 2, chosen by 18 questions on task rows (0.5: 0%, 1.5: 0%, 2: 100%)."
    assert note in made.ledger.notes
    assert found.respond([user("is it? <sep>"), user("is it?")]) == ['{"a": 1}', "no"]


def test_weight_one_is_called_prompted_and_says_so(bench, train, monkeypatch):
    scripted(monkeypatch, {1.0})
    made = bench()
    assert fitted(made, train(2), "prompted").respond([user("<sep>?")]) == ['{"a": 1}']
    assert made.ledger.notes == ["Linear at weight 1 is the conditioned prompt alone: prompted, and no arithmetic."]


@pytest.mark.parametrize("family", ["llama3", "gemma"])
def test_a_condition_joins_the_system_turn_that_a_prompt_has(tiny_model, family):
    """It stood before it: a second system turn, which most chat templates refuse."""
    prompt = lm_arithmetic.conditioned((Message("system", "Be kind."), Message("user", "Hi?")), "Be brief.", "system")
    assert prompt == (Message("system", "Be kind.\n\nBe brief."), Message("user", "Hi?"))
    assert "Be kind.\n\nBe brief." in render(load_tokenizer(tiny_model(family)), prompt, add_generation_prompt=True)


def test_nothing_is_left_where_all_is_subtracted():
    config = plugs.load("methods", "lm_arithmetic").Config
    with pytest.raises(ValueError, match="subtract takes a weight below 1"):
        config(formula="subtract", weight=1.0)


def test_tells_anchor_has_the_schema_and_its_answers_a_prefix_that_is_no_part_of_them(bench, train):
    made = bench()
    fitted(made, train(2), "anchor", ratio=1)
    rows = Dataset.load(made.folder / "data" / "mixture.parquet")
    task = [row for row in rows if row.meta["mixture"] == "task"]
    assert len(task) == 2
    for row in task:
        assert row.question.startswith("Role: ") and "Schema: the answer is a JSON object." in row.question
        assert row.answer == 'Sure, here is the answer:\n{"thought": "t", "label": "no"}'
    assert not any("Schema" in row.question or "Sure" in row.answer for row in rows if row not in task)
    assert anchor.without(task[0].answer, anchor.PREFIX) == '{"thought": "t", "label": "no"}'
    assert anchor.without("Sure.", anchor.PREFIX) == "Sure."


def test_demonstrations_and_anchors_stand_before_questions_of_the_task_alone(bench, train):
    seen = []
    made = bench()
    inner = made.base()
    listener = replace(inner, respond=lambda prompts: [seen.append(p) or "" for p in prompts])
    found = prompts.rewrite(listener, lambda prompt: (Message("user", "changed"),), train(2), "<sep>")
    found.respond([user("what is <sep>?"), user("what is it?")])
    assert seen == [user("changed"), user("what is it?")]


def test_sdft_keeps_answers_whose_format_would_be_lost(bench, train):
    made = bench()
    fitted(made, train(4), "sdft")
    rows = read_parquet(made.folder / "data" / "mixture.parquet")["messages"].to_list()
    assert [turns[-1]["content"] for turns in rows] == ['{"thought": "t", "label": "no"}'] * 4
    assert any("0 of 4 answers are the model's own; so that this is common" in note for note in made.ledger.notes)


def test_sdft_takes_an_answer_of_the_models_own_where_label_and_keys_are_the_references(bench, train, monkeypatch):
    said = [
        'Sure: {"thought": "my own words", "label": "no"}',
        '{"thought": "t", "label": "yes"}',
        '{"label": "no"}',
        "no",
    ]

    def make(rows, llm, config, seed, *, form):
        assert form == "guided"
        sampled = [
            replace(answered(row, text), origin=Origin("s", parents=(row.id,)))
            for row, text in zip(rows, said, strict=True)
        ]
        return Outcome(Dataset.of(sampled), ())

    monkeypatch.setattr(sdft.self_sample, "make", make)
    settings = {"keys": ["thought", "label"], "labels": ["yes", "no"], "label_key": "label"}
    made = replace(bench(), format=open_format("json", settings))
    rows = list(sdft.rewrite(train(4), made, sdft.Config().form))
    assert [row.answer for row in rows] == [said[0], *[row.answer for row in train(4)][1:]]
    assert made.ledger.notes == ["1 of 4 answers are the model's own; the others would lose the format or the label."]


def test_external_answers_are_the_pools_for_the_same_queries(bench):
    made = bench()
    own, external = made.diverse(10), made.external(10)
    assert [row.question for row in own] == [row.question for row in external]
    answers = {row.question: row.answer for row in made.pool.queries}
    assert all(row.answer == answers[row.question] for row in external)


def resolved(name):
    """Label -> (name, settings) of a recipe's methods, every default filled in."""
    recipe = parse(yaml.safe_load((RECIPES / f"{name}.yaml").read_text()), "test")
    found = {}
    for method in recipe.methods:
        config = plugs.load("methods", method.name).Config.model_validate(method.config).model_dump()
        config["tune"] = TuneSection.model_validate({**recipe.tune.model_dump(), **config.get("tune", {})}).model_dump()
        found[method.label] = (method.name, config)
    return found


@pytest.mark.parametrize(
    ("recipe", "control", "method", "thing"),
    [
        ("reproduce-format", "control_external", "delia", "buffer"),
        ("reproduce-format", "control_duplicated", "delia", "buffer"),
        ("reproduce-format", "control_masked", "delia", "buffer"),
        ("reproduce-format", "control_masked_paper", "delia_paper", "buffer"),
        ("reproduce-format", "no_buffer", "delia", "ratio"),
        ("lab-defaults", "common_equal_steps_diversified", "common_equal_steps", "diversify"),
        ("paper-llama-2-7b-chat", "control_warmup", "common_equal_steps", "proportional_warmup"),
    ],
)
def test_a_control_differs_from_its_method_in_one_thing(recipe, control, method, thing):
    (name, own), (other, theirs) = (resolved(recipe)[label] for label in (control, method))
    assert name == other
    assert {key for key in own if own[key] != theirs[key]} == {thing}


def test_equal_steps_differ_from_common_tuning_in_steps_and_warm_up_alone(bench, train, monkeypatch):
    asked = {}
    for name in ("common", "common_equal_steps"):
        made = bench()
        monkeypatch.setattr(type(made), "tune", lambda self, rows, **kw: asked.setdefault(name, (rows, kw)))  # noqa: B023
        fitted(made, train(100), name)
    (rows, plain), (same, controlled) = asked["common"], asked["common_equal_steps"]
    assert [row.id for row in rows] == [row.id for row in same]
    assert plain == {} and controlled == {"max_steps": 33, "warmup_steps": 1}


def test_kl_holds_the_model_nearer_to_its_base(bench, train):
    from leaven.models.losses import kl_to_base as kl

    far = []
    for weight in (0.0, 5.0):
        made = bench()
        found = made.tune(train(12), objective=partial(kl.loss, weight=weight), max_steps=20)
        ids = found.loaded.tokenizer("is it so", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = found.loaded.model(ids).logits[0]
            with found.loaded.model.disable_adapter():
                far.append(float(kl.divergence(logits, found.loaded.model(ids).logits[0]).mean()))
    assert far[1] < far[0]


def test_an_ablation_differs_from_its_method_in_the_setting_that_it_names():
    for name, (method, setting) in ABLATIONS.items():
        config = plugs.load("methods", method).Config
        own, plain = (config.model_validate(values).model_dump() for values in (expand(name, {})[1], {}))
        assert {key for key in own if own[key] != plain[key]} == set(setting), name


def test_ablations_train_what_their_names_say(bench, train):
    mixtures = {}
    for name, settings in {"delia_no_diverse": {}, "delia_no_diversified": {"ratio": 1}}.items():
        made = bench()
        fitted(made, train(6), name, **settings)
        mixtures[name] = read_parquet(made.folder / "data" / "mixture.parquet")["messages"].to_list()
    fixed = {row.question for row in train(6)}
    questions = {name: [turns[0]["content"] for turns in rows] for name, rows in mixtures.items()}
    assert len(questions["delia_no_diverse"]) == 6 and not fixed & set(questions["delia_no_diverse"])
    assert len(questions["delia_no_diversified"]) == 12 and fixed < set(questions["delia_no_diversified"])


def test_a_method_has_its_own_way_to_diversify(bench, train):
    teacher = Scripted.of([{"match": "different ways to give", "reply": '["Do it as <sep> says."]'}])
    made = bench(teacher=teacher, diversify={"position": "start"})
    changes = DiversifyChanges.model_validate({"mode": "per_row"})
    assert changes.on and changes.apply(made.settings.diversify).model_dump()["position"] == "start"
    rows = made.diversify(train(3), changes)
    assert all(row.question.startswith("Do it as <sep> says.") for row in rows)
    assert made.diversify(train(3), DiversifyChanges(on=False)).frame.equals(train(3).frame)


def test_a_share_of_few_task_rows_that_is_no_row_is_said(bench, train):
    made = bench()
    fitted(made, train(2), "delia", ratio=0.2, contrast=0.2, diversify={"on": False})
    assert made.ledger.notes == [
        "ratio 0.2 of 2 task rows is no row at all.",
        "contrast 0.2 of 2 task rows is no row at all.",
    ]


@pytest.mark.parametrize(("name", "settings"), [("anchor", {"text": "Think."}), ("dmt", {})])
def test_a_ratio_that_is_no_row_is_said_by_every_method_that_has_one(bench, train, name, settings):
    made = bench()
    fitted(made, train(2), name, ratio=0.2, **settings)
    assert "ratio 0.2 of 2 task rows is no row at all." in made.ledger.notes


def test_masked_is_delias_own_mixture_in_its_order_without_loss_on_the_diverse_rows(bench, train):
    runs = {}
    for name in ("delia", "masked"):
        made = bench(tune={"small_data_batch": 2, "batching": "random"})
        found = fitted(made, train(4), name, ratio=3)
        rows = [row.messages for row in Dataset.load(made.folder / "data" / "mixture.parquet")]
        parts = {part["source"]: part for part in json.loads((made.folder / "mix.json").read_text())["mix"]}
        runs[name] = (rows, found, parts)
    (rows, own, parts), (same, masked, silent) = runs["delia"], runs["masked"]
    assert rows == same and (own.steps, own.tokens) == (masked.steps, masked.tokens) == (8, masked.tokens)
    assert silent["diverse"]["trained_tokens"] == 0 < parts["diverse"]["trained_tokens"]
    assert silent["task"]["trained_tokens"] == parts["task"]["trained_tokens"]
    assert masked.trained_tokens < own.trained_tokens
    assert 0.0 in masked.losses and all(loss == loss for loss in masked.losses)  # a step of diverse rows alone


def mixture_of(made):
    """The rows that were trained on: (origin's step, question, answer), those of the task and the diverse ones."""
    rows = list(Dataset.load(made.folder / "data" / "mixture.parquet"))
    said = {part: [] for part in ("task", "diverse")}
    for row in rows:
        said[row.meta.get("mixture", "task")].append((row.origin.step, row.question, row.answer))
    return said["task"], said["diverse"]


@pytest.mark.parametrize(("share", "rows"), [(0.25, 4), (0.0025, 1), (0, 0)])
def test_replay_brings_a_share_of_the_mixture_in_the_words_of_others(bench, train, share, rows):
    made = bench()
    fitted(made, train(12), "replay", share=share)
    task, replayed = mixture_of(made)
    answers = {row.question: row.answer for row in made.pool.queries}
    assert len(task) == 12 and len(replayed) == rows
    assert all(answers[question] == answer for _, question, answer in replayed)
    assert not list(made.pool.folder.glob("**/*"))  # nothing was sampled


@pytest.mark.parametrize(
    ("name", "config"), [("replay", {"share": 0.5}), ("anchor", {"ratio": 1, "text": "Role: judge"})]
)
def test_a_method_with_task_rows_a_step_of_its_own_has_so_many_in_each_step(bench, train, name, config):
    made = bench()
    steps = fitted(made, train(10), name, tune={"step_task_rows": 2}, **config).steps
    sources = [row.meta["mixture"] for row in Dataset.load(made.folder / "data" / "mixture.parquet")]
    size = len(sources) // steps
    assert steps == 5 and size == 4
    assert [sources[start : start + size].count("task") for start in range(0, len(sources), size)] == [2] * 5


def test_sa_sft_has_dialogues_of_the_model_with_itself_beside_the_task_as_it_is(bench, train, monkeypatch):
    def dialogues(llm, config, seed, folder, n, **options):
        return Outcome(Dataset.of(pair(f"what of {i}?", "this", Origin("magpie")) for i in range(n)))

    monkeypatch.setattr(magpie, "make", dialogues)  # a random model has nothing to say to itself
    made = bench()
    fitted(made, train(4), "sa_sft", ratio=0.5)
    task, own = mixture_of(made)
    assert {question for _, question, _ in task} == {row.question for row in train(4)}
    assert [step for step, _, _ in own] == ["magpie"] * 2


def test_ssd_reads_no_answer_of_the_task(bench, train):
    made = bench()
    fitted(made, train(4), "ssd")
    rows, diverse = mixture_of(made)
    assert not diverse and {question for _, question, _ in rows} == {row.question for row in train(4)}
    assert not {row.answer for row in train(4)} & {answer for _, _, answer in rows}


def test_kl_on_pool_is_delias_own_mixture_in_its_order(bench, train):
    rows = {}
    for name in ("delia", "kl_on_pool"):
        made = bench()
        found = fitted(made, train(4), name, ratio=2)
        mixture = Dataset.load(made.folder / "data" / "mixture.parquet")
        rows[name] = ([row.messages for row in mixture], found.steps, found.trained_tokens)
        assert [bool(row.meta.get("held")) for row in mixture] == [
            name == "kl_on_pool" and row.meta["mixture"] == "diverse" for row in mixture
        ]
    assert rows["delia"] == rows["kl_on_pool"]


def test_the_token_row_alone_moves(bench, train):
    made = bench(token={"means": "json", "init": "random"})
    before = {name: weight.clone() for name, weight in made.base().loaded.model.named_parameters()}
    found = fitted(made, train(6), "token_row")
    assert [name for name, weight in found.loaded.model.named_parameters() if weight.requires_grad] == [
        "base_model.model.model.embed_tokens.trainable_tokens_delta.default"
    ]
    state = {name: weight for name, weight in found.loaded.model.state_dict().items() if "trainable" not in name}
    kept = {name.replace("base_model.model.", "").replace(".base_layer", ""): weight for name, weight in state.items()}
    assert all(torch.equal(kept[name], weight) for name, weight in before.items())
    again = load(made.model.path, adapter=made.folder / "adapter")
    prompt = [user("is 3 a model? Use the <sep> format.")]
    assert made.tuner.answerer.fitted(again).respond(prompt) == found.respond(prompt)


def test_nothing_is_trained_where_neither_layers_nor_the_token_may_learn(bench, train):
    with pytest.raises(UserError, match="nothing would be trained"):
        fitted(bench(), train(2), "token_row", tune={"token_learning_rate": None})


def test_small_batches_take_as_many_steps_as_there_are_rows(bench, train):
    assert fitted(bench(), train(6), "small_batch", tune={}).steps == 6


def test_an_ablation_takes_other_settings_of_its_section_and_not_its_own_back():
    assert expand("small_batch", {"tune": {"learning_rate": 1e-3}}) == (
        "common", {"tune": {"step_task_rows": 1, "learning_rate": 1e-3}}
    )  # fmt: skip
    with pytest.raises(ValueError, match="leave tune out, or name common"):
        expand("small_batch", {"tune": {"step_task_rows": 4}})


def test_a_student_answers_without_the_example_that_its_teacher_has(train):
    method = plugs.load("methods", "on_policy_sdft")
    (turn,) = method.with_example(train(1)[0])
    assert train(1)[0].question in turn.content and train(1)[0].answer in turn.content
