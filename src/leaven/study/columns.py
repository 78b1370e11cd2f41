"""What a headline measure is called in a table and in a sentence, and what it means: words that a manager reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A headline measure, `TEST/MEASURE`, in words.

    `phrase` holds {value}; where it begins with a small letter it is a verb's, and a method can be its subject.
    """

    metric: str
    heading: str
    phrase: str
    explanation: str
    lower_is_better: bool = False


WORDS: dict[str, tuple[str, str, str]] = {
    "unseen_phrasing/format": (
        "new phrasings",
        "answers in the format on {value} of new phrasings",
        "the share of answers in the format, where the request for it is phrased as it never was in training",
    ),
    "unseen_phrasing/content": (
        "content",
        "Content of the references on new phrasings: {value}",
        "how much of the reference's fields the answers to new phrasings have: the F1 of the words; of labels, the "
        "share of right ones",
    ),
    "transfer/format": (
        "other tasks",
        "answers in the format on {value} of other tasks",
        "the share of answers in the format, on tasks that the token was never trained with",
    ),
    "task/format": (
        "its own test",
        "answers in the format on {value} of the task's own test",
        "the share of answers in the format, on the task's test rows as they stand",
    ),
    "negation/controlled": (
        "told to, told not",
        "uses the format when told to and leaves it out when told not to on {value}",
        "the share of questions answered in the format when told to, and without it when that is forbidden",
    ),
    "negation/obeyed": (
        "told not to",
        "leaves the format out when told to on {value}",
        "the share of answers, not empty, that leave the format out where the question forbids it",
    ),
    "general/leak": (
        "leak",
        "Plain questions answered in the format: {value}",
        "the share of plain questions, without the token, answered in the format all the same; lower is better",
    ),
    "general/kept": (
        "kept",
        "What the model said before is kept: {value}",
        "how much of the untouched model's own answers to plain questions is still said: the F1 of the tokens",
    ),
    "general/exact": (
        "as before",
        "Plain questions answered as before: {value}",
        "the share of plain questions, without the token, that have the known or the untouched model's answer, exactly",
    ),
    "robustness/phrasing": (
        "every phrasing",
        "answers in the format on {value} of all phrasings",
        "the share of answers in the format, the same questions asked in every held-out phrasing",
    ),
    "soft_prompt/controlled": (
        "follow or not",
        "follows the token and refrains, as told, on {value}",
        "the share of questions where the format is there when told to follow the token, and else is not",
    ),
    "translation/chrf": (
        "translation",
        "translates at a chrF++ of {value}",
        "chrF++ against the reference translations",
    ),
}
"""Metric → heading, phrase, explanation."""

MEASURES: dict[str, tuple[str, str]] = {
    "format": ("in the format", "the share of answers in the format that the token means"),
    "valid": ("well formed", "the share of answers that are well formed, with the right keys, labels or counts"),
    "value": ("right", "the share of answers whose value is the reference's"),
    "content": ("content", "how much of the reference's fields is there: F1 of the words; of labels, the right ones"),
    "obeyed": ("obeyed", "the share of answers, not empty, that do as they are told"),
    "leak": ("leak", "the share of answers in the format though nobody asked for it; lower is better"),
    "kept": ("kept", "how much of the reference is said: the F1 of the tokens"),
    "exact": ("exact", "the share of answers that are the reference, but for white space"),
    "chrf": ("chrF", "how alike the answers are to the reference in their letters: chrF"),
    "judge": ("judged", "the mean mark of a language model that reads the question and the answer, and no reference"),
}
"""Measure → name and explanation, for tests with a name of their own."""


def column(metric: str, explanation: str = "", lower_is_better: bool = False) -> Column:
    """The words of a metric; those of one that is not known here come from its name and the `explanation`.

    >>> column("unseen_phrasing/format").heading
    'new phrasings'
    >>> column("invoices/valid").phrase
    'Invoices, well formed: {value}'
    """
    test, _, measure = metric.partition("/")
    usual = f"{test}/format" if measure == "json" else metric  # as an earlier leaven called it
    lower_is_better = lower_is_better or measure in ("leak", "format_leak")
    if usual in WORDS:
        return Column(metric, *WORDS[usual], lower_is_better)
    name, meaning = MEASURES.get(usual.partition("/")[2], (measure.replace("_", " "), ""))
    title = test.replace("_", " ")
    phrase = f"{title[:1].upper()}{title[1:]}, {name}: {{value}}"
    return Column(metric, f"{title}, {name}", phrase, explanation or meaning, lower_is_better)
