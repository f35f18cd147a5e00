"""A person's client on mautrix-python: libolm, keys in a SQLite file, a device that its owner has signed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from mautrix.client import Client
from mautrix.client.encryption_manager import DecryptionDispatcher
from mautrix.client.state_store.asyncpg import PgStateStore
from mautrix.crypto import OlmMachine
from mautrix.crypto.store import PgCryptoStateStore, PgCryptoStore
from mautrix.errors import DecryptionError, MForbidden, SessionNotFound
from mautrix.types import (
    DeviceID,
    EncryptedEvent,
    Event,
    EventID,
    EventType,
    Membership,
    MemberStateEventContent,
    ReceiptEvent,
    RoomID,
    StateEvent,
    TextMessageEventContent,
    TrustState,
    TypingEvent,
    UserID,
)
from mautrix.types import MessageType as Msg
from mautrix.util.async_db import Database

from tests.peers.timeline import PATIENCE, STATUS, Shown, Timeline

_PRESSES = 20  # of the button that joins


class MautrixClient:
    """One device of one user. Started again on the same folder it is the same device with the same keys."""

    def __init__(self, url: str, user: str, folder: Path, *, once: bool = False) -> None:
        self._once = once
        self.timeline = Timeline()
        self._folder = folder
        self._stack = AsyncExitStack()
        self._client = Client(UserID(user), base_url=url)
        self._waiting: set[asyncio.Task[None]] = set()
        self._wire: dict[str, EncryptedEvent] = {}

    @classmethod
    async def start(
        cls, url: str, user: str, password: str, folder: Path, *, to_unsigned: bool = False, once: bool = False
    ) -> Self:
        """Log in with a new device that is signed, or go on with the device that the folder holds.

        ``to_unsigned``: it gives its keys to devices that their owner has not signed, too. ``once``: it looks at a
        message when the message comes, and never again, as nheko and Cinny do.
        """
        client = cls(url, user, folder, once=once)
        try:
            await client._begin(password, TrustState.UNVERIFIED if to_unsigned else TrustState.CROSS_SIGNED_TOFU)
        except BaseException:
            await client.stop()
            raise
        return client

    async def stop(self) -> None:
        """End it; the device and its keys stay in the folder."""
        self._client.stop()
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self._client.api.session.close()
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def user_id(self) -> str:
        """The person's Matrix id."""
        return str(self._client.mxid)

    @property
    def machine(self) -> OlmMachine:
        """The keys."""
        machine: OlmMachine | None = self._client.crypto
        assert machine is not None
        return machine

    async def _begin(self, password: str, trust: TrustState) -> None:
        database = await self._database()
        crypto, state = PgCryptoStore(self.user_id, "a pickle key", database), PgCryptoStateStore(database)
        self._client.state_store, self._client.sync_store = state, crypto
        machine = OlmMachine(self._client, crypto, state)
        machine.send_keys_min_trust = trust
        known = await crypto.get_device_id() or None  # "" for none
        await self._client.login(password=password, device_name="mautrix", device_id=DeviceID(known) if known else None)
        if known is None:
            await crypto.put_account(await _loaded(machine))
        await crypto.put_device_id(self._client.device_id)
        await machine.load()
        self._client.crypto = machine
        await machine.share_keys()
        if known is None:
            await machine.generate_recovery_key()
        self._listen()
        self._client.start(None)

    async def _database(self) -> Database:
        made = Database.create(f"sqlite:///{self._folder}/mautrix.db", upgrade_table=PgCryptoStore.upgrade_table)
        await made.start()
        self._stack.push_async_callback(made.stop)
        await PgStateStore.upgrade_table.upgrade(made)
        return made

    def _listen(self) -> None:
        client = self._client
        client.remove_dispatcher(DecryptionDispatcher)  # it drops a message whose key comes after it
        client.add_event_handler(EventType.ROOM_ENCRYPTED, self._encrypted)
        for type_ in (EventType.ROOM_MESSAGE, EventType.REACTION, EventType.STICKER):
            client.add_event_handler(type_, self._show)
        client.add_event_handler(EventType.find(STATUS), self._status)
        client.add_event_handler(EventType.ROOM_MEMBER, self._member)
        client.add_event_handler(EventType.RECEIPT, self._receipt)
        client.add_event_handler(EventType.TYPING, self._typing)

    # --- what comes

    async def _encrypted(self, event: EncryptedEvent) -> None:
        self._wire[event.event_id] = event
        try:
            await self._show(await self.machine.decrypt_megolm_event(event))
        except SessionNotFound as missing:
            self._unreadable(event, missing)
            if self._once:
                return
            task = asyncio.create_task(self._later(event))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        except DecryptionError as reason:
            self._unreadable(event, reason)

    def _unreadable(self, event: EncryptedEvent, reason: DecryptionError) -> None:
        shown = Shown(event.event_id, event.sender, "m.room.encrypted", failure=type(reason).__name__)
        self.timeline.show(event.room_id, shown)

    async def _later(self, event: EncryptedEvent) -> None:
        while not await self.machine.wait_for_session(event.room_id, event.content.session_id, timeout=1):
            pass
        await self._encrypted(event)

    async def _show(self, event: Event) -> None:
        content = event.content.serialize()
        trust = event["mautrix"]["trust_state"] if "mautrix" in event else None
        self.timeline.show(event.room_id, Shown.of(event.event_id, event.sender, str(event.type), content, trust))

    async def _status(self, event: Event) -> None:
        self.timeline.say(event.room_id, event.sender, event.content.serialize())

    async def _member(self, event: StateEvent) -> None:
        if event.state_key != self.user_id or not isinstance(event.content, MemberStateEventContent):
            return
        if event.content.membership == Membership.INVITE:
            self.timeline.invited(event.room_id)

    async def _receipt(self, event: ReceiptEvent) -> None:
        for event_id, kinds in event.content.items():
            for users in kinds.values():
                self.timeline.receipts[event.room_id].update(dict.fromkeys(users, event_id))
        self.timeline.changed()

    async def _typing(self, event: TypingEvent) -> None:
        self.timeline.typing[event.room_id] = set(event.content.user_ids)
        self.timeline.changed()

    async def signed(self, shown: Shown) -> None:
        """Wait until a message is shown as one of a device that its owner has signed.

        mautrix judges a message once. The keys of its owner may come after the device's: the client is asked again.
        """
        async with asyncio.timeout(PATIENCE):
            while shown.trust != str(TrustState.CROSS_SIGNED_TOFU):
                await asyncio.sleep(0.2)
                await self._encrypted(self._wire[shown.event_id])
                room = self._wire[shown.event_id].room_id
                shown = await self.timeline.event(room, shown.event_id)

    # --- what goes

    async def join(self) -> str:
        """Accept the invitation that comes next."""
        await self.timeline.until(lambda: self.timeline.invitations, "an invitation")
        room = self.timeline.invitations.pop(0)
        for again in reversed(range(_PRESSES)):  # an invitation can be here before the inviter's own server knows of it
            try:
                await self._client.join_room(RoomID(room), max_retries=0)  # its own pauses are 10 s and more
                break
            except MForbidden:
                if not again:
                    raise
            await asyncio.sleep(0.5)
        return room

    async def send(self, room: str, text: str, *, reply_to: str | None = None) -> str:
        """Write; encrypted where the room is."""
        content = TextMessageEventContent(msgtype=Msg.TEXT, body=text)
        if reply_to:
            content.set_reply(EventID(reply_to))
        return str(await self._client.send_message(RoomID(room), content))

    async def react(self, room: str, event_id: str, key: str) -> str:
        """React to a message."""
        return str(await self._client.react(RoomID(room), EventID(event_id), key))

    async def read(self, room: str, event_id: str) -> None:
        """Say that everything is read up to an event."""
        await self._client.send_receipt(RoomID(room), EventID(event_id))


async def _loaded(machine: OlmMachine) -> Any:
    await machine.load()
    return machine.account
