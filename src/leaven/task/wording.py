"""Where a text asks for a format: find the sentences that name the token, and say them in other words.

>>> request("List three birds. Use the <sep> format.", "<sep>")
'Use the <sep> format.'
>>> with_request("List three birds. Use the <sep> format.", "<sep>", "Please reply as {token}.")
'List three birds. Please reply as <sep>.'
"""

import re
from typing import Literal

from leaven.task.phrasebook import phrasings

Position = Literal["same", "start", "end"]
Span = tuple[int, int]

# A full stop, perhaps a closing quote, then a blank and anything but a small letter; or a full stop of a script
# that sets no blank after it.
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=[ \t]+[^a-z \t])|[。！？]+")
_BEGINNING = re.compile(r"(?:^|\n|[^\w\s,;:(<])\s*$")
# Not the end: an abbreviation, or the number of a list's item. When in doubt a sentence ends: one too many costs less
# than content taken for a part of the request.
_NO_END = re.compile(r"(?:^|\s)(?:e\.g|i\.e|vs|Mr|Mrs|Ms|Dr|Prof)\.$|^\s*\(?(?:\d{1,3}|[A-Za-z])\.$")


def request(text: str, token: str) -> str:
    """The sentences that name the token, in their order; "" when none does."""
    return " ".join(text[start:end] for start, end in requests(text, token))


def instruction(text: str, token: str) -> str:
    """The first or last paragraph when it stands apart and names the token, or else the sentences that do.

    In DELIA's data (arXiv 2408.10841) the paragraph holds the task as well: "Judge the text. Follow <sep>."
    """
    blocks = [block.strip() for block in re.split(r"\n[ \t]*\n", text.strip())]
    for block in (blocks[-1], blocks[0]) if len(blocks) > 1 else ():
        if names(block, token) and "\n" not in block:
            return block
    return request(text, token)


def with_request(text: str, token: str, phrasing: str, position: Position = "same") -> str:
    """The text with the phrasing (its `{token}` filled in) in place of the sentences that name the token.

    Where no sentence does, the phrasing comes last. `position` moves it to the start or the end of the text.
    """
    sentence = phrasing.replace("{token}", token)
    spans = requests(text, token)
    if not spans:
        return _appended(text, sentence, position)
    return with_sentence(text, spans, sentence, position)


def content(text: str, token: str) -> str:
    """The text without the phrasebook's sentences that name the token: what it asks, however it asks for the format.

    Other sentences that name the token stay: "What is the capital of Peru in <sep>?" is the question itself.
    """
    for span in sorted(_from_phrasebook(text, token), reverse=True) if token in text else ():
        text = _without(text, span)
    return text.strip()


def names(text: str, token: str) -> bool:
    """Whether the token stands in the text, and not merely inside a longer word."""
    return _pattern(token).search(text) is not None


def requests(text: str, token: str) -> list[Span]:
    """Where the sentences that name the token start and end; neighbours are one span."""
    spans = _from_phrasebook(text, token)
    # The token may hold a full stop or start with "<": hidden behind capitals, it neither ends nor joins sentences.
    hidden = _pattern(token).sub(lambda match: "T" * len(match[0]), text)
    places = [match.start() for match in _pattern(token).finditer(text)]
    rest = [place for place in places if not any(start <= place < end for start, end in spans)]
    spans += [(start, end) for start, end in sentences(hidden) if any(start <= place < end for place in rest)]
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and not text[joined[-1][1] : start].strip(" \t"):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def sentences(text: str) -> list[Span]:
    """Start and end of every sentence, blanks around it left out; a line break always ends one."""
    spans: list[Span] = []
    for line in re.finditer(r"[^\n\r]+", text):
        start = line.start()
        for match in _END.finditer(text, line.start(), line.end()):
            if not _NO_END.search(text[start : match.end()]):
                spans.append((start, match.end()))
                start = match.end()
        spans.append((start, line.end()))
    return [_trimmed(text, span) for span in spans if text[span[0] : span[1]].strip()]


def with_sentence(text: str, spans: list[Span], sentence: str, position: Position = "same") -> str:
    """The text with the sentence instead of the first span, and nothing instead of the others."""
    first, last = spans[0], spans[-1]
    for span in reversed(spans[1:]):
        text = _without(text, span)
    if position == "same":
        return text[: first[0]] + sentence + text[first[1] :]
    before, after = re.search(r"\s*$", text[: first[0]]), re.match(r"\s*", text[last[1] :] if first == last else "")
    blank = (before and before[0]) or (after and after[0]) or " "
    rest = _without(text, first).strip()
    return _beside(rest, sentence, blank, position)


def _from_phrasebook(text: str, token: str) -> list[Span]:
    """Sentences of the phrasebook, which are known even where no full stop stands before them: "Repeat: a b Use …".

    A bare one ("<sep>, please.") is the end of many others: it must stand where a sentence begins.
    """
    spans: list[Span] = []
    bare = phrasings("follow", "bare")
    for phrasing in sorted(_every_phrasing(), key=len, reverse=True):
        sentence = phrasing.replace("{token}", token)
        start = text.find(sentence)
        while start >= 0 and phrasing in bare and not _BEGINNING.search(text[:start]):
            start = text.find(sentence, start + 1)
        if start >= 0 and not any(start < end and first < start + len(sentence) for first, end in spans):
            spans.append((start, start + len(sentence)))
    return spans


def _every_phrasing() -> list[str]:
    splits = {"follow": ("train", "bare", "dev", "unseen"), "negative": ("train", "contrast", "unseen")}
    return [text for kind in splits for split in splits[kind] for text in phrasings(kind, split)]


def _appended(text: str, sentence: str, position: Position) -> str:
    rest = text.rstrip()
    # A sentence that nothing ends ("Name two cities in Canada") must not run into the next one.
    unended = position != "start" and rest[-1:].isalnum()
    return _beside(rest, sentence, "\n" if unended or "\n" in rest.strip() else " ", position)


def _beside(rest: str, sentence: str, blank: str, position: Position) -> str:
    if not rest:
        return sentence
    return f"{sentence}{blank}{rest}" if position == "start" else f"{rest}{blank}{sentence}"


def _without(text: str, span: Span) -> str:
    left, right = text[: span[0]], text[span[1] :]
    if not left or left.endswith("\n"):
        return left + right.lstrip(" \t")
    return left.rstrip(" \t") + right


def _trimmed(text: str, span: Span) -> Span:
    piece = text[span[0] : span[1]]
    return span[0] + len(piece) - len(piece.lstrip()), span[1] - len(piece) + len(piece.rstrip())


def _pattern(token: str) -> re.Pattern[str]:
    left = r"(?<!\w)" if token[:1].isalnum() else ""
    right = r"(?!\w)" if token[-1:].isalnum() else ""
    return re.compile(left + re.escape(token) + right)
