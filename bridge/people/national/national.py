"""The national directory as the hub asks it: from the load in use, which may be another one at any time.

Everything is read on a thread or a connection of its own. What was asked before is answered from memory until the next
load or delta: the hub asks for the sender of every message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from bridge.errors import Unavailable
from bridge.model import MAIL, Address, Person
from bridge.parts.lru import Lru
from bridge.people.directory import Changed, Changing, Directory, ListsMailboxes
from bridge.people.national.faces import ident_of, person_of, together
from bridge.people.national.joined import JoinedTerms, local_entries
from bridge.people.national.kept.lookup import Lookup, state_of
from bridge.people.national.kept.tables import Loads
from bridge.people.searching.search import NOBODY, Asking, Search
from bridge.people.searching.terms import Terms

V = TypeVar("V")
_KEPT = 20_000
_LOOK = 5.0  # s between two looks for another load


class LocalFile(Directory, Changing, ListsMailboxes, Protocol):
    """A site's own file, which is read again when it changes."""

    trouble: str

    def reload(self) -> None:
        """Read it now."""

    async def read_again(self) -> tuple[str, str]:
        """The same: what has changed, and why it is not used."""

    async def run(self) -> None:
        """Watch it until cancelled."""


@dataclass(frozen=True, slots=True)
class _Answer(Generic[V]):
    """What is remembered; also that there is nobody."""

    value: V | None


@dataclass(slots=True)
class _View:
    """One load at one version, with what was asked of it; let go of when nobody uses it any more."""

    lookup: Lookup
    terms: Terms
    people: Lru[str, _Answer[Person]] = field(default_factory=lambda: Lru(_KEPT))
    boxes: Lru[str, _Answer[Person]] = field(default_factory=lambda: Lru(_KEPT))
    users: int = 0
    over: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.lookup.tables.number, self.lookup.version


class National:
    """See :class:`bridge.people.directory.Directory`. ``local``: the site's own additions and corrections, which win.

    Before the first import it knows those only.
    """

    shows_all = False

    def __init__(self, loads: Loads, local: LocalFile | None = None) -> None:
        self._loads = loads
        self._local = local
        self._view: _View | None = None
        self._opening = asyncio.Lock()
        self._looked = False
        self._local_changed = asyncio.Event()
        self._changed: Changed = lambda people: None
        if local is not None:
            local.follow(lambda people: self._local_changed.set())

    @property
    def loads(self) -> Loads:
        """Where its loads are kept."""
        return self._loads

    @property
    def trouble(self) -> str:
        """Why the site's own file was not read again, or empty."""
        return "" if self._local is None else self._local.trouble

    def follow(self, changed: Changed) -> None:
        """See :class:`bridge.people.directory.Changing`."""
        self._changed = changed

    async def read_again(self) -> tuple[str, str]:
        """The site's own file, now: what has changed, and why it is not used; or empty."""
        return ("", "") if self._local is None else await self._local.read_again()

    def reload(self) -> None:
        """Read the site's own file as it is now (SIGHUP); a new load is taken up without being asked."""
        if self._local is not None:
            self._local.reload()

    async def run(self) -> None:
        """Look for another load, and at the site's own file, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._run())
            if self._local is not None:
                both.create_task(self._local.run())

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._local_changed.wait()
            with suppress(Unavailable):  # the one in use is good as long as it can be read
                await self.refresh()

    async def refresh(self) -> None:
        """Use the newest load from now on. Raises Unavailable."""
        async with self._opening:
            number = await self._loads.current()
            old, again = self._view, self._local_changed.is_set()
            self._local_changed.clear()
            if number is None or (
                not again and old is not None and old.key == (number, await self._version(old, number))
            ):
                self._looked = True
                return
            tables = await self._loads.open(number)
            try:
                lookup = await Lookup.at(tables)
                local = () if self._local is None else await local_entries(self._local, lookup)
                self._view = _View(lookup, JoinedTerms(lookup, local) if local else lookup)
            except BaseException:
                await tables.close()
                raise
            self._looked = True
        if old is not None:
            old.over = True
            await self._leave(old)
            self._changed(None)

    async def _version(self, view: _View, number: int) -> int:
        if view.lookup.tables.number != number:
            return -1
        return int(await state_of(view.lookup.tables, "version") or 0)

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[_View | None]:
        if not self._looked:
            await self.refresh()
        view = self._view
        if view is None:
            yield None
            return
        view.users += 1
        try:
            yield view
        finally:
            view.users -= 1
            await self._leave(view)

    async def _leave(self, view: _View) -> None:
        if view.over and not view.users:
            view.over = False
            await view.lookup.tables.close()

    async def person(self, person: str) -> Person | None:
        """See :class:`bridge.people.directory.Directory`; ``mail:`` ids are those of services, too."""
        async with self._use() as view:
            if view is None:
                return await self._of_site(person)
            if (known := view.people.get(person)) is None:
                found = together(await self._found(view, person), await self._of_site(person))
                known = view.people.put(person, _Answer(found))
            return known.value

    async def _found(self, view: _View, person: str) -> Person | None:
        kind, _, ident = person.partition(":")
        entries = await (view.lookup.with_box(ident) if kind == MAIL else view.lookup.entries([person]))
        return next((person_of(entry) for entry in entries if ident_of(entry) == person), None)

    async def _of_site(self, person: str) -> Person | None:
        return None if self._local is None else await self._local.person(person)

    async def at(self, address: Address) -> Person | None:
        """See :class:`bridge.people.directory.Directory`. Nobody in particular has a mailbox of several people."""
        if self._local is not None and (listed := await self._local.at(address)) is not None:
            return await self.person(listed.id)
        if address.network != MAIL:
            return None
        async with self._use() as view:
            if view is None:
                return None
            if (known := view.boxes.get(address.id)) is None:
                known = view.boxes.put(address.id, _Answer(await self._holder(view, address.id)))
            return known.value

    async def _holder(self, view: _View, box: str) -> Person | None:
        every = await view.lookup.with_box(box)
        entries = [entry for entry in every if not entry.closed] or every
        if len(entries) != 1:
            return None
        return await self.person(ident_of(entries[0])) if not entries[0].closed else person_of(entries[0])

    async def search(self, query: str, limit: int, asking: Asking = NOBODY) -> Sequence[Person]:
        """See :class:`bridge.people.directory.Directory`; see :class:`.searching.search.Search`."""
        async with self._use() as view:
            if view is None:
                return [] if self._local is None else await self._local.search(query, limit, asking)
            found = await Search(view.terms).find(query, limit, asking)
            people = [await self.person(ident_of(one.entry)) for one in found]
            return [one for one in people if one is not None]

    async def everyone(self) -> AsyncIterator[Sequence[Person]]:
        """See :class:`bridge.people.directory.Directory`: the site's own people; the others are made when asked for."""
        if self._local is not None:
            async for page in self._local.everyone():
                yield [one for one in [await self.person(p.id) for p in page] if one is not None]

    async def mailboxes(self) -> AsyncIterator[Sequence[str]]:
        """See :class:`bridge.people.directory.ListsMailboxes`."""
        if self._local is not None:
            async for page in self._local.mailboxes():
                yield page
        async with self._use() as view:
            if view is not None:
                async for page in view.lookup.mailboxes():
                    yield page

    async def close(self) -> None:
        """Let go of everything."""
        if (view := self._view) is not None:
            self._view, view.over = None, True
            await self._leave(view)
        await self._loads.close()
