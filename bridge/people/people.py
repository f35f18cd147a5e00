"""Who is who: the directory, the accounts that products vouch for, and how a person is reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from sys import intern

from bridge.db import Database, Row
from bridge.db.pages import pages
from bridge.errors import Refused
from bridge.model import FUNCTION, MAIL, MATRIX, Address, Member, Person, Standing
from bridge.parts.lru import Lru
from bridge.people.accounts import Accounts
from bridge.people.directory import Changed, Changing, Directory
from bridge.people.gone import Gone, kept
from bridge.people.handles import Handles
from bridge.people.languages import Languages
from bridge.people.lookups import Lookups
from bridge.people.narrowing import WrittenWith, a_page, depth, nobody, searched
from bridge.people.revocations import taken_back
from bridge.people.sealed_names import opened
from bridge.people.searching.entry import Entry
from bridge.people.searching.search import Asking
from bridge.people.trust import is_rpps, server_of
from bridge.receiver import ALL, Narrowing
from bridge.seal import Seal
from bridge.served import Served
from bridge.vouching import Proof
from bridge.ways import choose, is_product

_UNLISTED_KEPT = 20_000
_JOINED_KEPT = 5_000
_PAGE = 500
_LISTED = ("rpps:", f"{MAIL}:", "idnps:", f"{FUNCTION}:")  # ids of whom a directory may list
_NOBODY = {
    Standing.ACTIVE: "unknown_sender", Standing.HELD: "account_held", Standing.REFUSED: "account_refused",
    Standing.REVOKED: "account_revoked", Standing.UNPROVEN: "account_unproven", Standing.UNLISTED: "product_not_listed",
}  # fmt: skip


class People:
    """The directory joined with the accounts declared by products; answers from memory or one directory call."""

    def __init__(
        self,
        directory: Directory,
        trusted: Callable[[str], bool],
        ghost: Callable[[str], str | None],
        networks: Served,
        lookups: Lookups | None = None,
    ) -> None:
        """``trusted`` says whether a Matrix server may take part; ``ghost`` gives the person id behind a ghost's MXID;
        ``networks`` are those that this hub serves; ``lookups`` counts what is searched.
        """
        self._lookups = lookups or Lookups()
        self.professional: Callable[[str], str | None] = lambda mxid: None
        """The RPPS number that a trusted Matrix user has by the federation's rule for their server, if there is one."""
        self.several: list[str] = []
        """Who was in several products already when the hub started (person ids)."""
        self._networks = networks
        self._directory = directory
        self._trusted = trusted
        self._ghost = ghost
        self.accounts = Accounts()
        self.gone = Gone()
        self.languages = Languages()
        self._handles = Handles(self, directory, trusted, ghost, networks)
        self._names: dict[str, str] = {}
        self._unlisted: Lru[str, Person] = Lru(_UNLISTED_KEPT)
        self._joined: Lru[str, tuple[Person, int, Person]] = Lru(_JOINED_KEPT)  # entry, changes of accounts, both

    async def start(self, db: Database, seal: Seal) -> None:
        """Load the declared accounts, the names of those outside the directory, and who left it, a page at a time."""
        await self._load(db, seal)
        await self.languages.start(db)
        async for page in pages(db, "store.names", ("",), ("person",)):
            for row in page:
                if (name := opened(seal, row["person"], row["name"])) is not None:
                    self.call(row["person"], name)
        async for page in pages(db, "claims.accounts", ("", ""), ("network", "id")):
            for row in page:
                await self._remember(row)
        self.several = [ident for ident in self.accounts.people() if len(self.accounts.networks(ident)) > 1]
        known = set(self.several)
        async for entries in self._pages():
            self.several += [p.id for p in entries if p.id not in known and self._is_in_several(p)]

    async def _load(self, db: Database, seal: Seal) -> None:
        async for page in pages(db, "following.gone", ("",), ("person",)):
            for row in page:
                self.gone.add(kept(seal, row["person"], row["entry"]))
        async for page in pages(db, "following.revocations", ("", "", ""), ("network", "id", "person")):
            for row in page:
                self.accounts.revoked.add(taken_back(row))

    async def _remember(self, row: Row) -> None:
        address = Address(intern(row["network"]), row["id"])
        standing = Standing.ACTIVE if row["state"] is None else Standing(row["state"])
        if standing is not Standing.ACTIVE and await self.proven(address, row["person"]):
            standing = Standing.ACTIVE
        self.accounts.remember(address, row["person"], row["declared_at"], standing, Proof(row["proof"]))

    async def _pages(self) -> AsyncIterator[Sequence[Person]]:
        """The directory's entries; others have their turn after each page."""
        async for entries in self._directory.everyone():
            yield entries
            await asyncio.sleep(0)

    def _is_in_several(self, entry: Person) -> bool:
        """Whether one product has declared somebody whom the directory, or another one, has elsewhere."""
        declared = self.accounts.networks(entry.id)
        return bool(declared) and len(declared | {a.network for a in entry.addresses if self._is_product(a)}) > 1

    async def shown(self) -> AsyncIterator[list[Person]]:
        """Everybody who may be found, page by page: all of the directory, and whoever has a declared account.

        Somebody may come twice.
        """
        async for entries in self._pages():
            yield await self.findable(p.id for p in entries)
        declared = iter(list(self.accounts.people()))
        while page := list(islice(declared, _PAGE)):
            yield await self.findable(page)
            await asyncio.sleep(0)

    async def findable(self, ids: Iterable[str]) -> list[Person]:
        """Those of these people (ids) who can be written to from Matrix."""
        people = [await self.get(ident) for ident in ids]
        return [p for p in people if p.active and any(a.network != MATRIX for a in p.addresses)]

    def follow(self, changed: Changed) -> None:
        """Hear of what changes in the directory; nothing does in one that is read once."""
        if isinstance(self._directory, Changing):
            self._directory.follow(changed)

    def shows_all(self) -> bool:
        """Whether everybody in the directory is shown, see :meth:`shown`."""
        return isinstance(self._directory, Changing) and self._directory.shows_all

    async def entry(self, person: str) -> Person | None:
        """What the directory itself says of a person id."""
        return await self._directory.person(person)

    def _is_product(self, address: Address) -> bool:
        return is_product(address) and address.network in self._networks

    async def proven(self, address: Address, person: str) -> bool:
        """Whether the directory itself lists just this address for just this person."""
        found = await self._directory.at(address)
        return found is not None and found.id == person

    def holds(self, person: str, address: Address) -> bool:
        """Whether an address may be used for this person: no product has said that it is somebody else's."""
        return self.accounts.holds(person, address)

    def _is_active(self, address: Address) -> bool:
        return self.accounts.standing(address) is Standing.ACTIVE

    async def get(self, person: str) -> Person:
        """A person by id; somebody who has left the directory is not active, and keeps the name that was known last."""
        if person.startswith(_LISTED):
            found = await self._directory.person(person)
            if found is None and not person.startswith("rpps:"):
                return self.gone.of(person) or self._unlisted_person(person)
            if found is None:
                return self.gone.of(person) or Person(person, person, listed=False)
            known, changes = self._joined.get(person), self.accounts.changes
            if known is not None and known[0] is found and known[1] == changes:
                return known[2]
            return self._joined.put(person, (found, changes, self._join(found)))[2]
        return self._unlisted_person(person)

    def _join(self, found: Person) -> Person:
        """An entry of the directory, with the addresses at which this person is reached."""
        declared = self.accounts.of(found.id)
        every = found.addresses + tuple(a for a in declared if a not in found.addresses)
        usable = tuple(a for a in every if a.network in self._networks and self.holds(found.id, a))
        return found if usable == found.addresses else replace(found, addresses=usable)

    def _unlisted_person(self, person: str) -> Person:
        known = self._unlisted.get(person)
        if known is None:
            network, _, ident = person.partition(":")
            name = self._names.get(person, ident)
            if network == MATRIX and name != ident:  # names are free there: the address says who it is
                name = f"{name} ({ident})"
            known = self._unlisted.put(person, Person(person, name, addresses=(Address(network, ident),), listed=False))
        return known

    def call(self, person: str, name: str) -> None:
        """How somebody who is in no directory calls themselves; already on disk."""
        self._names[person] = name
        self._unlisted.drop(person)

    def called(self, person: str) -> str | None:
        """The name that somebody in no directory has given last."""
        return self._names.get(person)

    async def who(self, address: Address) -> Person | None:
        """The person behind an address. Somebody of a trusted server or domain needs no directory entry."""
        person = await self.behind(address)
        return person if person is not None and person.active else None

    async def behind(self, address: Address) -> Person | None:
        """The same, also of whoever is closed in the directory, or has gone from it."""
        if address.network == "rpps":
            return await self._directory.person(str(address)) or self.gone.of(str(address))
        declared = self.accounts.person(address)
        if declared is not None:
            return await self.get(declared) if self._is_active(address) else None
        found = await self._directory.at(address) or self.gone.at(address)
        if found is not None:
            return None if self.accounts.revoked.of(address, found.id) else await self.get(found.id)
        if self.accounts.revoked.anybody(address):
            return None
        if address.network == MATRIX and self._ghost(address.id) is None and self._trusted(server_of(address.id)):
            return await self._on_matrix(address.id)
        if address.network != MATRIX and self._networks.vouched(address):
            return await self.get(str(address))
        return None

    async def _on_matrix(self, mxid: str) -> Person | None:
        """A user of a trusted server: the professional whose number the list's rule finds, else just this user.

        Whoever has a number that the directory does not know is nobody: it would be a professional that never was.
        """
        number = self.professional(mxid)
        if number is None:
            return await self.get(f"{MATRIX}:{mxid}")
        person = await self.get(f"rpps:{number}")
        return person if person.listed or self.gone.of(person.id) is not None else None

    async def identify(self, address: Address, field: str) -> Person:
        """Who speaks from an address. Raises Refused (unknown_sender, sender_inactive, account_…): ``field``."""
        person = await self.behind(address)
        if person is None:
            code = _NOBODY[self.accounts.standing(address)]
            revoked = code == "unknown_sender" and self.accounts.revoked.anybody(address)
            raise Refused("account_revoked" if revoked else code, field, about=str(address))
        if not person.active:
            raise Refused("sender_inactive", field, about=str(address))
        return person

    async def had(self, address: Address) -> Person | None:
        """Whose address of a product this was last said to be, be that believed or not."""
        declared = self.accounts.person(address)
        return await self._directory.at(address) if declared is None else await self.get(declared)

    def ghost_of(self, address: Address) -> str | None:
        """The person id behind one of our ghosts, or None."""
        return self._ghost(address.id) if address.network == MATRIX else None

    async def find(self, handle: str, origin: str, field: str, chats: Collection[str] = ()) -> Member:
        """The person that a handle names, and how to reach them from ``origin``; see :class:`Handles`."""
        return await self._handles.find(handle, origin, field, chats)

    async def next_way(self, person: str, origin: str) -> Address | None:
        """How somebody is reached whose way is gone; ``origin``: the one network of all others, empty for several."""
        known = await self.get(person)
        ways = [a for a in known.addresses if not self._handles.own(a)]
        if origin not in ("", MATRIX):  # the hub carries nothing from a network to itself
            ways = [a for a in ways if a.network != origin]
        return choose(ways, origin) or choose(ways, "")

    async def rpps(self, number: str) -> Person:
        """The directory's entry of an RPPS id. Raises Refused (bad_rpps, unknown_rpps, person_inactive)."""
        if not is_rpps(number):
            raise Refused("bad_rpps", "rpps")
        person = await self._directory.person(f"rpps:{number}")
        if person is None and self.gone.of(f"rpps:{number}") is None:
            raise Refused("unknown_rpps", "rpps")
        if person is None or not person.active:
            raise Refused("person_inactive", "rpps")
        return person

    async def search(
        self, query: str, limit: int, by: Address, narrowing: Narrowing = ALL, written_with: WrittenWith = nobody
    ) -> list[Person]:
        """Who is meant by a query, the likeliest first. The only way in for searches of people.

        ``by``: the user who asks, see :class:`bridge.people.lookups.Lookups`; ``written_with`` gives those with whom
        a person has written. Raises Refused (searched_too_fast, searched_enough).
        """
        self._lookups.take(by)
        me = await self.who(by) if by.id else None
        written = await written_with(me.id) if me is not None else ()
        asking = Asking(me.id if me is not None else None, written, self._reached)
        limit = min(limit, self._lookups.limits.answer)
        found = await self._directory.search(searched(query, narrowing), depth(narrowing, limit), asking)
        shown = a_page([await self.get(p.id) for p in found if p.active], narrowing, limit)
        self._lookups.shown(by, shown)
        return shown

    def _reached(self, entry: Entry) -> int:
        """2: in a product or on Matrix, 1: by mail, 0: not yet."""
        if any(address.network in self._networks for address in entry.accounts) or self.accounts.of(entry.id):
            return 2
        return 1 if entry.boxes and MAIL in self._networks else 0

    async def reachable(self, person: str) -> bool:
        """Whether this person id belongs to somebody who can be written to from Matrix."""
        return await self.unreachable(person) is None

    async def unreachable(self, person: str) -> str | None:
        """Why nobody can be written to from Matrix by this person id, a code of :mod:`bridge.words`; None: they can."""
        network, _, ident = person.partition(":")
        address = Address(network, ident)
        found = await self._directory.person(person) if network == "rpps" else None
        if self.gone.of(person) if found is None else not found.active:
            return "recipient_inactive"
        if self.accounts.of(person):
            return None
        if network == "rpps":
            if found is None:
                return "unknown_rpps"
            there = any(a.network in self._networks and a.network != MATRIX for a in found.addresses)
            return None if there else "not_reachable"
        if (
            self._networks.boxes is not None
            and self._handles.own(address)
            and self._networks.boxes.owner(ident) is not None
        ):
            return None  # the refusal says whom to invite
        if network != MATRIX and self._networks.vouched(address):
            return None
        if network != MAIL:
            return "not_reachable"
        return "mail_unknown_box" if self._handles.own(address) else "mail_domain_not_trusted"
