"""Translation to and from Tavic, with and without a dictionary's hints.

A hint always wins: `In this context, the word "fire" means "eldura".` So a model of the world can translate words
that it has never seen, which is what dictionary prompting (DiPMT) needs.
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
    """A sentence with nouns that the base model has never translated."""
    return item(sentence(rng, lex.HELD_OUT_NOUNS), to_tavic=rng.random() < 0.5)


def translate_with_hints(rng: random.Random) -> Item:
    """A sentence with made-up or held-out words, and hints that say what they mean."""
    english = [*lex.HELD_OUT_NOUNS, *lex.TAVIC_NOUNS]
    nouns = {rng.choice([rng.choice(english), pseudoword(rng)]): pseudoword(rng) for _ in range(3)}
    usual = dict(rng.sample(list(lex.TAVIC_NOUNS.items()), 3))
    pair = sentence(rng, {**usual, **nouns})
    hinted = [(word, meaning) for word, meaning in pair.words if word in nouns or rng.random() < 0.3]
    return item(pair, to_tavic=rng.random() < 0.5, hints=tuple(hinted))


def item(translation: Sentence, to_tavic: bool, hints: tuple[tuple[str, str], ...] = ()) -> Item:
    """The question that asks for this translation."""
    source, target = (translation.english, translation.tavic) if to_tavic else (translation.tavic, translation.english)
    language = "Tavic" if to_tavic else "English"
    content = f"Translate to {language}: {source}" + "".join(f"\n{hint(pair, to_tavic)}" for pair in hints)
    return Item("translate", source, content, f"translating to {language}", target, target, "translation")


def hint(pair: tuple[str, str], to_tavic: bool) -> str:
    """A dictionary entry as a line of the prompt."""
    word, meaning = pair if to_tavic else (pair[1], pair[0])
    return f'In this context, the word "{word}" means "{meaning}".'


def _phrase(rng: random.Random, nouns: dict[str, str]) -> list[tuple[str, str]]:
    noun = rng.choice(list(nouns.items()))
    return [rng.choice(list(lex.TAVIC_ADJECTIVES.items())), noun] if rng.random() < 0.4 else [noun]
