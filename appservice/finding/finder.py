"""Finds people of the directory for a Matrix user, and has their users made before anybody sees the address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from appservice.client.edge import MatrixEdge
from appservice.client.names import server_of
from appservice.finding.allowance import Allowance
from appservice.finding.hits import Hit, Hits
from appservice.rooms.ghosts import Ghosts
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address, Person
from bridge.parts.tasks import Tasks

log = logging.getLogger(__name__)
_AT_ONCE = 8  # users under way for all searches together
_PATIENCE = 3.0  # s that a search waits for users to be made; who is not ready then is left out

_VISITS_AT_ONCE, _VISITS_PER_SECOND = 60, 0.1  # profiles of people who were never seen, for one user


class Finder:
    """Raises Unavailable: the directory is away."""

    def __init__(self, edge: MatrixEdge, ghosts: Ghosts) -> None:
        self._hub = edge.hub
        self._names = edge.names
        self._trusted = edge.trusted
        self._unreachable = edge.unreachable
        self._ghosts = ghosts
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._making = Tasks("found")
        self._visits = Allowance(_VISITS_PER_SECOND, _VISITS_AT_ONCE)

    async def stop(self) -> None:
        """Make nobody any more."""
        await self._making.stop()

    async def search(self, words: str, limit: int, asker: str) -> Hits:
        """People for the client of somebody, never themselves, with their users. Raises Refused: see :meth:`look`."""
        shown, more = await self.look(words, limit, asker)
        ready = await self.ready(shown)
        me = await self._hub.facts.who(Address(MATRIX, asker))
        own = {asker, *((self._names.of(me.id) or asker,) if me is not None else ())}
        natives = {ghost for hit in ready if (ghost := self._names.of(hit.person.id)) not in (None, hit.user)}
        return Hits(ready, more or len(ready) < len(shown), frozenset(own | natives))

    async def look(self, words: str, limit: int, asker: str) -> tuple[list[Person], bool]:
        """The people alone, and whether there are more. Raises Refused (searched_too_fast, searched_enough)."""
        by = Address(MATRIX, asker)
        me = await self._hub.facts.who(by)
        found = await self._hub.facts.find(words, limit + 1, by) if words.strip() and limit else []
        others = [person for person in found if me is None or person.id != me.id]
        return others[:limit], len(others) > limit

    def native(self, person: Person) -> str | None:
        """The Matrix account of somebody's own, which is written to without us."""
        own = [one.id for one in person.addresses if one.network == MATRIX]
        return next((user for user in own if self._trusted(server_of(user))), None)

    async def ready(self, people: Sequence[Person]) -> list[Hit]:
        """The Matrix users of these people, those with keys; who can have none, or not in time, is left out."""
        tasks = [self._making.start(self._user(person), awaited=True) for person in people]
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        made = [(person, task.result() if task.done() else None) for person, task in zip(people, tasks, strict=True)]
        return [Hit(person, user) for person, user in made if user is not None]

    async def user(self, person: Person) -> str | None:
        """The Matrix user of a person, ready to be written to; None if that cannot be had now."""
        return next((hit.user for hit in await self.ready([person])), None)

    async def visited(self, ident: str, asker: str) -> None:
        """Somebody looks at the profile of a person id: a user who is not there yet is made, if reachable."""
        ghost = self._names.of(ident)
        if ghost is None or self._ghosts.is_ready(ghost) or not self._visits.take(asker):
            return
        try:
            person = await self._hub.facts.who(Address(*ident.split(":", 1)))
        except Unavailable as reason:
            log.info("nobody says who has a profile: %s", reason)
            return
        if person is not None and person.id == ident:
            await self.ready([person])

    async def _user(self, person: Person) -> str | None:
        if (own := self.native(person)) is not None:
            return own
        ghost = self._names.of(person.id)
        if ghost is None or self._ghosts.is_fresh(ghost, person):
            return ghost
        try:
            if await self._unreachable(person.id) is not None:
                return ghost  # whoever writes to them is told why they are not reached
            async with self._turns:
                return await self._ghosts.ensure(person)
        except (Refused, Unavailable) as reason:
            log.info("somebody who was found has no user yet: %s", reason)
            return None
