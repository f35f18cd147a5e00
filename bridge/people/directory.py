"""The contract of a directory: who is this, who can be found, how are they reached, and who has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

from bridge.model import Address, Person
from bridge.people.searching.search import NOBODY, Asking

Changed = Callable[[Collection[str] | None], None]
"""Entries have changed, come or gone (person ids); None: nobody knows which, all of them may have."""


class Directory(Protocol):
    """A national or local directory of professionals. Raises Unavailable when it cannot answer now.

    A closed entry is given as one that is not ``active`` (by :meth:`person` and :meth:`at`), or not at all. What is
    only missing from one load of the directory's source is the directory's own affair: until it is sure, it gives the
    entry as it was.
    """

    async def person(self, person: str) -> Person | None:
        """An entry by person id (``rpps:<11 digits>``)."""

    async def at(self, address: Address) -> Person | None:
        """The entry that lists this address (``mail`` addresses in lower case)."""

    async def search(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Person]:
        """Who is meant by a query as people write it, the likeliest and nearest to the one who asks first.

        See :class:`bridge.people.searching.search.Search`.
        """

    def everyone(self) -> AsyncIterator[Sequence[Person]]:
        """All entries with an address that is not their own Matrix account, page by page; it may give none."""


@runtime_checkable
class ListsMailboxes(Protocol):
    """A directory may offer: all its mailboxes, so that clients can look one up by its hash."""

    def mailboxes(self) -> AsyncIterator[Sequence[str]]:
        """Every address in lower case, page by page; none of the red list, and none that is closed."""


@runtime_checkable
class Changing(Protocol):
    """A directory may offer: it changes while the hub runs, and says so.

    ``shows_all``: :meth:`Directory.everyone` gives everybody, so whoever comes is made ready to be found.
    """

    shows_all: bool

    def follow(self, changed: Changed) -> None:
        """Call this whenever something has changed, in the hub's own task and after the new answers are given."""
