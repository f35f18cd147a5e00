"""Which product may vouch for whom: the first one that has a professional, others once she or the operator says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bridge.db import Row, Tx
from bridge.errors import Refused
from bridge.hub.handover import Write, leave, move_out
from bridge.hub.news import News
from bridge.model import Account, AccountEvent, Address, Claim, Person, Standing
from bridge.parts.turns import Turns
from bridge.people.people import People
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note
from bridge.vouching import Proof
from bridge.ways import is_product

log = logging.getLogger(__name__)
NOBODY_ELSE = "nobody else has her"  # who decided, where the other product gave her up
HERSELF = "national login"  # the same, where she has proven by it that the account is hers
_NAMED = 20  # conflicts in the log at start


class Claims:
    """Who is believed. What is in question is a product's word for a person, not each of its accounts for her.

    A product that has an active account for somebody may make as many as it likes. ``turns`` are the hub's: nobody
    declares a person while somebody else does. ``write`` is how the hub writes a message.
    """

    def __init__(
        self, store: Store, people: People, turns: Turns, news: News, write: Write, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._people = people
        self._turns = turns
        self._news = news
        self._write = write
        self._clock = clock

    async def start(self) -> None:
        """Name those in the log who are in several products already: they stay as they are until somebody decides."""
        found = list((await self.all_rivals()).values())
        for accounts in found[:_NAMED]:
            log.warning("%s are declared for one person and stay so: see `liaison accounts`", _named(accounts))
        if len(found) > _NAMED:
            log.warning("… and %d more: see `liaison accounts`", len(found) - _NAMED)

    # ---- what is known

    async def account(self, address: Address) -> Account | None:
        """See :class:`bridge.receiver.Receiver`."""
        person, standing = await self._people.had(address), self._people.accounts.standing(address)
        if person is None:
            return None
        claims = await self.of(person.id) if standing is Standing.ACTIVE else []
        waiting = [one for one in claims if one.standing is Standing.HELD and one.network != address.network]
        return Account(address, await self._people.get(person.id), standing, tuple(waiting))

    async def of(self, person: str) -> list[Claim]:
        """All claims about a person, the oldest first."""
        return [_claim(row) for row in await self._store.db.all("claims.of", person)]

    async def page(self, standing: Standing, limit: int) -> list[Claim]:
        """The newest claims that stand like this."""
        return [_claim(row) for row in await self._store.db.all("claims.page", standing.value, limit)]

    async def all_rivals(self) -> dict[str, list[Address]]:
        """The accounts of everybody who was in several products at start, though nobody has said that this is right."""
        return {person: rivals for person in self._people.several if (rivals := await self._rivals(person))}

    async def _rivals(self, person: str) -> list[Address]:
        accounts = await self._accounts(person)
        networks = {one.network for one in accounts}
        proven = {one.network for one in accounts if await self._people.proven(one, person)}
        accepted = {one.network for one in await self.of(person) if one.standing is Standing.ACTIVE}
        doubtful = networks - proven - accepted
        return accounts if len(doubtful) > 1 or (doubtful and proven) else []

    async def had_elsewhere(self, claim: Claim) -> list[Address]:
        """Where other products have the person of a claim."""
        return [one for one in await self._accounts(claim.person) if one.network != claim.network]

    async def _accounts(self, person: str) -> list[Address]:
        """Where products have her: active accounts and what the directory lists."""
        return [one for one in (await self._people.get(person)).addresses if is_product(one)]

    # ---- a product declares

    async def declare(self, address: Address, person: Person, proof: Proof = Proof.WORD) -> Person | None:
        """See :class:`bridge.receiver.Receiver`; gives whom the address belonged to before."""
        async with self._turns.of(str(address)), self._turns.of(person.id):
            before = await self._people.had(address)
            former = before if before is not None and before.id != person.id else None
            if former is not None:
                await leave(self._store, former, address, self._write, self._clock)
            await self._enter(address, person.id, former, proof)
        return former

    async def _enter(self, address: Address, person: str, former: Person | None, proof: Proof) -> None:
        accounts, now = self._people.accounts, self._clock()
        place = accounts.place(person, now)
        same = accounts.person(address) == person
        proof = max(proof, accounts.proof(address)) if same else proof
        standing, claim, others = await self._judged(address, person, proof)
        proven = same and proof > accounts.proof(address)
        if same and not proven and standing is accounts.standing(address):
            return  # a repetition changes nothing, not even its place
        by = HERSELF if proof is Proof.NATIONAL else NOBODY_ELSE
        vacant = None if claim is None or claim.standing is standing else _decided(claim, standing, now, by)
        mine = list(dict.fromkeys([*accounts.at(address.network, person), address]))
        with ExitStack() as changing:
            async with self._store.db.transaction("hub.declare") as tx:
                if not same:
                    await tx.run("store.declare", address.network, address.id, person, place)
                    made = TrailEntry(TrailKind.LINK_MADE, address.network, person, str(address), standing.value)
                    await note(tx, made, now)
                if proof is not Proof.WORD and (proven or not same):
                    await tx.run("store.prove", address.network, address.id, proof, now)
                if former is not None:
                    await move_out(self._store, tx, changing, former.id, address, now)
                if claim is None and standing is Standing.HELD:
                    await self._hold(tx, Claim(address.network, person, standing, now), address, others)
                if vacant is not None:  # whom nobody else has any more
                    await self._decide(tx, vacant, mine, [])
            since = accounts.since(address) if same else None
            accounts.remember(address, person, place if since is None else since, standing, proof)
            for one in mine if vacant is not None else ():
                accounts.settle(one, standing)
        if claim is None and standing is Standing.HELD:
            log.error(
                "ALARM %s is declared as %s, whom %s has: held until she says yes there, or `liaison accounts` does",
                address, person, _named(others),
            )  # fmt: skip
        self._news.ring()

    async def _judged(
        self, address: Address, person: str, proof: Proof
    ) -> tuple[Standing, Claim | None, list[Address]]:  # fmt: skip
        """How an account of hers stands; what was said about the product's word, if it needs any; who has her.

        A national login is the professional's own word: it needs nobody else's, and only the operator's goes before it.
        """
        if await self._people.proven(address, person):
            return Standing.ACTIVE, None, []
        accounts = await self._accounts(person)
        if any(one.network == address.network for one in accounts):  # a second account: that product's own affair
            return Standing.ACTIVE, None, []
        claim = await self._one(person, address.network)
        if proof is Proof.NATIONAL and not _by_operator(claim):
            return Standing.ACTIVE, claim, accounts
        if claim is not None and claim.standing is not Standing.HELD:
            return claim.standing, claim, accounts
        return Standing.HELD if accounts else Standing.ACTIVE, claim, accounts

    async def _one(self, person: str, network: str) -> Claim | None:
        row = await self._store.db.one("claims.one", person, network)
        return None if row is None else _claim(row)

    async def _hold(self, tx: Tx, claim: Claim, address: Address, others: Sequence[Address]) -> None:
        await tx.run("claims.add", claim.person, claim.network, claim.since)
        held = TrailEntry(TrailKind.IDENTITY_CONFLICT, claim.network, claim.person, str(address), claim.standing.value)
        await note(tx, held, claim.since)
        await self._news.write(tx, claim, AccountEvent.HELD, [address], claim.since)
        await self._news.write(tx, claim, AccountEvent.CONTESTED, others, claim.since)

    # ---- somebody decides

    async def confirm(self, by: Address, network: str, accept: bool) -> Claim:
        """See :class:`bridge.receiver.Receiver`."""
        person = await self._people.identify(by, "user")
        claim = await self._one(person.id, network)
        if claim is None or network == by.network:
            raise Refused("not_contested", "product")
        if claim.standing is Standing.ACTIVE and not accept:
            raise Refused("decided", "decision")
        return await self.decide(network, person.id, Standing.ACTIVE if accept else Standing.REFUSED, str(by))

    async def decide(self, network: str, person: str, standing: Standing, by: str) -> Claim:
        """A product's word for a person is accepted (ACTIVE) or REFUSED; ``by``: who says so.

        After a refusal its accounts are in no conversation of hers. Raises Refused (not_contested: it has no account
        of hers; account_listed: the directory lists one).
        """
        async with self._turns.of(person):
            claim, now = await self._one(person, network), self._clock()
            accounts = self._people.accounts.at(network, person)
            if claim is None and not accounts:
                raise Refused("not_contested", "product")
            if standing is Standing.REFUSED and any([await self._people.proven(one, person) for one in accounts]):
                raise Refused("account_listed", "product")
            claim = claim or Claim(network, person, Standing.ACTIVE, self._people.accounts.since(accounts[0]) or now)
            if claim.standing is standing and claim.decided_at is not None:
                return claim
            claim = _decided(claim, standing, now, by)
            await self._carry_out(claim, accounts)
        log.warning("%s for %s: %s, by %s", network, person, standing.value, by)
        self._news.ring()
        return claim

    async def _carry_out(self, claim: Claim, accounts: Sequence[Address]) -> None:
        others = await self.had_elsewhere(claim)
        gone = accounts if claim.standing is Standing.REFUSED else []
        come = [one for one in accounts if claim.standing is Standing.ACTIVE and self._people.accounts.apart(one)]
        for address in gone:
            await leave(self._store, await self._people.get(claim.person), address, self._write, self._clock)
        place = self._people.accounts.place(claim.person, self._clock())  # what is decided moves no way that is there
        with ExitStack() as changing:
            async with self._store.db.transaction("hub.decided") as tx:
                for address in gone:
                    await move_out(self._store, tx, changing, claim.person, address, self._clock())
                for address in come:
                    await tx.run("claims.place", address.network, address.id, place)
                await self._decide(tx, claim, accounts, others)
            for address in come:
                self._people.accounts.remember(address, claim.person, place)
            for address in accounts:
                self._people.accounts.settle(address, claim.standing)

    async def _decide(self, tx: Tx, claim: Claim, accounts: Sequence[Address], others: Sequence[Address]) -> None:
        at, state = claim.decided_at or claim.since, claim.standing.value
        await tx.run("claims.decide", claim.person, claim.network, state, claim.since, at, claim.decided_by)
        decided = TrailEntry(TrailKind.IDENTITY_CONFLICT, claim.decided_by, claim.person, claim.network, state)
        await note(tx, decided, at)
        event = AccountEvent.ACCEPTED if claim.standing is Standing.ACTIVE else AccountEvent.REFUSED
        await self._news.write(tx, claim, event, accounts, at)
        await self._news.write(tx, claim, AccountEvent.SETTLED, others, at)


def _claim(row: Row) -> Claim:
    return Claim(
        row["network"], row["person"], Standing(row["state"]), row["since"], row["decided_at"], row["decided_by"]
    )


def _by_operator(claim: Claim | None) -> bool:
    return claim is not None and (claim.decided_by or "").startswith("operator")


def _decided(claim: Claim, standing: Standing, at: int, by: str) -> Claim:
    return Claim(claim.network, claim.person, standing, claim.since, at, by)


def _named(accounts: Sequence[Address]) -> str:
    return ", ".join(map(str, accounts))
