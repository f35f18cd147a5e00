"""A directory's words in memory: for small sites, for local additions, and for tests. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from bridge.people.searching.entry import Entry
from bridge.people.searching.index_words import words_of

_LAST = "\U0010ffff"  # after every continuation of a word
_TRIGRAMS_SHARED = 0.3  # of all that two words have together


class MemoryTerms:
    """See :class:`bridge.people.searching.terms.Terms`. Whoever can be written to comes first, then by id."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = sorted(entries, key=lambda entry: (_rank(entry), entry.id))
        self._by_id = {entry.id: entry for entry in self._entries}
        rows: dict[str, array[int]] = {}
        self._texts: list[str] = []  # each word has a blank before it and one after
        for number, entry in enumerate(self._entries):
            words = words_of(entry)
            self._texts.append(f" {' '.join(words)} ")
            for word in words:
                have = rows.get(word)
                if have is None:
                    rows[word] = array("I", (number,))
                else:
                    have.append(number)
        self._words = sorted(rows)
        self._first = array("I", [0])  # of each word's rows in ``_rows``; one entry more at the end
        self._rows = array("I")
        for word in self._words:
            self._rows.extend(rows.pop(word))
            self._first.append(len(self._rows))

    async def near(self, word: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        asked = _trigrams(word)
        alike = list[tuple[float, str]]()
        for known in self._begin(word[0]):
            have = _trigrams(known)
            shared = len(asked & have) / len(asked | have)
            if shared >= _TRIGRAMS_SHARED:
                alike.append((-shared, known))
        return [known for _, known in sorted(alike)[:limit]]

    async def begins(self, prefix: str, limit: int) -> Sequence[str]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        return sorted(self._begin(prefix), key=lambda word: (-len(self._places(word)), word))[:limit]

    async def count(self, words: Collection[str]) -> Mapping[str, int]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        counted = {word: len(self._places(word)) for word in words}
        return {word: count for word, count in counted.items() if count}

    async def holding(self, groups: Sequence[Collection[str]], limit: int) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        return [self._entries[row] for row in islice(self._holding(groups), limit)]

    async def entries(self, ids: Sequence[str]) -> Sequence[Entry]:
        """See :class:`bridge.people.searching.terms.Terms`."""
        return [self._by_id[ident] for ident in ids if ident in self._by_id]

    def _holding(self, groups: Sequence[Collection[str]]) -> Iterator[int]:
        """No more rows are looked at than have the rarest of the groups."""
        if not groups:
            return
        places = [[self._places(word) for word in group] for group in groups]
        rarest = min(range(len(groups)), key=lambda n: sum(map(len, places[n])))
        others = [[_pattern(word) for word in group] for n, group in enumerate(groups) if n != rarest]
        for row in self._merged(places[rarest]):
            text = self._texts[row]
            if all(any(pattern in text for pattern in patterns) for patterns in others):
                yield row

    def _merged(self, places: Sequence[range]) -> Iterable[int]:
        some = [self._rows[place.start : place.stop] for place in places if place]
        return sorted(set().union(*some)) if some else ()

    def _begin(self, prefix: str) -> Sequence[str]:
        low = bisect_left(self._words, prefix)
        return self._words[low : bisect_left(self._words, prefix + _LAST, low)]

    def _places(self, word: str) -> range:
        """Where in ``_rows`` the rows of a word stand, or of all words that begin so: side by side."""
        plain = word.removesuffix("*")
        low = bisect_left(self._words, plain)
        if word != plain:
            high = bisect_left(self._words, plain + _LAST, low)
        else:
            high = low + (low < len(self._words) and self._words[low] == word)
        return range(self._first[low], self._first[high])


def _rank(entry: Entry) -> int:
    return 0 if entry.accounts else 1 if entry.boxes else 2


def _pattern(word: str) -> str:
    return f" {word[:-1]}" if word.endswith("*") else f" {word} "


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[n : n + 3] for n in range(len(padded) - 2)}
