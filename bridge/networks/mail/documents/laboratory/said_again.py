"""What a laboratory's file says twice: lines of text whose every word a result says as well. Pure.

A file of results is written for programs (RES) and for eyes (TEX, often the letter, too). Only a line that adds nothing
is left out: every word and number of it stands in one result, as often as there. A former value or a remark keeps it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bridge.networks.mail.documents.laboratory.results import Measure, Result

MOST_LINES = 3000  # of a file; in a longer one everything is shown
MOST_COMPARED = 8  # results with one word in common that a line is compared with
_WORD = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?|[^\W\d_]+|[<>≤≥]=?|\*+|[+%]|\S")
_JOINING = frozenset(
    {"à", "a", "de", "et", "entre", "réf", "ref", "vn", "norme", "normes", "-", "–", ":", "(", ")", "/"}
)
_JOINING_MORE = frozenset({".", ",", ";", "[", "]", "|"})

_Index = Mapping[str, Sequence[tuple[Counter[str], frozenset[str]]]]


def without_repeats(text: str, lines: Sequence[Result | str]) -> tuple[str, tuple[Result | str, ...]]:
    """The letter and the lines without those that say a result again, and the letter without what the lines repeat."""
    if len(lines) + text.count("\n") > MOST_LINES:
        return text, tuple(lines)
    index = _index(one for one in lines if isinstance(one, Result))
    there = {_folded(one) for one in lines if isinstance(one, str)} - {""}
    kept = tuple(one for one in lines if isinstance(one, Result) or not _said(one, index))
    letter = [one for one in text.split("\n") if _folded(one) not in there and not _said(one, index)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(letter)).strip("\n"), kept


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _words(text: str) -> list[str]:
    return [word.replace(",", ".") if word[-1].isdigit() else word for word in _WORD.findall(text.casefold())]


def _index(results: Iterable[Result]) -> _Index:
    """By each word of its label: what a result says, and the words of its value."""
    found: dict[str, list[tuple[Counter[str], frozenset[str]]]] = defaultdict(list)
    for one in results:
        says = Counter(_words(f"{one.label} {_spelled(one.measure)} {_spelled(one.second) if one.second else ''}"))
        if one.out:
            says.update(["*", "**", "+", *one.out.casefold().split()])
        for word in dict.fromkeys(_words(one.label)):
            found[word].append((says, frozenset(_words(one.measure.value))))
    return found


def _spelled(measure: Measure) -> str:
    single = "" if measure.low and measure.high else "< ≤ <=" if measure.high else "> ≥ >=" if measure.low else ""
    return f"{measure.value} {measure.unit} {measure.low} {measure.high} {measure.spelled} {single}"


def _said(line: str, index: _Index) -> bool:
    """Whether a result says all of it: its name and its value among the words, and none beside."""
    words = [word for word in _words(line[:500]) if word not in _JOINING and word not in _JOINING_MORE]
    if not words or len(line) > 500:
        return False
    spoken = Counter(words)
    return any(
        value and value <= spoken.keys() and not spoken - says
        for says, value in index.get(words[0], ())[:MOST_COMPARED]
    )
