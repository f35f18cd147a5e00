"""The handles by which people are named, and the address at which whoever is named is reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from bridge.errors import Refused
from bridge.model import MAIL, MATRIX, Address, Member, Person
from bridge.people.directory import Directory
from bridge.people.gone import Gone
from bridge.people.trust import is_mxid, is_rpps, server_of
from bridge.served import Served
from bridge.ways import choose


class Known(Protocol):
    """What is asked of :class:`bridge.people.people.People`."""

    @property
    def gone(self) -> Gone:
        """Who has left the directory."""

    def get(self, person: str) -> Awaitable[Person]:
        """Somebody by the id."""

    def behind(self, address: Address) -> Awaitable[Person | None]:
        """Who is reached at an address, active or not."""


class Handles:
    """``find`` gives the person that a handle names."""

    def __init__(
        self, people: Known, directory: Directory, trusted: Callable[[str], bool],
        ghost: Callable[[str], str | None], networks: Served,
    ) -> None:  # fmt: skip
        self._people = people
        self._directory = directory
        self._trusted = trusted
        self._ghost = ghost
        self._networks = networks

    def own(self, address: Address) -> bool:
        """Whether it is a mailbox of the hub's own domains."""
        return self._networks.boxes is not None and address.network == MAIL and self._networks.boxes.ours(address.id)

    async def find(self, handle: str, origin: str, field: str, chats: Collection[str] = ()) -> Member:
        """The person that a handle names, and how to reach them from ``origin`` (a network).

        Handles: ``rpps:<11 digits>``, ``matrix:@user:server``, ``mailto:box@domain``, ``<network>:<id>``.
        ``chats``: what networks call the conversation, if there is one. Raises Refused (bad_handle, unknown_recipient,
        recipient_inactive, unknown_network, not_reachable, same_network, untrusted_server, mail_…): names ``field``.
        """
        kind, _, rest = handle.partition(":")
        if not kind or not rest:
            raise Refused("bad_handle", field)
        if kind == "rpps":
            if not is_rpps(rest):
                raise Refused("bad_handle", field)
            return await self._reach(f"rpps:{rest}", origin, field)
        box = self._box(handle)
        if box is not None and self.own(box):
            return await self._holder(box, origin, field, chats)
        if kind == "mailto":
            return await self._mailbox(Address(MAIL, rest.lower()), origin, field)
        if kind == MATRIX:
            return await self._matrix(rest, origin, field)
        return await self._account(box or Address(kind, rest), field)

    def _box(self, handle: str) -> Address | None:
        """The mailbox that a handle names, be it as the ghost of that mailbox."""
        kind, _, rest = handle.partition(":")
        if kind == MATRIX:
            kind, _, rest = (self._ghost(rest) or "").partition(":")
        return Address(MAIL, rest.lower()) if kind in ("mailto", MAIL) else None

    async def _holder(self, box: Address, origin: str, field: str, chats: Collection[str]) -> Member:
        """Who has a mailbox of ours is meant themselves, as if named by their number or their Matrix account."""
        assert self._networks.boxes is not None
        if (person := self._networks.boxes.owner(box.id)) is not None:
            return await self.find(person, origin, field)
        if (code := self._networks.boxes.closed(box.id, chats)) is None:
            return await self._account(box, field)
        if (listed := await self._directory.at(box)) is not None:
            return await self._reach(listed.id, origin, field)
        raise Refused(code, field)

    async def _mailbox(self, box: Address, origin: str, field: str) -> Member:
        """Who is named by a mailbox is written to there; where mail is not served, wherever they can be reached."""
        if box.network in self._networks and origin != box.network:
            return await self._account(box, field)
        person = await self._directory.at(box)
        if person is None:
            raise Refused("unknown_recipient", field)
        return await self._reach(person.id, origin, field)

    async def _matrix(self, mxid: str, origin: str, field: str) -> Member:
        if not mxid.startswith("@") or ":" not in mxid:
            raise Refused("bad_handle", field)
        person = self._ghost(mxid)
        if person is None and origin != MATRIX and not self._may_exist(mxid):  # whom Matrix itself names is there
            raise Refused("bad_handle", field)
        if person is not None:
            return await self._reach(person, origin, field)
        if not self._trusted(server_of(mxid)):
            raise Refused("untrusted_server", field)
        return await self._account(Address(MATRIX, mxid), field)

    def _may_exist(self, mxid: str) -> bool:
        """Whether this can be somebody's id and does not only look like a ghost's."""
        return is_mxid(mxid) and self._ghost(mxid.lower()) is None

    async def _account(self, address: Address, field: str) -> Member:
        if address.network not in self._networks:
            raise Refused("unknown_network", field)
        person = await self._people.behind(address)
        if person is None:
            raise Refused("mail_domain_not_trusted" if address.network == MAIL else "unknown_recipient", field)
        if not person.active:
            raise Refused("recipient_inactive", field)
        return Member(person, address)

    async def _reach(self, person: str, origin: str, field: str) -> Member:
        known = await self._people.get(person)
        if not known.active and (known.listed or self._people.gone.of(person)):
            raise Refused("recipient_inactive", field)
        if not known.listed and not any(self._networks.vouched(address) for address in known.addresses):
            raise Refused("unknown_recipient", field)
        address = choose([a for a in known.addresses if not self.own(a)], origin)
        if address is None:
            raise Refused("not_reachable", field)
        if address.network == origin == MAIL:  # in a product they may be one of several
            raise Refused("same_network", field)
        return Member(known, address)
