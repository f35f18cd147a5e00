"""From an event of a room to a message of the hub: decrypt, wait for keys, accept, or refuse where people see it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from appservice.arriving.inbox import Inbox
from appservice.arriving.incoming import Incoming
from appservice.arriving.missing_keys import MissingKeys, Waiting
from appservice.arriving.transactions import Item, is_encrypted
from appservice.client.edge import MatrixEdge
from appservice.client.event_kinds import POLLS
from appservice.client.events import Words
from appservice.client.names import server_of
from appservice.e2ee import Decrypted, Engine, KeyMissing, Undecryptable
from appservice.finding.desk import HelpDesk
from appservice.leaving.notices import Notices, failure
from appservice.leaving.reports import PENDING
from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.kinds import KINDS, not_carried
from bridge.model import MATRIX, Address, Body, Kind, Message, Ref
from bridge.parts.failpoint import failpoint
from bridge.parts.moments import LONG_AGO, credible
from bridge.receiver import Within
from bridge.words import ABOUT_A_FILE, notice, speaking

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CODES = {
    "unsigned_device": "unsigned_device",
    "unknown_device": "unsigned_device",
    "identity_changed": "identity_changed",
}
_JUDGED = 600.0  # s in which an unsigned device is not waited for again


class Reading:
    """Settles one message of a room at a time."""

    def __init__(
        self,
        edge: MatrixEdge,
        engine: Engine,
        notices: Notices,
        waiting: Waiting,
        incoming: Incoming,
        inbox: Inbox,
        desk: HelpDesk,
    ) -> None:
        self.hub = edge.hub
        self.inbox = inbox
        self._db = edge.db
        self._names = edge.names
        self._clock = edge.clock
        self._trusted = edge.trusted
        self._engine = engine
        self._rooms = incoming.rooms
        self._notices = notices
        self._waiting = waiting
        self._incoming = incoming
        self._desk = desk
        self._missing = MissingKeys(engine, incoming.rooms, edge.names.voice, waiting, inbox, edge.clock)
        self._judged: dict[str, float] = {}  # people whose device was found wanting, and when (s)

    async def work(self, item: Item, event: Json) -> None:
        """Settle one event that is neither state nor our own. Raises Parked, Unavailable."""
        if self._names.is_ours(event["sender"]):
            await self._done(item)
        elif is_encrypted(event):
            await self._encrypted(item, event)
        else:
            await self._clear(item, event)

    async def _done(self, item: Item, decrypted: Decrypted | None = None, also: Within | None = None) -> None:
        async with self._db.transaction("matrix.done") as tx:
            if decrypted is not None:
                await decrypted.seen(tx)
            if also is not None:
                await also(tx)
            await self.inbox.done(tx, item)

    # -- messages ------------------------------------------------------------------------------------------

    async def _clear(self, item: Item, event: Json) -> None:
        kind = event["type"]
        if kind == "m.room.message" and event["content"].get("msgtype") == "m.key.verification.request":
            await self._verification(item, event)
        elif kind == "m.room.message" and (ended := await self._desk.asked(event, kind, event["content"])) is not None:
            await self._done(item, also=ended)
        elif kind in ("m.room.message", "m.sticker", "m.room.encrypted") or kind in POLLS:
            await self._refuse(item, event, "not_encrypted")
        elif kind == "m.reaction":
            await self._react(item, event, event["content"])
        elif kind == "m.room.redaction" and (parked := self._unread(event)) is not None:
            await self._never_read(item, parked)
        elif kind == "m.room.redaction" and (target := await self._carried(event)) is not None:
            await self._removal(item, event, *target)
        else:
            await self._done(item)

    async def _verification(self, item: Item, event: Json) -> None:
        """Nobody is there to compare anything with: ended at once, in words.

        Specification, "Key verification framework": requests in rooms are in clear, and cancelled by their receiver.
        """
        await self._notices.cancelled(item.room, event)
        await self._done(item)

    async def _removal(self, item: Item, event: Json, target: Ref, kind: Kind, moderated: bool) -> None:
        """Somebody takes a message back: told to those legs that can, refused in words if there is none.

        Of a reaction that is no news for anybody, as the reaction itself. ``moderated``: it is another one's.
        """
        ref, sender = Ref(MATRIX, event["event_id"]), Address(MATRIX, event["sender"])
        now = self._clock()
        sent_at = credible(event.get("origin_server_ts"), now, now - LONG_AGO)

        async def within(tx: Tx) -> None:
            await self.inbox.done(tx, item)

        message = Message(
            ref, event["room_id"], sender, Kind.REMOVAL, Body(), sent_at, reply_to=target, moderated=moderated
        )
        try:
            await self.hub.accept(message, within)
        except Refused as refusal:
            if not KINDS[kind].recipients:
                log.debug("the removal %s of a reaction is not carried: %s", item.event_id, refusal.code)
                await self._done(item)
            else:
                await self._refuse(item, event, refusal.code)

    def _unread(self, event: Json) -> Item | None:
        """What somebody takes back before it could be read."""
        parked = self.inbox.waiting_for_key(event["room_id"], str(_redacts(event)))
        return parked if parked is not None and parked.sender == event["sender"] else None

    async def _never_read(self, item: Item, parked: Item) -> None:
        """Its key may come later: nobody is given it then."""

        async def also(tx: Tx) -> None:
            await self.inbox.done(tx, parked)

        await self._done(item, also=also)
        self.inbox.withdraw(parked)

    async def _carried(self, event: Json) -> tuple[Ref, Kind, bool] | None:
        """What a redaction is about, if others have it: a message with recipients, or a sign, which has none.

        True: it is another one's, and taken out by somebody whom the room lets do that.
        """
        target = _redacts(event)
        if not isinstance(target, str):
            return None
        ref, sender = Ref(MATRIX, target), event["sender"]
        status = await self.hub.facts.status(ref)
        if status is not None and status.sender.id == sender:
            told = status.states or not KINDS[status.kind].recipients
            return (ref, status.kind, False) if told else None
        kind = await self.hub.facts.kind(ref)
        if kind is None or not (KINDS[kind].said or (KINDS[kind].about and not KINDS[kind].corrects)):
            return None
        room = await self._rooms.store.get(event["room_id"])
        return (ref, kind, True) if room.may(sender, "redact") else None

    async def _encrypted(self, item: Item, event: Json) -> None:
        room, sender = event["room_id"], event["sender"]
        try:
            decrypted = await self._signed(item, event)
        except Undecryptable as never:
            log.info("%s from %s is not read: %s", item.event_id, sender, never.code)
            await self._refuse(item, event, _CODES.get(never.code, "undecryptable"))
            return
        if item.parked_at is not None:
            await self._quietly(room, item.event_id, "PENDING")
        if (ended := await self._desk.asked(event, decrypted.type, decrypted.content)) is not None:
            await self._done(item, decrypted, ended)
            return
        try:
            if decrypted.type == "m.reaction":
                await self._react(item, event, decrypted.content, decrypted)
            else:
                message = await self._incoming.message(event, decrypted.type, decrypted.content)
                if message is not None and message.kind is Kind.CALL:
                    await self._called(item, event, decrypted)
                await self._accept(item, message, decrypted)
        except Refused as refusal:
            log.info("%s is refused: %s", item.event_id, refusal.code)
            about = refusal.about if refusal.code in ABOUT_A_FILE else ""
            await self._refuse(item, event, refusal.code, decrypted, about=about)

    async def _called(self, item: Item, event: Json, decrypted: Decrypted) -> None:
        """It rings: ended first, then its writer reads why. The others hear that somebody called."""
        await self._notices.hung_up(item.room, item.event_id, decrypted.type, decrypted.content)
        await self._notices.failed(item.room, item.event_id, "call_not_carried", event["sender"])

    async def _accept(self, item: Item, message: Message | None, decrypted: Decrypted | None) -> None:
        """Hand a message to the hub; the event is done in the same transaction. Raises Refused."""
        if message is None:
            await self._done(item, decrypted)
            return
        if await self._about_nothing(message):
            raise Refused(not_carried(message.kind))

        async def within(tx: Tx) -> None:
            if decrypted is not None:
                await decrypted.first(tx)
            await settled(tx)

        async def again(tx: Tx) -> None:
            if decrypted is not None:
                await decrypted.seen(tx)
            await settled(tx)

        async def settled(tx: Tx) -> None:
            if item.parked_at is not None:
                await tx.run("matrix.tell", item.event_id, PENDING, item.parked_at)
            await self.inbox.done(tx, item)

        failpoint("matrix.before-accept")
        await self.hub.accept(message, within, again)
        failpoint("matrix.after-accept")

    async def _about_nothing(self, message: Message) -> bool:
        """Whether what the message is about never comes: a room shows it first, though it may not be read yet."""
        about, facts = message.reply_to, self.hub.facts
        if not KINDS[message.kind].about or about is None or self.inbox.waiting_for_key(message.chat, about.id):
            return False
        return await facts.kind(about) is None and not await facts.unnamed(MATRIX, message.chat)

    async def _react(self, item: Item, event: Json, content: Json, decrypted: Decrypted | None = None) -> None:
        """That reactions are not carried is said once for each writer and room: for each of them it would be noise."""
        message = await self._incoming.reaction(event, content, self.inbox.waiting_for_key)
        if message is not None:
            await self._unheard(item, message)
        try:
            await self._accept(item, message, decrypted)
        except Refused as refusal:
            log.debug("the reaction %s is not carried: %s", item.event_id, refusal.code)
            await self._done(item, decrypted)

    async def _unheard(self, item: Item, message: Message) -> None:
        """Whoever answers somebody by a sign learns where nobody sees it: each leg that cannot carry it is named."""
        room, writer, about = await self._rooms.store.get(item.room), message.sender.id, message.reply_to
        if writer in room.facts.unheard or about is None or await self.hub.facts.kind(about) is Kind.NOTICE:
            return
        if not await self._of_the_conversation(message):
            return
        if where := await self.hub.facts.unable(message):
            with speaking(await self.hub.facts.language(message.sender)):
                told = notice("reactions_unheard", name=", ".join(where))
            words = Words(told, "reactions_unheard", message.ref.id, writer)
            if await self._notices.notice(room, f"unheard:{item.room}:{writer}", words) is not None:
                room.facts.unheard.append(writer)
                await self._rooms.store.write(room)

    async def _of_the_conversation(self, message: Message) -> bool:
        chat = await self.hub.facts.chat(MATRIX, message.chat)
        return chat is not None and any(member.address == message.sender for member in chat.members)

    async def _refuse(
        self, item: Item, event: Json, code: str, decrypted: Decrypted | None = None, *, about: str = ""
    ) -> None:
        """It will not be carried: said where its sender sees it, then done. No notice is answered by a notice."""
        content = event["content"] if decrypted is None else decrypted.content
        code = code if self._trusted(server_of(event["sender"])) else "untrusted_server"
        automatic = content.get("msgtype") == "m.notice"
        await self._notices.failed(item.room, item.event_id, code, event["sender"], words=not automatic, about=about)
        await self._done(item, decrypted)

    # -- keys ----------------------------------------------------------------------------------------------

    async def _signed(self, item: Item, event: Json) -> Decrypted:
        """Decrypt; a device whose owner's signature is still on its way (federation is slow) gets some time, once."""
        sender, now = event["sender"], asyncio.get_running_loop().time()
        deadline = now + self._waiting.patience
        pause = 0.25
        while True:
            try:
                return await self._decrypt(item, event)
            except Undecryptable as never:
                late = now + pause > deadline or self._judged.get(sender, -_JUDGED) > now - _JUDGED
                if never.code not in ("unsigned_device", "unknown_device") or late:
                    if len(self._judged) > 10_000:
                        self._judged.clear()
                    self._judged[sender] = now
                    raise
            await asyncio.sleep(pause)
            pause, now = min(pause * 2, 2.0), asyncio.get_running_loop().time()
            self._engine.note_devices([sender], [])

    async def _decrypt(self, item: Item, event: Json) -> Decrypted:
        room, sender, content = event["room_id"], event["sender"], event["content"]
        try:
            return await self._engine.decrypt(room, sender, item.event_id, content)
        except KeyMissing as missing:
            return await self._missing.wait(item, sender, content, missing.session_id)

    def keys(self, room: str, session: str) -> None:
        """A session (or the reason why there is none) has come."""
        self._waiting.ring(room, session)
        self.inbox.unpark(room, session)

    async def parked(self, item: Item, event: Json) -> None:
        """Clients that know statuses show at once that a message waits."""
        await self._quietly(item.room, item.event_id, "FAIL_RETRIABLE", **failure("waiting_for_key"))

    async def ask_again(self, item: Item) -> bool:
        """Ask once more for the key of a message that waits; False: it is not time. Raises Unavailable."""
        return await self._missing.again(item)

    async def remind(self, item: Item) -> None:
        """It waits for long: said once for each sender's session, in words."""
        room = await self._rooms.store.get(item.room)
        key = f"waiting:{item.room}:{item.sender}:{item.session}"
        with speaking(await self.hub.facts.language(Address(MATRIX, item.sender or ""))):
            told = notice("waiting_for_key_again" if item.again else "waiting_for_key")
            words = Words(told, "waiting_for_key", item.event_id, item.sender)
        if await self._notices.notice(room, key, words) is not None:
            async with self._db.transaction("matrix.reminded") as tx:
                await tx.run("matrix.park_told", item.stream)
            item.told = True

    async def _quietly(self, room_id: str, event_id: str, status: str, **more: Any) -> None:
        try:
            await self._notices.status(await self._rooms.store.get(room_id), event_id, status, **more)
        except Unavailable as reason:
            log.info("a status for %s could not be posted: %s", event_id, reason.code)


def _redacts(event: Json) -> object:
    """The event that a redaction is about; where it stands depends on the room's version."""
    return event["content"].get("redacts") or event.get("redacts")
