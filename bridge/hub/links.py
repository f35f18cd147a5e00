"""Which addresses are a person's, by whose word, and how a link is taken back: everything derived from it follows."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.errors import Refused
from bridge.hub.claims import Claims
from bridge.hub.moving import Moving
from bridge.hub.news import News
from bridge.model import MATRIX, AccountEvent, Address, Claim, Link, Person, Standing
from bridge.people.gone import keep
from bridge.people.people import People
from bridge.people.revocations import TakenBack, Why
from bridge.served import Served
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note
from bridge.ways import is_product

log = logging.getLogger(__name__)
OPERATOR, DIRECTORY, LOGIN, PROFESSIONAL, PRODUCT = "operator", "directory", "login", "professional", "product"


class Links:
    """Proofs, the strongest first: the operator's word, the directory's, a login with the national identity, the
    professional's own, a product's.
    """

    def __init__(
        self, store: Store, people: People, connectors: Served, claims: Claims, moving: Moving, news: News,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._store = store
        self._people = people
        self._served = connectors
        self._claims = claims
        self._moving = moving
        self._news = news
        self._clock = clock

    async def of(self, person: str) -> list[Link]:
        """All links of a person, be they good or not."""
        entry, accounts = await self._people.entry(person), self._people.accounts
        listed = entry.addresses if entry is not None else ()
        claims = {claim.network: claim for claim in await self._claims.of(person)}
        declared = [one for network in sorted(self._served) for one in accounts.at(network, person)]
        taken = [one for one in accounts.revoked.all() if one.person == person]
        found = dict.fromkeys((*listed, *declared, *(one.address for one in taken)))
        active = entry is not None and entry.active
        return [self._link(one, person, claims.get(one.network), one in listed, active) for one in found]

    def _link(self, address: Address, person: str, claim: Claim | None, listed: bool, active: bool) -> Link:
        accounts = self._people.accounts
        revoked = accounts.revoked.of(address, person)
        mine = accounts.person(address) == person
        since = accounts.since(address) if mine else None
        decided = claim is not None and claim.decided_by is not None and claim.standing is Standing.ACTIVE and mine
        told = LOGIN if address.network == MATRIX else PRODUCT
        proof, by = (DIRECTORY, "") if listed else (told, address.network if mine else "")
        if claim is not None and decided and not listed:
            by = claim.decided_by or ""
            proof = OPERATOR if by.startswith(OPERATOR) else PROFESSIONAL
        if revoked is not None:
            return Link(address, proof, revoked.at, Standing.REVOKED, f"{revoked.why.value} {revoked.by}".strip())
        standing = accounts.standing(address) if mine else Standing.ACTIVE
        return Link(address, proof, since, standing if active else Standing.REVOKED, by if active else "inactive")

    async def revoke(self, address: Address, by: str, why: Why = Why.OPERATOR) -> Person:
        """From now on this address neither speaks for its person nor reaches them. Raises Refused (not_linked)."""
        person = await self._people.had(address)
        if person is None or person.rpps is None:
            raise Refused("not_linked", "address", about=str(address))
        await self.take_back(address, person.id, by, why)
        return await self._people.get(person.id)

    async def take_back(self, address: Address, person: str, by: str, why: Why) -> None:
        """The same of a link that is known; what a crash interrupts is completed at the next start."""
        with self._moving.looking_for(person):
            now, revoked = self._clock(), self._people.accounts.revoked
            known = revoked.of(address, person)
            if known is None or (why is Why.OPERATOR and known.why is not why):
                one = TakenBack(address, person, why, now, by)
                async with self._store.db.transaction("hub.revoked") as tx:
                    await tx.run("following.revoke", address.network, address.id, person, why.value, now, by)
                    taken = TrailEntry(TrailKind.LINK_REVOKED, by or why.value, person, str(address), why.value)
                    await note(tx, taken, now)
                    if is_product(address):
                        claim = Claim(address.network, person, Standing.REVOKED, now)
                        await self._news.write(tx, claim, AccountEvent.REVOKED, [address], now)
                revoked.add(one)
                log.warning("%s is no longer %s: by %s %s", address, person, why.value, by)
                self._news.ring()
            await self.settle(person)

    async def restore(self, address: Address, by: str) -> Person:
        """The operator gives a link back. Raises Refused (not_linked)."""
        taken = [one for one in self._people.accounts.revoked.all() if one.address == address]
        if not taken:
            raise Refused("not_linked", "address", about=str(address))
        for one in taken:
            await self._lift(one, by)
            log.warning("%s is %s again: by %s", address, one.person, by)
            await self.settle(one.person)
        return await self._people.get(taken[0].person)

    async def proven(self, address: Address, person: str, by: str) -> None:
        """A product, a login or the directory (``by``) says it again. Raises Refused (account_revoked)."""
        one = self._people.accounts.revoked.of(address, person)
        if one is None:
            return
        if one.why is not Why.OPERATOR:
            await self._lift(one, by)
        elif by in (PRODUCT, LOGIN):
            raise Refused("account_revoked", "id")

    async def _lift(self, one: TakenBack, by: str) -> None:
        async with self._store.db.transaction("hub.restored") as tx:
            await tx.run("following.restore", one.address.network, one.address.id, one.person)
            again = TrailEntry(TrailKind.LINK_MADE, by, one.person, str(one.address), "restored")
            await note(tx, again, self._clock())
        self._people.accounts.revoked.drop(one.address, one.person)
        self._changed(one.person)

    def _changed(self, person: str) -> None:
        self._people.accounts.changes += 1
        self._store.forget_people({person})

    async def settle(self, person: str) -> None:
        """Wherever somebody takes part by an address that is theirs no more, the next way is found."""
        self._changed(person)
        if not (await self._people.get(person)).active:
            return
        for row in await self._store.db.all("following.memberships", person):
            address = Address(row["network"], row["address"])
            if not self._people.holds(person, address):
                await self._moving.away(row["conversation"], person, address)
                await self._served.withdraw(address, "not_reachable")
        await self._served.show(await self._people.findable([person]))

    async def logged_in(self, account: Address, person: str) -> bool:
        """A Matrix account was opened with the national identity; gives whether that is new. Raises Refused.

        A link that the operator took back stays so (account_revoked); what a closure took back is proven anew.
        """
        accounts = self._people.accounts
        if accounts.person(account) == person and not accounts.apart(account):
            return False
        again = accounts.revoked.of(account, person) is not None
        await self.proven(account, person, LOGIN)
        place, entry = accounts.place(person, self._clock()), await self._people.get(person)
        async with self._store.db.transaction("hub.logged-in") as tx:
            await tx.run("store.declare", account.network, account.id, person, place)
            await tx.run("following.meet", person, keep(self._store.seal, entry))  # a closure is followed
            if not again:
                await note(tx, TrailEntry(TrailKind.LINK_MADE, LOGIN, person, str(account)), self._clock())
        accounts.remember(account, person, place)
        self._changed(person)
        log.warning("%s is %s: by a login with the national identity", account, person)
        await self.declared(person)
        return True

    async def declared(self, person: str) -> None:
        """A product has vouched for them: where no way was left there is one now."""
        if self._people.accounts.revoked.touch(person):
            await self.settle(person)
        else:
            await self._served.show(await self._people.findable([person]))

    async def resume(self) -> None:
        """Complete what a crash has interrupted."""
        for person in sorted({one.person for one in self._people.accounts.revoked.all()}):
            await self.settle(person)

    # ---- the directory's word

    async def locked(self, entry: Person) -> None:
        """Whoever was struck off and comes back has to prove accounts anew; the directory does it for what it lists."""
        for network in self._served:
            for address in self._people.accounts.at(network, entry.id):
                await self.take_back(address, entry.id, "", Why.INACTIVE)

    async def listed(self, entry: Person, before: Person) -> None:
        """The directory lists other addresses now. A mailbox that vanishes alone stays: it may be on the red list."""
        for address in entry.addresses:
            await self.proven(address, entry.id, DIRECTORY)
        networks = {one.network for one in entry.addresses}
        for address in before.addresses:
            declared = self._people.accounts.person(address) == entry.id
            replaced = is_product(address) or address.network == "matrix" or address.network in networks
            if address not in entry.addresses and not declared and replaced:
                await self.take_back(address, entry.id, "", Why.DIRECTORY)
        await self.settle(entry.id)
