"""What changes in the directory follows on every leg: names, and who is struck off or is back.

Nothing here grows with the directory: only people whom the hub knows (members, and who has an account) are looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from itertools import islice

from bridge.db import Row
from bridge.db.pages import pages
from bridge.hub.courier import Courier
from bridge.hub.handover import withdraw
from bridge.hub.links import Links
from bridge.hub.taking_over import TakingOver
from bridge.model import MATRIX, Address, Person
from bridge.parts.lanes import Lanes
from bridge.people.gone import keep, kept
from bridge.people.people import People
from bridge.people.revocations import Why
from bridge.served import Served
from bridge.store.store import Store

log = logging.getLogger(__name__)
_PAGE = 100
_DIRECTORY = "directory"
_FEW, _SHARE = 10, 0.2  # people who may vanish between two loads, or while the hub is down


class Following:
    """One lane that looks at whoever may have changed; a crash repeats a look. ``clock`` gives ms since 1970."""

    def __init__(
        self, store: Store, people: People, connectors: Served, courier: Courier, links: Links,
        taking_over: TakingOver, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._store = store
        self._people = people
        self._served = connectors
        self._courier = courier
        self._links = links
        self._taking_over = taking_over
        self._clock = clock
        self._some: set[str] = set()
        self._everybody = False
        self._lane: Lanes[str] = Lanes("changes of the directory", self._look, courier.patience)

    def start(self) -> None:
        """See what has changed while the hub was down, and from now on."""
        self._people.follow(self.changed)
        self.changed(None)

    async def stop(self) -> None:
        """What was not looked at is looked at after the next start."""
        self._people.follow(lambda people: None)
        await self._lane.stop()

    def changed(self, people: Collection[str] | None) -> None:
        """See :data:`bridge.people.directory.Changed`."""
        if people is None:
            self._everybody = True
        else:
            self._some.update(people)
        self._lane.wake(_DIRECTORY)

    async def logged_in(self, account: Address, rpps: str) -> None:
        """Somebody has proven to our homeserver who they are. Raises Refused (as ``People.rpps``, account_revoked)."""
        person = await self._people.rpps(rpps)
        if await self._links.logged_in(account, person.id):
            await self._taking_over.begin(person.id, account)

    async def ended(self, account: Address, person: str) -> None:
        """An account that a login has opened is no more: the next way is found for its person."""
        await self._links.take_back(account, person, account.network, Why.PRODUCT)

    @property
    def idle(self) -> bool:
        """Whether everybody was looked at."""
        return not len(self._lane)

    async def _look(self, _: str) -> None:
        """Raises Unavailable: the directory, or the database, cannot answer now."""
        while self._some:
            some = set(islice(self._some, _PAGE))
            self._some -= some
            try:
                for ident in sorted(some):
                    await self._one(ident)
            except BaseException:
                self._some |= some
                raise
        if self._everybody:
            self._everybody = False
            try:
                await self._links.resume()
                await self._everybody_anew()
            except BaseException:
                self._everybody = True
                raise

    async def _everybody_anew(self) -> None:
        """A directory that has lost many of those whom the hub knows is not believed: it may not be there yet."""
        lost, known = list[Person](), 0
        async for page in pages(self._store.db, "following.known", ("",), ("person",)):
            known += len(page)
            for row in page:
                if (entry := await self._compare(row)) is not None:
                    lost.append(entry)
        if len(lost) > max(_FEW, _SHARE * known):
            log.error(
                "ALARM the directory has lost %d of the %d people whom the hub knows: nobody is locked; bring it back, "
                "or take them out of it while the hub runs", len(lost), known,
            )  # fmt: skip
            return
        for entry in lost:
            await self._close(entry)

    async def _one(self, ident: str) -> None:
        if (row := await self._store.db.one("following.one", ident)) is not None:
            if (lost := await self._compare(row)) is not None:
                await self._close(lost)
        elif self._people.shows_all() and (await self._people.entry(ident)) is not None:
            await self._served.show(await self._people.findable([ident]))

    async def _compare(self, row: Row) -> Person | None:
        """Gives somebody who has to be locked now."""
        ident, known = row["person"], kept(self._store.seal, row["person"], row["entry"])
        entry = await self._people.entry(ident)
        if entry is None or not entry.active:
            return None if row["closed_at"] is not None else known if entry is None else entry
        if row["closed_at"] is not None:
            log.warning("%s is in the directory again", ident)
        elif row["entry"] is None:  # nothing of an earlier version says what was shown: it is shown at every start
            await self._note(entry, None)
            return None
        elif _same(entry, known):
            return None
        self._people.gone.drop(ident)
        await self._follow(entry)
        await self._links.listed(entry, known)
        for account in entry.addresses:
            if account.network == MATRIX and account not in known.addresses:
                await self._taking_over.begin(ident, account)
        await self._note(entry, None)
        return None

    async def _follow(self, entry: Person) -> None:
        """Names are said anew: by the hub with the next message, by networks that show people at once."""
        self._store.forget_people({entry.id})
        await self._served.show(await self._people.findable([entry.id]))

    async def _note(self, entry: Person, closed_at: int | None) -> None:
        async with self._store.db.transaction("hub.followed") as tx:
            await tx.run("following.note", entry.id, keep(self._store.seal, entry), closed_at)

    # -- struck off ------------------------------------------------------------------------------------------

    async def _close(self, entry: Person) -> None:
        """From now on nothing goes to them, and nothing comes from them; what they said before goes on its way."""
        log.warning("%s is struck off the directory: locked", entry.id)
        self._people.gone.add(entry)
        self._store.forget_people({entry.id})
        touched = set[str]()
        for row in await self._store.db.all("following.memberships", entry.id):
            address = Address(row["network"], row["address"])
            async with self._store.db.transaction("hub.locked") as tx:
                await withdraw(tx, row["conversation"], entry.id, address, self._clock(), "recipient_inactive")
                await self._store.outcomes.arrived(
                    tx, row["conversation"], address.network, entry.id, self._clock(), "recipient_inactive"
                )
            touched.add(address.network)
            self._courier.withdrawn(row["conversation"])
            await self._served.withdraw(address, "recipient_inactive")
        for network in touched:
            self._courier.wake_all(network)
        self._courier.wake_reports()
        await self._links.locked(entry)
        await self._served.show([await self._people.get(entry.id)])
        await self._note(entry, self._clock())


def _same(entry: Person, known: Person) -> bool:
    return (entry.name, entry.profession, entry.place, entry.addresses) == (
        known.name, known.profession, known.place, known.addresses,
    )  # fmt: skip
