"""Pure: which words of the vocabulary are like a mistyped one, by what three letters they share.

Only the vocabulary has trigrams, some hundred thousand words, never the millions of entries. The table is the same on
both databases and needs no extension of PostgreSQL, so that both give the same answers.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from sys import byteorder

from bridge.people.searching.index_words import MISTYPED

_LENGTHS = 2  # by how many letters a word may be longer or shorter
_FEWEST, _ENOUGH = 4, 40_000  # trigrams that are looked at in any case; words of them after which no more are
_CANDIDATES = 400  # words that are compared as wholes


def has_grams(word: str) -> bool:
    """Whether a search asks what is near to words of this kind."""
    return word[:1] in MISTYPED and len(word) > 2


def grams_of(word: str) -> frozenset[str]:
    """The trigrams of a word, each after its kind; and its letters sorted, which two that swap do not change."""
    kind, text = word[0], f"  {word[1:]} "
    grams = {kind + text[n : n + 3] for n in range(len(text) - 2)}
    return frozenset(grams | {f"{kind}#{''.join(sorted(word[1:]))}"})


class Grams:
    """The words of each trigram, by the words' numbers, while a vocabulary is read."""

    def __init__(self) -> None:
        self._words: dict[str, array[int]] = {}

    def add(self, number: int, word: str) -> None:
        """A word of the vocabulary."""
        for gram in grams_of(word):
            have = self._words.get(gram)
            if have is None:
                self._words[gram] = array("I", (number,))
            else:
                have.append(number)

    def rows(self) -> Iterable[tuple[str, bytes]]:
        """Trigram and numbers."""
        return ((gram, pack(numbers)) for gram, numbers in self._words.items())


def pack(numbers: Iterable[int]) -> bytes:
    """Numbers of words as bytes, four each."""
    packed = array("I", numbers)
    if byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(packed: bytes) -> array[int]:
    """See :func:`pack`."""
    numbers = array("I", packed)
    if byteorder == "big":
        numbers.byteswap()
    return numbers


def candidates(packed: Iterable[bytes]) -> list[int]:
    """The numbers of the words that share the most trigrams with a word: of each of its trigrams the words.

    The rarest trigrams say the most; very frequent ones are left out once there is enough to compare.
    """
    shared: Counter[int] = Counter()
    seen = 0
    for place, one in enumerate(sorted(packed, key=lambda numbers: (len(numbers), numbers))):
        seen += len(one) // 4
        if place >= _FEWEST and seen > _ENOUGH:
            break
        shared.update(unpack(one))
    return [number for number, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:_CANDIDATES]]


def alike(word: str, others: Mapping[str, int], limit: int) -> Sequence[str]:
    """The others (with how many entries each has) in the order of likeness, without the word itself."""
    grams = grams_of(word)

    def key(other: str) -> tuple[float, int, str]:
        mine = grams_of(other)
        return -2 * len(grams & mine) / (len(grams) + len(mine)), -others[other], other

    near = [other for other in others if other != word and abs(len(other) - len(word)) <= _LENGTHS]
    return sorted(near, key=key)[:limit]
