"""Pure: which entries hold a word, as small sets of bits, so that a search is an AND of numbers on every database.

Entries are numbered in the order in which a search gives them: a rank, then by id. A part is 65,536 numbers in a row; a
word's entries in one part are one value of at most 8 KiB. A search begins at the first part and stops once it has
found enough: a word of 600,000 entries costs no more than a rare one.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from sys import byteorder

from bridge.people.searching.index_words import BOX, NUMBER

PART = 1 << 16
_RANK = 12  # bits of a part's number below its rank
_BITS = PART // 8
_DENSE = 1024  # numbers in a part above which its bits are kept instead of the numbers
_BEGINNINGS = (2, 3, 4)  # letters, with the kind, of beginnings that are kept like words: too many words begin so

FRESH = 3
"""The rank of what came after the load was made: few, in no order."""


def part_of(rank: int, number: int) -> int:
    """The ``number``-th part of a rank."""
    return rank << _RANK | number


def rank_of_part(part: int) -> int:
    """See :func:`part_of`."""
    return part >> _RANK


def first_of(part: int) -> int:
    """The first number of a part."""
    return part << 16


def is_unique(word: str) -> bool:
    """Whether hardly more than one entry has such a word: a number, a mailbox. These are kept apart."""
    return word[:1] in (NUMBER, BOX)


def is_kept(beginning: str) -> bool:
    """Whether the entries of all words that begin so are kept together."""
    return len(beginning) in _BEGINNINGS and not is_unique(beginning)


def kept_words(words: Iterable[str]) -> Iterator[str]:
    """Words (without unique ones) and their beginnings (``fma*``), as they are kept."""
    words = set(words)
    yield from words
    yield from {f"{word[:size]}*" for word in words for size in _BEGINNINGS[: len(word) - 1]}


class IndexPart:
    """The entries of a part, while it is filled."""

    def __init__(self, part: int) -> None:
        self.part = part
        self.count = 0
        self._words: dict[str, array[int]] = {}

    @property
    def full(self) -> bool:
        """Whether no more fits."""
        return self.count == PART

    def add(self, words: Iterable[str]) -> int:
        """An entry with its words (without unique ones); gives its number."""
        place = self.count
        self.count += 1
        for word in words:
            have = self._words.get(word)
            if have is None:
                self._words[word] = array("H", (place,))
            else:
                have.append(place)
        return first_of(self.part) + place

    def postings(self) -> Iterator[tuple[str, int, int, bytes]]:
        """Rows of word, part, how many entries, which; then the same of beginnings (``fma*``)."""
        beginnings: dict[str, list[array[int]]] = {}
        for word, places in self._words.items():
            yield word, self.part, len(places), pack(places)
            for size in _BEGINNINGS[: len(word) - 1]:
                beginnings.setdefault(word[:size], []).append(places)
        for begin, all_places in beginnings.items():
            every = all_places[0] if len(all_places) == 1 else array("H", sorted(set().union(*all_places)))
            yield begin + "*", self.part, len(every), pack(every)


def pack(places: array[int]) -> bytes:
    """Places in a part (ascending) as bytes: themselves, two bytes each, or as bits."""
    if len(places) > _DENSE:
        return bits_of(places).to_bytes(_BITS, "little")
    if byteorder == "big":
        places = array("H", places)
        places.byteswap()
    return places.tobytes()


def unpack(packed: bytes) -> int:
    """The bits of what :func:`pack` has made."""
    if len(packed) == _BITS:
        return int.from_bytes(packed, "little")
    places = array("H", packed)
    if byteorder == "big":
        places.byteswap()
    return bits_of(places)


def bits_of(places: Iterable[int]) -> int:
    """Places in a part as bits."""
    bits = bytearray(_BITS)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def places_of(bits: int) -> Iterator[int]:
    """The places, ascending, of bits."""
    for index, byte in enumerate(bits.to_bytes(_BITS, "little")):
        if byte:
            base = index << 3
            for bit in range(8):
                if byte >> bit & 1:
                    yield base + bit


def places_within(bits: int, limit: int) -> list[int]:
    """The first places of bits."""
    return list(islice(places_of(bits), limit))


def union(packed: Collection[bytes]) -> int:
    """The bits of several words together."""
    bits = 0
    small: set[int] = set()
    for one in packed:
        if len(one) == _BITS:
            bits |= int.from_bytes(one, "little")
        else:
            places = array("H", one)
            if byteorder == "big":
                places.byteswap()
            small.update(places)
    return bits | bits_of(small) if small else bits
