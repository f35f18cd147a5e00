"""Pure: a long text in parts, each ending at a natural place: paragraph, line, sentence, word. Nothing is left out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import orjson

_PLACES = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?…;:](?=\s)"), re.compile(r"\s"))
_JOINER = "\u200d"
_JOINERS = frozenset({_JOINER, "\ufe0f"})
_CLUSTER = 32  # characters of what people see as one, at most
_NUMBERED = 24  # bytes for "(12/34)" and its line break


def measure(text: str) -> int:
    """The bytes of a text as JSON, the form of every network."""
    return len(orjson.dumps(text))


def split(text: str, most: int) -> list[str]:
    """The text in parts of at most ``most`` bytes as JSON, numbered where there are several."""
    if measure(text) <= most:
        return [text]
    parts = list(_parts(text, max(most - _NUMBERED, 64)))
    return [f"({n}/{len(parts)})\n{part}" for n, part in enumerate(parts, 1)]


def _parts(text: str, most: int) -> Iterator[str]:
    while text:
        end = _longest(text, most)
        if end < len(text):
            end = _natural(text, end)
        part, text = text[:end].rstrip(), text[end:].lstrip("\n") if end < len(text) else ""
        if part:
            yield part


def _longest(text: str, most: int) -> int:
    """How many characters from the beginning have at most so many bytes; at least one."""
    low, high = 1, min(len(text), most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= most else (low, middle - 1)
    return low


def _natural(text: str, end: int) -> int:
    """The last natural place before ``end`` that leaves no part shorter than half; else between two characters."""
    for place in _PLACES:
        found = [match.end() for match in place.finditer(text, end // 2, end)]
        if found:
            return found[-1]
    whole = (place for place in range(end, max(end - _CLUSTER, 0), -1) if not _joined(text, place))
    return next(whole, end)


def _joined(text: str, place: int) -> bool:
    """Whether what people see as one character lies across a place."""
    after = text[place]
    return unicodedata.combining(after) > 0 or after in _JOINERS or text[place - 1] == _JOINER
