"""Matrix as a network of the hub: every person is a user with a device, every conversation has a room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from appservice.arriving import queues as arriving
from appservice.arriving.again import Again
from appservice.arriving.echoes import Echoes
from appservice.arriving.ephemerals import Ephemerals
from appservice.arriving.gaps import Gaps
from appservice.arriving.heartbeat import Heartbeat
from appservice.arriving.inbox import Inbox
from appservice.arriving.incoming import Incoming
from appservice.arriving.missed_receipts import MissedReceipts
from appservice.arriving.missing_keys import Waiting
from appservice.arriving.reading import Reading
from appservice.arriving.receipts import Receipts
from appservice.arriving.transactions import ECHO, HEARTBEAT, Item, Transaction, Transactions
from appservice.arriving.web import Asked, Web
from appservice.client.edge import MatrixEdge
from appservice.client.events import Words
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import server_of
from appservice.e2ee import Callbacks, Engine, Policy
from appservice.finding.desk import HelpDesk
from appservice.finding.finder import Finder
from appservice.leaving.captions import Captions
from appservice.leaving.notices import Notices
from appservice.leaving.outbox import Outbox
from appservice.leaving.outgoing import Outgoing
from appservice.leaving.reports import Reports
from appservice.process.reception import Reception
from appservice.process.settings import MatrixSettings
from appservice.process.upkeep import Upkeep
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.membership import Membership
from appservice.rooms.newcomers import Newcomers
from appservice.rooms.past import Past
from appservice.rooms.ranks import rank
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room, RoomStore
from appservice.rooms.voice import Voice
from bridge.capabilities import MAX_TEXT
from bridge.connector import Capabilities, OwnQueue
from bridge.db import Component, Tx
from bridge.errors import Refused, Unavailable
from bridge.kinds import EVERYWHERE
from bridge.model import MATRIX, Address, Delivery, Handed, Kind, Member, Person, Ref, Report, Typing
from bridge.parts.endless import endless
from bridge.parts.tasks import Tasks
from bridge.ranks import Rank
from bridge.seal import Seal
from bridge.words import notice

COMPONENT = Component("matrix", Path(__file__).parents[1] / "sql")
log = logging.getLogger(__name__)
_VOICE_AGAIN = 10.0  # s between two tries to make the hub's voice


def carries(settings: MatrixSettings) -> Capabilities:
    """What a room shows."""
    return Capabilities(
        max_text=MAX_TEXT,
        echoes=True,
        names_chats=True,
        files=True,
        max_files=settings.max_files,
        kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION, Kind.POLL, Kind.VOTE, Kind.POLL_END, Kind.PICTURE},
        mentions=True,
        locations=True,
        stickers=True,
        voice=True,
    )


def _policy(settings: MatrixSettings, voice: str) -> Policy:
    return Policy(settings.receive_unsigned, settings.send_unsigned, settings.changed_identity, open_voice=voice)


class Matrix:
    """The connector."""

    network = MATRIX

    def __init__(self, settings: MatrixSettings, edge: MatrixEdge, seal: Seal) -> None:
        self._settings = settings
        self._edge = edge
        self.capabilities = carries(settings)
        self.names = names = edge.names
        db, homeserver, clock = edge.db, edge.homeserver, edge.clock
        self._db, self.homeserver = db, homeserver
        callbacks = Callbacks(self._keys, self._waits, self._settled, lambda user: edge.trusted(server_of(user)))
        self.engine = engine = Engine(
            db, seal, homeserver, names.is_ours, _policy(settings, names.voice), clock, callbacks
        )
        self.ghosts = ghosts = Ghosts(db, homeserver, names, engine, settings.warm_parallel)
        self.portray = ghosts.portray
        self.finder = Finder(edge, ghosts)
        self.store = store = RoomStore(db)
        newcomers = Newcomers(settings.settle_s, settings.join_wait_s, names.is_ours)
        version, forget = settings.room_version, engine.forget_invited
        waiting = Waiting(settings.key_wait_s, settings.key_request_s)
        self._rooms = rooms = Rooms(edge, ghosts, store, newcomers, self._tell, forget, version)
        self._outbox = outbox = Outbox(edge, engine, int(settings.resend_look_s * 1000))
        voice = Voice(edge, ghosts, rooms.doors)
        self._notices = notices = Notices(edge, engine, rooms, voice, outbox)
        self._membership = Membership(edge, ghosts, rooms, engine, voice, self._tell, self._newcomer)
        self.admit = self._membership.admit
        self.past = Past(edge, engine, store).read
        self._captions = captions = Captions(edge, outbox, seal)
        self._outgoing = Outgoing(edge, engine, ghosts, rooms, voice, outbox, captions)
        self._reception = Reception(edge, engine, rooms, store, self._outgoing.keyless)
        self._build_in(seal, notices, waiting)
        self._web: Web | None = None
        self._tasks = Tasks("matrix")
        self._rung: set[str] = set()
        self._ringing = False
        self._ready = False
        self._hindrance: Callable[[], str] = lambda: ""

    def _build_in(self, seal: Seal, notices: Notices, waiting: Waiting) -> None:
        """What takes events in; it stands on what sends."""
        edge, db, clock, settings = self._edge, self._db, self._edge.clock, self._settings
        engine, rooms, ghosts, outbox, names = self.engine, self._rooms, self.ghosts, self._outbox, self.names
        homeserver, store = edge.homeserver, self.store
        incoming = Incoming(edge, rooms)
        self._inbox = Inbox(db, seal, clock, self._work, self._parked, self._missing, engine.has_key)
        self._membership.calls((desk := HelpDesk(edge, ghosts, rooms, notices, self.finder)).called)
        self._reading = Reading(edge, engine, notices, waiting, incoming, self._inbox, desk)
        self._echoes = Echoes(edge, outbox, self._inbox)
        self._reports = Reports(edge, store, notices)
        remind_after = settings.park_notice_s
        cleaned = (outbox.clean, self._captions.clean, self._reports.clean)
        self._upkeep = Upkeep(engine, cleaned, self._inbox, self._reading, remind_after, clock)
        self._receipts = Receipts(edge, rooms)
        self._signs = Ephemerals(edge, self._receipts)
        self._missed = MissedReceipts(edge, rooms, engine.anchor, partial(self._signs.take, threads=True))
        self._transactions = Transactions(db, seal, names, clock, self._arrived, self._reload, self._echoes.settle_now)
        self._gaps = Gaps(db, homeserver, rooms, names.is_ours, self._transactions.no_news, engine)
        self.again = Again(self._inbox, self._gaps, rooms, self._membership)
        self._heartbeat = Heartbeat(homeserver, settings.id, self._back, settings.ping_s)

    async def _reload(self) -> None:
        """A commit whose answer was lost: the disk says what waits, and which echoes are settled."""
        await self._outbox.reload()
        await self._inbox.reload()

    # -- life ----------------------------------------------------------------------------------------------

    def routes(self, app: web.Application) -> None:
        """Add what the homeserver calls to an application."""
        self._web = Web(
            self._settings.read_hs_token(),
            self._transactions,
            Asked(self._exists, self.trouble, self._on_transaction, self._gaps.suspect, self._gaps.skipped),
            max_body=self._settings.max_body,
        )
        if self._ready:
            self._web.open()  # the edge may have started before its routes were asked for
        self._web.routes(app)

    def trouble(self) -> str:
        """Why nobody can be reached now, in English; empty if nothing is known that hinders."""
        if not self._ready:
            return "starting or stopping"
        if not self._db.working:
            return "the database fails"
        return self._heartbeat.lost or self._hindrance()

    def hindered(self, why: Callable[[], str]) -> None:
        """``why`` says what else keeps the hub from working (empty: nothing)."""
        self._hindrance = why

    async def start(self) -> None:
        """Load what an earlier life left and go on with it; an absent homeserver delays nothing."""
        await self.engine.start()
        await self.ghosts.start()
        await self._outbox.start()
        await self._transactions.start()
        await self._inbox.start()
        self._tasks.start(self._membership.meanwhile())
        for name, work in (
            ("signs", self._signs.run),
            ("sweep", self._upkeep.sweep),
            ("rounds", self.engine.rounds),
            ("afresh", self.engine.renew),
            ("reminders", self._upkeep.remind),
            ("heartbeat", self._heartbeat.run),
            ("gaps", partial(self._gaps.watch, self._inbox.look, self._missed.ask)),
            ("keys", self._upkeep.flush),
        ):
            self._tasks.start(endless(name, work))
        self._ready = True
        if self._web is not None:
            self._web.open()

    async def stop(self) -> None:
        """Stop at once; whatever is under way is on disk."""
        self._ready = False
        await self._tasks.stop()
        await self._inbox.stop()
        await self._membership.stop()
        await self.finder.stop()
        await self.ghosts.stop()
        await self.engine.close()

    async def show(self, people: Iterable[Person]) -> None:
        """Make these people's ghosts in the background: device and keys are there before anybody sees the address.

        Of a large directory only some: the others' are made when they are found. Whoever was struck off administers no
        room any more.
        """
        everybody = list(people)
        self.ghosts.warm(everybody, self._settings.prepare)
        for ghost in (self.names.of(person.id) for person in everybody if not person.active):
            if ghost is not None and self.ghosts.is_ready(ghost):
                self._tasks.start(self._rooms.doors.stewards.given_up(ghost))

    async def ranks(self, chat: str, members: Sequence[Member]) -> Mapping[str, Rank]:
        """See :class:`bridge.connector.Ranks`."""
        room, users = await self.store.get(chat), {m.person.id: self.names.member(m) for m in members}
        return {person: rank(room, user) for person, user in users.items() if user is not None and user in room.members}

    async def ready_to_answer(self) -> None:
        """Make the hub's voice before anybody writes to it, again and again while the homeserver does not."""
        while True:
            try:
                await self.ghosts.voice()
                await self._edge.media.learn()
            except (Unavailable, Refused) as reason:
                log.info("the hub's voice is not there yet: %s", reason)
                await asyncio.sleep(_VOICE_AGAIN)
            else:
                return

    async def queues(self, most: int) -> Sequence[OwnQueue]:
        """See :class:`bridge.connector.Queues`."""
        return await arriving.waiting(self._db, most, self._inbox.failing)

    async def inside(self, name: str) -> Sequence[OwnQueue]:
        """See :class:`bridge.connector.Inside`: an event that is still to be worked on."""
        return await arriving.inside(self._db, name, self._inbox.failing)

    @property
    def idle(self) -> bool:
        """Whether nothing that came in is being worked on."""
        return self._inbox.idle

    # -- in ------------------------------------------------------------------------------------------------

    def _arrived(self, items: list[Item]) -> None:
        """Room events that are new, on disk."""
        self._membership.expect(item.event for item in items if item.event is not None)
        self._inbox.add(items)

    def _on_transaction(self, transaction: Transaction) -> None:
        """After the answer: signs are handed on; key material is only a bell, /sync of the ghosts has the truth."""
        for event in transaction.events:
            if isinstance(event, dict) and event.get("type") == HEARTBEAT:
                self._heartbeat.arrived(event)
        self._receipts.note(transaction.events)
        self._signs.take(transaction.ephemeral)
        self.engine.note_counts(transaction.counts, transaction.fallback)
        if transaction.changed or transaction.left:
            self.engine.note_devices(transaction.changed, transaction.left)
        rung = {message.get("to_user_id") for message in transaction.to_device}
        self._rung |= {user for user in rung if isinstance(user, str) and self.names.is_ours(user)}
        if self._rung and not self._ringing:
            self._ringing = True
            self._tasks.start(self._ring())

    async def _ring(self) -> None:
        try:
            while self._rung:
                ghosts, self._rung = self._rung, set()
                await self.engine.ring(ghosts)
        except (Unavailable, Refused) as reason:
            log.info("inboxes could not be read: %s", reason)
        finally:
            self._ringing = False

    async def _work(self, item: Item, event: dict[str, Any]) -> None:
        if event["type"] == ECHO:
            await self._echoes.settle(item, event)
        elif isinstance(event.get("state_key"), str):
            await self._membership.state(event, lambda tx: self._inbox.done(tx, item))
        else:
            await self._reading.work(item, event)

    async def _parked(self, item: Item, event: dict[str, Any]) -> None:
        await self._reading.parked(item, event)

    def _newcomer(self, room: Room, event: dict[str, Any]) -> None:
        self._tasks.start(self._reception.welcome(room, event))

    def _keys(self, room: str, session: str) -> None:
        self._reading.keys(room, session)

    async def _waits(self, room: str, user: str) -> bool:
        return await self._reception.waits(room, user)

    async def _settled(self, room: str, user: str, lacks: bool) -> None:
        await self._outgoing.keyless.settled(room, user, lacks)

    async def _exists(self, mxid: str) -> bool:
        """Answer the homeserver's question; the ghost is registered before yes is said."""
        ident = self.names.person(mxid)
        if mxid == self.names.voice:
            await self.ghosts.register(mxid)
            return True
        if ident is None or await self._edge.unreachable(ident) is not None:
            return False
        if self.ghosts.is_ready(mxid):
            return True
        person = await self._edge.hub.facts.who(Address(*ident.split(":", 1)))
        if person is None or person.id != ident:  # a mailbox of somebody who has another ghost
            return False
        await self.ghosts.register(mxid)
        self.ghosts.warm([person])
        return True

    async def _tell(self, room: Room, key: str, code: str, user: str) -> bool:
        return await self._notices.notice(room, f"member:{key}", Words(notice(code, name=user), code)) is not None

    async def _missing(self, room: str, waiting: Callable[[], Mapping[str, Item]]) -> Sequence[Item]:
        """What was never pushed, on disk and placed before whatever is newer."""
        if not self._gaps.due(room):
            return ()
        mark = self._transactions.mark()
        history = await self._gaps.history(room, waiting())
        try:
            over = await self._gaps.over(room, history)
            taken = await self._gaps.as_taken(room, history, waiting())
            items = await self._transactions.insert(taken, mark, waiting, over)
        except BaseException:
            self._gaps.again(room)
            raise
        if items:
            self._gaps.found()
            log.warning("%d events of %s had not been pushed", len(items), room)
            await self.again.taken(room, items)
        return items

    async def _back(self) -> None:
        """The homeserver answers (again): read what came meanwhile, send what waits."""
        self._gaps.suspect()
        self._edge.hub.answered(MATRIX)
        await self.engine.flush()

    async def accept_identity(self, user: str, master: str) -> None:
        """A person has said that somebody's new encryption identity is right: what was kept goes out, and both know.

        Raises Refused, Unavailable.
        """
        known = await self.engine.identity(user)
        await self.engine.accept_identity(user, master)
        await self.engine.flush()
        person = await self._edge.hub.facts.who(Address(MATRIX, user))
        words = notice("identity_accepted", name=person.name if person else user)
        for room_id in sorted({*known.rooms, *self._notices.refused_in(user, "identity_changed")}):
            room = await self.store.get(room_id)
            key = f"identity:{room_id}:{user}:{master}"
            await self._notices.notice(room, key, Words(words, "identity_accepted"))

    # -- out -----------------------------------------------------------------------------------------------

    async def deliver(self, delivery: Delivery) -> Ref | Handed:
        """See :meth:`bridge.connector.Connector.deliver`."""
        return await self._outgoing.deliver(delivery)

    async def forget(self, tx: Tx, chat: str) -> None:
        """See :class:`bridge.connector.Forgets`."""
        await self.store.unbind(tx, chat)

    async def report(self, reports: Sequence[Report]) -> None:
        """See :meth:`bridge.connector.Connector.report`."""
        await self._reports.tell(reports)

    async def typing(self, typing: Typing) -> None:
        """See :meth:`bridge.connector.Connector.typing`."""
        ghost = self.names.of(typing.person.id)
        if ghost is None:
            return
        path = f"/_matrix/client/v3/rooms/{part(typing.chat)}/typing/{part(ghost)}"
        body = {"typing": True, "timeout": 30_000} if typing.typing else {"typing": False}
        try:
            await self._edge.homeserver.call("PUT", path, body, user=ghost)
        except (Unavailable, MatrixRefused) as reason:
            log.debug("a typing sign is lost: %s", reason)
