"""A product gives a user up: every conversation is left, the link taken back, and no more kept than a trace needs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from bridge.erasure import erase_account, erase_person
from bridge.errors import Refused
from bridge.hub.links import Links
from bridge.hub.lists import Lists
from bridge.model import MAIL, Address, Ref
from bridge.people.people import People
from bridge.people.revocations import Why
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note

log = logging.getLogger(__name__)
_PAGE = 50
Leave = Callable[[Ref, str, str, Address, Sequence[str], Sequence[Address]], Awaitable[str]]
Forget = Callable[[Address], Awaitable[None]]


class GivingUp:
    """``leave`` changes the members of a conversation, as for anybody who leaves by themselves.

    ``forget`` drops what an account has said that still waits for its target.
    """

    def __init__(
        self, store: Store, people: People, lists: Lists, links: Links, forget: Forget, leave: Leave
    ) -> None:  # fmt: skip
        self._store = store
        self._people = people
        self._lists = lists
        self._links = links
        self._forget = forget
        self._leave = leave

    async def end(self, account: Address, at: int) -> None:
        """See :meth:`bridge.receiver.Receiver.give_up`."""
        person = await self._people.had(account)
        if person is None:
            return
        place: str | None = ""
        while place is not None:
            found, place = await self._lists.conversations_of(account, place, _PAGE)
            for chat in found:
                await self._left(chat.conversation, chat.chat or chat.conversation, account, at)
        await self._links.take_back(account, person.id, account.network, Why.PRODUCT)
        await self._forget(account)
        chats = [a for a in (await self._people.get(person.id)).addresses if a not in (account,) and a.network != MAIL]
        async with self._store.db.transaction("hub.gave-up") as tx:
            await erase_account(tx, account, person.id)
            if not chats:
                await erase_person(tx, person.id)
            erased = TrailEntry(TrailKind.ERASURE, account.network, person.id, str(account), "account")
            await note(tx, erased, at)
        self._people.accounts.drop(account)
        if not chats:
            self._people.languages.forget(person.id)

    async def _left(self, conversation: str, chat: str, account: Address, at: int) -> None:
        """The name of the change is made of all that it is about: a repeat after a crash is the same one."""
        name = hashlib.sha256(f"{account}|{conversation}|{at}".encode()).hexdigest()[:32]
        try:
            await self._leave(Ref(account.network, f"end-{name}"), chat, account.network, account, [], [account])
        except Refused as refusal:  # the link is taken back all the same
            log.warning("%s could not leave %s: %s", account, conversation, refusal.code)
