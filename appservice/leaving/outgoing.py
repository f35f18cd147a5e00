"""A delivery of the hub becomes events of its room: the text, then one event for each file; a reaction is one event.

A text with one picture is one event. Each event has a key of its own (``<delivery>``, ``<delivery>/1``, …), so that it
is sent exactly once. All files are uploaded before anything is said: what the homeserver does not take is
refused whole.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appservice.client.edge import MatrixEdge
from appservice.client.event_kinds import to_event, to_mentions, to_named
from appservice.client.events import link, to_content, to_naming, to_reaction
from appservice.client.file_events import to_file
from appservice.client.homeserver import MatrixRefused, part
from appservice.client.names import server_of, txn_id
from appservice.e2ee import Engine
from appservice.leaving.captions import SUFFIX, Captions
from appservice.leaving.first_words import FirstWords
from appservice.leaving.keyless import Keyless
from appservice.leaving.outbox import EventToSend, NotInRoom, Outbox, translate
from appservice.rooms.features import Features
from appservice.rooms.ghosts import Ghosts
from appservice.rooms.membership import arrived
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from appservice.rooms.voice import Voice
from bridge.errors import Refused, Unavailable
from bridge.kinds import KINDS, not_carried
from bridge.model import MATRIX, Address, Delivery, File, Handed, Kind, Ref
from bridge.parts.failpoint import failpoint

Json = dict[str, Any]
log = logging.getLogger(__name__)


class Outgoing:
    """``deliver`` is the connector's. ``hub`` is set when the connector starts."""

    def __init__(
        self,
        edge: MatrixEdge,
        engine: Engine,
        ghosts: Ghosts,
        rooms: Rooms,
        voice: Voice,
        outbox: Outbox,
        captions: Captions,
    ) -> None:
        self.hub = edge.hub
        self._homeserver = edge.homeserver
        self._names = edge.names
        self._engine = engine
        self._ghosts = ghosts
        self._rooms = rooms
        self._newcomers = rooms.newcomers
        self._voice = voice
        self._outbox = outbox
        self._captions = captions
        self._media = edge.media
        self._features = Features(edge, voice, rooms.store)
        self._first = FirstWords(edge, rooms, outbox)
        self._acts = {
            Kind.NAME: self._renamed, Kind.PICTURE: self._pictured, Kind.REACTION: self._reaction,
            Kind.REMOVAL: self._removal,
        }  # fmt: skip
        self.keyless = Keyless(edge, engine, rooms.store)

    async def deliver(self, delivery: Delivery) -> Ref | Handed:
        """See :meth:`bridge.connector.Connector.deliver`; gives the text's event, without a text the first file's."""
        if KINDS[delivery.kind].about and delivery.reply_to is None:
            raise Refused(not_carried(delivery.kind))  # the room has not seen what it is about
        keys = letter_keys(delivery, captioned=self._captions.fits(delivery))
        sent = [self._outbox.sent(key) for key in keys]
        if sent[0] is not None and all(sent):
            room = await self._rooms.store.get(self._outbox.room_of(keys[0]))
            return await self._handed(room, delivery, sent[0], self._names.of(delivery.sender.id) or "", {})
        room = await self._rooms.of(delivery)
        await self._features.show(room, delivery)
        if delivery.kind is Kind.MEMBERS:
            await self.hub.sequenced(delivery.message)  # it has its place; no event of ours tells it
            return Ref(MATRIX, f"members:{delivery.id}")
        ghost = await self._ghosts.ensure(delivery.sender)
        if (act := self._acts.get(delivery.kind)) is not None:
            return await act(room, ghost, delivery)
        await self._first.wait(room, delivery, keys[0])
        if delivery.body.system:  # about this person, and not said by them
            ghost = await self._voice.speaker(room) or ghost
        exits = {user: room.exits.get(user) for user in self._rooms.invited(room, delivery).values()}
        gone = await self._gone(room, delivery)

        def apart() -> frozenset[str]:
            return gone | _exited(room, exits)

        asked = await self._asked(room, ghost, await self._linked(delivery, ghost), keys)
        if delivery.named == delivery.message and delivery.name is not None and delivery.name.about_patient:
            asked.insert(0, EventToSend(f"{delivery.id}/name", ghost, to_naming(delivery.name, kept=False)))
        if gone or exits:
            asked = [replace(one, apart=apart) for one in asked]
        await self._newcomers.before(room, ghost)
        events = {one.key: await self._send(room, one) for one in asked}
        await self._voice.brought(room, ghost)  # a room from before there was one; who speaks counts as having read
        return await self._handed(room, delivery, events[keys[0]], ghost, exits)

    async def _handed(
        self, room: Room, delivery: Delivery, event: str, ghost: str, exits: Mapping[str, int | None]
    ) -> Ref | Handed:
        """``exits``: who was invited when this began to be said, and how often each had gone before."""
        declined = await self._declined(room, delivery, exits)
        without = self._rooms.without(room, delivery) | dict.fromkeys(declined, "not_joined")
        invited = {p: user for p, user in self._rooms.invited(room, delivery).items() if p not in declined}
        if room.facts.history == "joined":  # their server never shows them what was said before they came
            without, invited = without | dict.fromkeys(invited, "not_joined"), {}
        people = [m for m in delivery.recipients if m.person.id not in declined]
        present = {m.address.id: m.person.id for m in people if room.membership(m.address.id) == "join"}
        keyless = await self.keyless.why(room, ghost, present)
        if not without and not invited and not keyless:
            return Ref(MATRIX, event)
        waiting: dict[str, str | None] = dict.fromkeys(invited)
        waiting |= {present[user]: why for user, why in keyless.items()}

        async def noted() -> None:
            """Who came, went or got the key while the hub noted that it waits for them, was told of too early."""
            for user in (*invited.values(), *keyless):
                if room.membership(user) != "invite":
                    await arrived(self.hub, self._engine, room, user)
                if room.membership(user) == "join":
                    await self.hub.signs.came(MATRIX, room.room_id, Address(MATRIX, user))
            for user, why in (dict.fromkeys(invited.values()) | keyless).items():
                await self.keyless.noted(room, user, why)

        return Handed(Ref(MATRIX, event), without, waiting, noted if waiting else None)

    async def _declined(self, room: Room, delivery: Delivery, exits: Mapping[str, int | None]) -> set[str]:
        """Who declined while this was said (person ids). Its key is not for them, also if they are invited anew."""
        gone = _exited(room, exits)
        for user in gone:
            await self._engine.forget_invited(room.room_id, user)
        return {m.person.id for m in delivery.recipients if m.address.id in gone}

    async def _gone(self, room: Room, delivery: Delivery) -> frozenset[str]:
        """Who was told not to get this, or left before it: it is not for them, though they be here again."""
        found = set()
        for user in room.members if delivery.gone else ():
            person = await self.hub.facts.who(Address(MATRIX, user)) if not self._names.is_ours(user) else None
            if person is not None and person.id in delivery.gone:
                found.add(user)
        return frozenset(found)

    async def _linked(self, delivery: Delivery, ghost: str) -> Delivery:
        """Whoever is in both rooms finds the way back; for all others the link leads nowhere."""
        earlier = await self.hub.facts.cited(delivery.continues) if delivery.continues else None
        if delivery.continues is None or earlier is None or earlier.chat is None:
            return delivery
        return replace(delivery, body=link(delivery.body, earlier.chat, delivery.continues.id, server_of(ghost)))

    async def _asked(self, room: Room, ghost: str, delivery: Delivery, keys: list[str]) -> list[EventToSend]:
        """What to send. What is encrypted already is only repeated, hence needs neither upload nor content."""
        asked, rest = [], list(keys)
        if len(keys) > len(delivery.body.files):  # there is a text
            asked.append(await self._text(rest.pop(0), ghost, delivery))
        for key, file in zip(rest, delivery.body.files, strict=True):
            content = {}
            if not self._outbox.holds(key, room, ghost):
                opened = await self._media.upload(key, ghost, file)
                small = await self._small(key, ghost, file)
                content = to_file(file, opened, delivery, first=key == keys[0], small=small)
                if key.endswith(SUFFIX):
                    content = await self._captions.captioned(key, content, self._called(to_content(delivery), delivery))
            kind = "m.room.message" if "msgtype" in content else "m.sticker"
            asked.append(EventToSend(key, ghost, content, delivery.message, kind))
        return asked

    def _called(self, content: Json, delivery: Delivery) -> Json:
        return to_named(content, to_mentions(delivery, self._names.member))

    async def _text(self, key: str, ghost: str, delivery: Delivery) -> EventToSend:
        """What is said, and whom it calls."""
        if (poll := to_event(delivery)) is not None:
            kind, content = poll
            return EventToSend(key, ghost, content, delivery.message, kind)
        content = await self._captions.edit(delivery) if delivery.kind is Kind.EDIT else to_content(delivery)
        return EventToSend(key, ghost, self._called(content, delivery), delivery.message)

    async def _small(self, key: str, ghost: str, file: File) -> Json | None:
        return None if file.thumbnail is None else await self._media.upload(f"{key}/small", ghost, file.thumbnail)

    async def _send(self, room: Room, one: EventToSend) -> str:
        try:
            event = await self._outbox.send(room, one)
        except NotInRoom:
            await self._repair(room, one.ghost)
            try:
                event = await self._outbox.send(room, one)
            except NotInRoom as still:
                raise _unsaid(room, one.ghost, "m.room.encrypted") from still
        self._media.left(one.key)
        self._media.left(f"{one.key}/small")
        return event

    async def _repair(self, room: Room, ghost: str) -> None:
        """The homeserver refuses a send: see what the room is like now, come back if somebody can let us in."""
        others = [g for g in self._rooms.doors.ghosts_in(room) if g != ghost]
        if not await self._rooms.doors.reload_as(room, (ghost, *others)):
            for witness in (ghost, *others):
                room.set_member(witness, "leave")
            raise Refused("not_in_room", about=room.room_id)
        if room.facts.successor is not None:
            raise Unavailable("room_upgraded", alone=True)
        if room.membership(ghost) != "join":
            if not await self._rooms.bringing.may_return(room, ghost):
                raise Refused("not_a_member", about=room.room_id)
            await self._rooms.doors.invite(room, ghost)
            await self._rooms.doors.join(room, ghost)

    async def _renamed(self, room: Room, ghost: str, delivery: Delivery) -> Ref:
        """The room is named, or the words are said, by whoever did it. A name that is no more has been overtaken."""
        name, shown = delivery.name, True
        if delivery.named == delivery.message:
            shown = await self._rooms.naming.give(room, ghost, name, delivery.named)
            if not shown or (name is not None and name.about_patient):
                await self._newcomers.before(room, ghost)
                words = EventToSend(delivery.id, ghost, to_naming(name, kept=not shown), delivery.message)
                return Ref(MATRIX, await self._send(room, words))
        await self.hub.sequenced(delivery.message)
        return Ref(MATRIX, f"name:{delivery.id}")

    async def _pictured(self, room: Room, ghost: str, delivery: Delivery) -> Ref:
        words = await self._rooms.pictures.give(room, ghost, delivery)
        if words is not None:
            await self._newcomers.before(room, ghost)
            return Ref(MATRIX, await self._send(room, EventToSend(delivery.id, ghost, words, delivery.message)))
        await self.hub.sequenced(delivery.message)
        return Ref(MATRIX, f"picture:{delivery.id}")

    async def _reaction(self, room: Room, ghost: str, delivery: Delivery) -> Ref:
        """In clear, as clients send reactions: the server counts them, and what they are about is in clear anyhow."""
        txn = txn_id(ghost, room.room_id, delivery.id)
        failpoint("matrix.before-react")
        event = await self._in_clear(room, ghost, f"send/m.reaction/{txn}", to_reaction(delivery))
        failpoint("matrix.reacted")
        await self.hub.sequenced(delivery.message)  # it has its place; its echo tells nothing
        return Ref(MATRIX, event or f"reaction:{delivery.id}")

    async def _removal(self, room: Room, ghost: str, delivery: Delivery) -> Ref:
        """Every event of the message is redacted; a repeat finds its own redactions by their transactions."""
        assert delivery.reply_to is not None
        key, names = await self.hub.facts.parts(delivery.reply_to)
        said = dict.fromkeys(one.id for one in names if one.id.startswith("$"))
        said |= dict.fromkeys(self._outbox.parts(key))  # the echo of a file may still come
        event = None
        for one in said:
            failpoint("matrix.before-redact")
            txn = txn_id(ghost, room.room_id, f"{delivery.id}/{one}")
            event = await self._in_clear(room, ghost, f"redact/{part(one)}/{txn}", {}) or event
        failpoint("matrix.redacted")
        await self._captions.taken_back(key)
        await self.hub.sequenced(delivery.message)
        return Ref(MATRIX, event or f"removal:{delivery.id}")

    async def _in_clear(self, room: Room, ghost: str, what: str, content: Json) -> str | None:
        """Send what is not encrypted; None: the room has it, by an earlier try or said twice, or nothing to redact."""
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/{what}"
        try:
            answer = await self._homeserver.call("PUT", path, content, user=ghost, device=self._engine.device_of(ghost))
        except MatrixRefused as refusal:
            if refusal.errcode == ("M_DUPLICATE_ANNOTATION" if what.startswith("send") else "M_NOT_FOUND"):
                return None
            told = translate(refusal)
            if isinstance(told, NotInRoom):
                await self._rooms.doors.reload_as(room, [ghost])
                told = _unsaid(room, ghost, "m.reaction" if what.startswith("send") else "m.room.redaction")
            raise told from refusal
        return str(answer["event_id"]) if "event_id" in answer else None


def _exited(room: Room, exits: Mapping[str, int | None]) -> frozenset[str]:
    return frozenset(user for user, before in exits.items() if room.exits.get(user) != before)


def _unsaid(room: Room, ghost: str, kind: str) -> Refused:
    """Why the homeserver lets a ghost say nothing in a room, as the room has just been read."""
    muted = room.membership(ghost) == "join" and not room.may_say(ghost, kind)
    return Refused("only_reads" if muted else "not_in_room", about=room.room_id)


def letter_keys(delivery: Delivery, *, captioned: bool = False) -> list[str]:
    """One key for each event of a delivery, in order: its text (if there is one, or nothing else), then its files.

    ``captioned``: its text goes with its one file.
    """
    if captioned:
        return [f"{delivery.id}{SUFFIX}"]
    said = bool(delivery.body.text.strip() or delivery.body.html) or not delivery.body.files
    count = len(delivery.body.files) + said
    return [delivery.id, *(f"{delivery.id}/{n}" for n in range(1, count))]
