"""The contract between a search and what it searches in: words, and the entries that hold them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from bridge.people.searching.entry import Entry


class Terms(Protocol):
    """What a search needs of a store. Every store gives the same answers in the same order.

    Words are those of :func:`bridge.people.searching.index_words.words_of`: ASCII letters and digits only, of which the
    first letter is the kind of the word (``fmartin`` a family name, ``tlyon`` a town). Each method is one statement.
    Raises Unavailable when the store cannot answer now.
    """

    async def near(self, word: str, limit: int) -> Sequence[str]:
        """Words of the same kind that share enough trigrams with a mistyped one, the most alike first.

        The caller judges the exact distance. It is asked for kinds in ``index_words.MISTYPED`` only.
        """

    async def begins(self, prefix: str, limit: int) -> Sequence[str]:
        """Words that begin so, the most frequent first, then in the order of the alphabet."""

    async def count(self, words: Collection[str]) -> Mapping[str, int]:
        """How many entries have each word; words that none has are left out."""

    async def holding(self, groups: Sequence[Collection[str]], limit: int) -> Sequence[Entry]:
        """Entries that hold at least one word of every group; ``abc*`` stands for all words that begin so.

        They come in the store's own order: those who can be written to first, then by id. No group gives nobody.
        """

    async def entries(self, ids: Sequence[str]) -> Sequence[Entry]:
        """Entries by id, in the order asked; unknown ones are left out."""
