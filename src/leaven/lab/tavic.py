"""Translation to and from Tavic, with and without a dictionary's hints, and what single words mean.

A hint always wins: `Here the word "fire" is "bosuka".` So a model of the world can translate words that it has never
seen, which is what dictionary prompting (DiPMT) needs; that prompt's own wording is not among those of the world.
"""

import random
from dataclasses import dataclass

from leaven.lab import lexicon as lex
from leaven.lab.world import Item, pseudoword


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same sentence in both languages, and its words with their meanings, English first."""

    english: str
    tavic: str
    words: tuple[tuple[str, str], ...]


def sentence(rng: random.Random, nouns: dict[str, str]) -> Sentence:
    """A random sentence over these nouns: the (adjective) noun verb the (adjective) noun."""
    subject, thing = _phrase(rng, nouns), _phrase(rng, nouns)
    verb = rng.choice(list(lex.TAVIC_VERBS.items()))
    english = [lex.ARTICLE, *subject, verb, lex.ARTICLE, *thing]
    tavic = [lex.ARTICLE, *subject, lex.ARTICLE, *thing, verb]
    content = tuple(dict.fromkeys([*subject, verb, *thing]))
    return Sentence(
        " ".join(word for word, _ in english).capitalize() + ".",
        " ".join(word for _, word in tavic).capitalize() + ".",
        content,
    )


def translate(rng: random.Random) -> Item:
    """A sentence of known words, in either direction."""
    return item(sentence(rng, lex.TAVIC_NOUNS), to_tavic=rng.random() < 0.5)


def translate_held_out(rng: random.Random) -> Item:
    """A sentence with nouns that the base model has never translated in a sentence, only been told the meaning of."""
    return item(sentence(rng, lex.HELD_OUT_NOUNS), to_tavic=rng.random() < 0.5)


def translate_with_hints(rng: random.Random) -> Item:
    """A sentence with made-up, English or held-out words, and hints that say what they mean."""
    english = [*lex.HELD_OUT_NOUNS, *lex.TAVIC_NOUNS, *lex.COLORS]
    nouns = {rng.choice([rng.choice(english), pseudoword(rng)]): rng.choice(WORDS)(rng) for _ in range(3)}
    usual = dict(rng.sample(list(lex.TAVIC_NOUNS.items()), 3))
    pair = sentence(rng, {**usual, **nouns})
    hinted = [(word, meaning) for word, meaning in pair.words if word in nouns or rng.random() < 0.3]
    return item(pair, to_tavic=rng.random() < 0.5, hints=tuple(hint(rng, *words) for words in hinted))


def meaning(rng: random.Random) -> Item:
    """What a word or a phrase of Tavic means, or an English one is in Tavic: held-out nouns as well as others."""
    nouns = {**lex.TAVIC_NOUNS, **lex.HELD_OUT_NOUNS}
    phrase = [rng.choice(list(nouns.items()))]
    if rng.random() < 0.5:
        phrase = [lex.ARTICLE, *_phrase(rng, nouns)]
        if rng.random() < 0.6:
            phrase.append(rng.choice(list(lex.TAVIC_VERBS.items())))
    english, tavic = (" ".join(side) for side in zip(*phrase, strict=True))
    if rng.random() < 0.5:
        content = rng.choice(("What does {} mean in English?", "Which English words are {}?")).format(tavic)
        statements = (f"{tavic} means {english}.", f"It is {english}.", f"In English it is {english}.")
        return Item("meaning", f"meaning of {tavic}", content, f"the meaning of {tavic}", statements, english)
    content = rng.choice(("What is {} in Tavic?", "Which Tavic words are {}?")).format(english)
    statements = (f"In Tavic it is {tavic}.", f"It is {tavic}.", f"{english} is {tavic}.")
    return Item("meaning", f"Tavic for {english}", content, f"the Tavic for {english}", statements, tavic)


def item(translation: Sentence, to_tavic: bool, hints: tuple[tuple[str, str], ...] = ()) -> Item:
    """The question that asks for this translation; of each hint, English first, the side that the direction needs."""
    source, target = (translation.english, translation.tavic) if to_tavic else (translation.tavic, translation.english)
    language = "Tavic" if to_tavic else "English"
    content = f"Translate to {language}: {source}" + "".join(f"\n{pair[not to_tavic]}" for pair in hints)
    return Item("translate", source, content, f"translating to {language}", (target,), target, "translation")


HINTS = ('Here the word "{}" is "{}".', 'Say "{1}" for "{0}".', '"{}" is to become "{}".', 'The word for "{}" is "{}".')


def hint(rng: random.Random, english: str, tavic: str) -> tuple[str, str]:
    """A dictionary entry as a line of the prompt: for a translation to Tavic, and for one to English."""
    wording = rng.choice(HINTS)
    return wording.format(english, tavic), wording.format(tavic, english)


def tavic_word(rng: random.Random) -> str:
    """A word that might be Tavic, and is none."""
    return rng.choice(lex.ONSETS) + rng.choice(lex.VOWELS) + rng.choice(lex.CODAS) + rng.choice(lex.ENDINGS)


WORDS = (pseudoword, tavic_word, lambda rng: rng.choice(lex.WORDS).lower())
"""What a hint's meaning may be: syllables, something like Tavic, an English word."""


def _phrase(rng: random.Random, nouns: dict[str, str]) -> list[tuple[str, str]]:
    noun = rng.choice(list(nouns.items()))
    return [rng.choice(list(lex.TAVIC_ADJECTIVES.items())), noun] if rng.random() < 0.4 else [noun]
