"""What a network may read through: its conversations, its users, what was said in a conversation; a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import orjson

from bridge.connector import Remembered
from bridge.db import Row
from bridge.errors import Refused
from bridge.hub.claims import Claims
from bridge.model import Account, Address, Kind, Person, RecipientState, State
from bridge.people.people import People
from bridge.receiver import Chat, PastMessage, PastWords
from bridge.served import Served
from bridge.store.conversation import partakes
from bridge.store.store import Store
from bridge.trail.entry import TrailEntry, TrailKind, note

_LAST = 2**62


class Lists:
    """See :class:`bridge.receiver.Browsing`."""

    def __init__(
        self, store: Store, people: People, claims: Claims, connectors: Served, clock: Callable[[], int]
    ) -> None:  # fmt: skip
        self._clock = clock
        self._connectors = connectors
        self._store = store
        self._people = people
        self._claims = claims

    async def conversations(self, network: str, after: str, limit: int) -> tuple[list[Chat], str | None]:
        """See :class:`bridge.receiver.Browsing`."""
        rows = await self._store.db.all("lists.chats", network, after, limit)
        found = [await self._chat(row) for row in rows]
        own = [chat for chat in found if any(member.address.network == network for member in chat.members)]
        return own, rows[-1]["chat"] if len(rows) == limit else None

    async def conversations_of(self, user: Address, after: str, limit: int) -> tuple[list[Chat], str | None]:
        """See :class:`bridge.receiver.Browsing`."""
        person = await self._people.who(user)
        if person is None:
            return [], None
        at, _, ident = after.partition(".")
        rows = await self._store.db.all("lists.chats_of", person.id, user.network, int(at or -1), ident, limit)
        found = [await self._chat(row) for row in rows]
        own = [chat for chat in found if any(member.address == user for member in chat.members)]
        last = rows[-1] if len(rows) == limit else None
        return own, None if last is None else f"{last['joined_at']}.{last['conversation']}"

    async def _chat(self, row: Row) -> Chat:
        whole = await self._store.conversation(row["conversation"])
        return Chat(row["conversation"], row["chat"], *whole.shown)

    async def users(self, network: str, after: str, limit: int) -> tuple[list[Account], str | None]:
        """See :class:`bridge.receiver.Browsing`."""
        rows = await self._store.db.all("lists.accounts", network, after, limit)
        found = [await self._claims.account(Address(network, row["id"])) for row in rows]
        return [one for one in found if one is not None], rows[-1]["id"] if len(rows) == limit else None

    async def history(
        self, conversation: str, reader: Address, before: str, limit: int
    ) -> tuple[list[PastWords], str | None]:
        """See :class:`bridge.receiver.Browsing`."""
        person = await self._people.identify(reader, "user")
        whole = await self._store.conversation(conversation)
        partakes(whole, person.id, reader, "user")
        member, row = whole.member(person.id), await self._store.db.one("lists.joined", conversation, person.id)
        if member is None or row is None:  # gone in the meantime
            raise Refused("not_a_member", "user")
        for network, chat in whole.legs.items():
            if chat is not None and (room := self._connectors.remembering(network)) is not None:
                since = row["joined_at"] if row["joined_at"] > row["created_at"] else 0  # the room may be older
                found, place = await room.past(chat, member, since, before, limit)
                given = TrailEntry(TrailKind.EXPORT, reader.network, conversation, person.id, "history")
                async with self._store.db.transaction("hub.history") as tx:
                    await note(tx, given, self._clock())
                return await self._remembered(network, reader, found), place
        raise Refused("no_history", "id")

    async def _remembered(self, where: str, reader: Address, found: Sequence[Remembered]) -> list[PastWords]:
        """With the names that the hub and the reader's network have for each; nothing of whom they have blocked."""
        names = {name for one in found for name in (one.name, one.about) if name is not None}
        rows = await self._store.db.all("lists.of_names", where, orjson.dumps(sorted(names)).decode())
        messages = {row["id"]: row["message"] for row in rows}
        ids = orjson.dumps(sorted(set(messages.values()))).decode()
        own = {row["message"]: row["id"] for row in await self._store.db.all("lists.names", reader.network, ids)}
        gone = {row["about"] for row in await self._store.db.all("lists.taken_back", ids)}
        said = []
        for one in found:
            message, about = messages.get(one.name), messages.get(one.about or "")
            target, removed = own.get(about or "", about), one.removed or message in gone
            shown = (None, target, (), True) if removed else (one.body, target, one.files, False)
            words = (one.kind, one.sent_at, *shown)
            speaker = await self._speaker(one.sender)
            if not self._people.accounts.blocks(reader, speaker.id):
                said.append(PastWords(message, own.get(message or ""), speaker, *words))
        return said

    async def _speaker(self, address: Address) -> Person:
        if (ghost := self._people.ghost_of(address)) is not None:
            return await self._people.get(ghost)
        return await self._people.behind(address) or await self._people.get(str(address))

    async def said(self, conversation: str, network: str, before: int | None, limit: int) -> list[PastMessage]:
        """See :class:`bridge.receiver.Browsing`."""
        rows = await self._store.db.all("lists.messages", conversation, before or _LAST, limit)
        ids = orjson.dumps([row["id"] for row in rows]).decode()
        names = {row["message"]: row["id"] for row in await self._store.db.all("lists.names", network, ids)}
        meant: dict[str, list[Row]] = defaultdict(list)
        for one in await self._store.db.all("lists.meant", ids):
            meant[one["message"]].append(one)
        return [await self._said(row, network, names.get(row["id"]), meant[row["id"]]) for row in rows]

    async def _said(self, row: Row, network: str, name: str | None, meant: Iterable[Row]) -> PastMessage:
        own = row["network"] == network
        seen = [one for one in meant if own or one["network"] == network]
        states = [
            RecipientState(await self._people.get(one["person"]), State(one["state"]), one["at"], one["reason"])
            for one in seen
        ]
        return PastMessage(
            row["id"], name, row["pos"], Kind(row["kind"]), await self._people.get(row["sender"]), row["sent_at"],
            row["accepted_at"], tuple(states), own, bool(own or seen),
        )  # fmt: skip
