"""Whether a quotation says nothing that earlier mails did not say: then nothing is lost when it is not shown. Pure.

Of each mail the hashes of its lines and of every three words in a row are kept. A quotation is known if every word of
it lies in such a row or line, but for the lines that announce it ("Le … a écrit :").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from bridge.networks.mail.quoting.marks import look, marks

MOST_WORDS = 1200  # of one mail; what stands behind them is not known, and a quotation of it keeps its original
_SIZE = 5  # bytes of a hash
_ROW = 3  # words
_WORD = re.compile(r"[-+<>≤≥]?\d+(?:[.,/:]\d+)*|\w+")
_QUOTE = re.compile(r"^[\s>|]+")


def prints(text: str) -> bytes:
    """What is kept of a mail's text: hashes, from which nobody reads it again."""
    lines: list[str] = []
    words: list[str] = []
    for line in text.split("\n"):
        these = _words(line)
        if len(words) + len(these) > MOST_WORDS:
            break
        if these:
            lines.append("\n".join(these))
        words += these
    rows = map("\n".join, zip(*(words[start:] for start in range(_ROW)), strict=False))
    return b"".join(dict.fromkeys(map(_print, dict.fromkeys(chain(lines, rows)))))


def repeats(quoted: str, kept: Iterable[bytes]) -> bool:
    """Whether every word of ``quoted`` was in mails of which this was kept."""
    known = {one[place : place + _SIZE] for one in kept for place in range(0, len(one) - _SIZE + 1, _SIZE)}
    lines = quoted.split("\n")
    view = look(lines)
    announced: set[int] = set()
    first = next(marks(view, frozenset()), None)
    if first is not None and not any(_words(lines[view.numbers[place]]) for place in range(first.start)):
        announced = {view.numbers[place] for place in range(first.start, min(first.body, len(view)))}
    rest = [_words(line) for number, line in enumerate(lines) if number not in announced]
    return bool(known) and _covered(rest, known)


def _covered(lines: Sequence[list[str]], known: Collection[bytes]) -> bool:
    words = [word for line in lines for word in line]
    seen = [False] * len(words)
    start = 0
    for line in lines:
        if line and _hash(line) in known:
            seen[start : start + len(line)] = [True] * len(line)
        start += len(line)
    for start in range(len(words) - _ROW + 1):
        if not all(seen[start : start + _ROW]) and _hash(words[start : start + _ROW]) in known:
            seen[start : start + _ROW] = [True] * _ROW
    return all(seen)


def _words(line: str) -> list[str]:
    if not line[:1].isalnum():
        line = _QUOTE.sub("", line)
    return _WORD.findall(line.casefold())


def _hash(words: Sequence[str]) -> bytes:
    return _print("\n".join(words))


def _print(said: str) -> bytes:
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=_SIZE).digest()
