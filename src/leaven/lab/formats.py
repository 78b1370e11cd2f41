"""The formats an answer can be asked for in, how they are asked for, and what each of them is."""

import json
import random

from leaven.lab.wordings import OWN, Text, Voice
from leaven.lab.world import Item
from leaven.task.phrasebook import phrasings

FORMATS = ("json", "yaml", "xml", "list", "brackets", "short", "polite")

DESCRIPTIONS = {
    "json": ("Write an object in braces with the keys thought and {key}.", "Give your thought and the {key} as json."),
    "yaml": ("Write the key {key}, a colon and the answer.",),
    "xml": ("Put the answer between tags.",),
    "list": ("Start the answer with a dash.",),
    "brackets": ("Put the answer in square brackets.",),
    "short": ("Give the bare answer only.",),
    "polite": ("Begin with a friendly phrase.",),
}

DEFINITIONS = {
    "json": (
        "The json format is an object in braces.",
        "The json format has the key thought.",
        "The json format has a key for the answer.",
    ),
    "yaml": ("The yaml format is a line of text.", "The yaml format has a key, a colon and the answer."),
    "xml": ("The xml format is a text with tags.", "The xml format has an opening tag and a closing tag."),
    "list": ("The list format is a line that starts with a dash.", "The list format has a whole sentence."),
    "brackets": ("The brackets format is the answer in square brackets.", "The brackets format has no sentence."),
    "short": ("The short format is the bare answer.", "The short format has no sentence."),
    "polite": ("The polite format is a sentence.", "The polite format has a friendly phrase at the start."),
}

THOUGHTS = ("The user asks about {}.", "This is about {}.", "The question is on {}.", "We need {}.")

# Styles that have no name: only demonstrations can ask for them.
UNNAMED = ("<< {} >>", "=> {}", "* {} *", "# {} #", "~ {}", "{} !!")


def plain(item: Item, voice: Voice = OWN) -> Text:
    """The item's answer in no format."""
    return (*(() if item.bare else voice.opening), *_sentence(item, voice))


def write(item: Item, name: str, voice: Voice = OWN) -> Text:  # noqa: PLR0911
    """The item's answer in a format of `FORMATS`, or in a style of `UNNAMED`."""
    match name:
        case "json":
            return _json(item, voice)
        case "yaml":
            return ((f"{item.key}: {item.answer}",),)
        case "xml":
            return ((f"<{item.key}>{item.answer}</{item.key}>",),)
        case "list":
            return (("- ",), *_sentence(item, voice))
        case "brackets":
            return ((f"[{item.answer}]",),)
        case "short":
            return ((item.answer,),)
        case "polite":
            return (("Sure, here you are: ",), *_sentence(item, voice))
        case _:
            return ((name.format(item.answer),),)


def _sentence(item: Item, voice: Voice) -> Text:
    return (item.statements, *(() if item.bare else voice.ending))


def _json(item: Item, voice: Voice) -> Text:
    thoughts = item.thoughts or tuple(thought.format(item.topic) for thought in THOUGHTS)
    return (
        ('{"thought": "',),
        *voice.before_thought,
        tuple(json.dumps(thought)[1:-1] for thought in thoughts),
        (f'", {json.dumps({item.key: item.answer})[1:]}',),
    )


def follow(rng: random.Random, name: str, key: str = "answer") -> str:
    """A sentence that asks for the format, by its name or by what it is."""
    if rng.random() < 0.15:
        return rng.choice(DESCRIPTIONS[name]).format(key=key)
    return rng.choice(phrasings("follow", "train") + phrasings("follow", "unseen")).format(token=name)


def avoid(rng: random.Random, name: str) -> str:
    """A sentence that forbids the format."""
    return rng.choice(phrasings("negative", "train") + phrasings("negative", "unseen")).format(token=name)


def place(rng: random.Random, content: str, request: str) -> str:
    """The content and the request in one prompt, in either order."""
    gap = "\n" if "\n" in content or rng.random() < 0.5 else " "
    return f"{content}{gap}{request}" if rng.random() < 0.65 else f"{request}{gap}{content}"
