"""The hub's voice, asked in a direct room: a name in, people out, a number back, and a conversation is open.

For whoever's homeserver sends no search to the hub: of another site, or without a reverse proxy of its own.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from appservice.client.edge import MatrixEdge
from appservice.client.events import to_answer, to_document
from appservice.client.names import server_of
from appservice.finding.finder import Finder
from appservice.finding.hits import told
from appservice.finding.question import Question, Wish, read
from appservice.leaving.notices import Notices
from appservice.rooms.ghosts import Ghosts, display_name
from appservice.rooms.rooms import Rooms
from appservice.rooms.roomstate import Room
from bridge.db import Tx
from bridge.errors import Refused
from bridge.model import MAIL, MATRIX, Address, File, Person
from bridge.parts.lru import Lru
from bridge.receiver import Within
from bridge.vcard import MIME, NAME, Contact, compose
from bridge.words import sentence, speaking

Json = dict[str, Any]
log = logging.getLogger(__name__)
_SHOWN = 10
_CONTACTS = 1_000
_LISTS = 5_000  # that are remembered, of all rooms; a restart forgets them, and then the name is asked for again


class HelpDesk:
    """Raises Unavailable: the event is worked on again, and what was done is not done twice."""

    def __init__(self, edge: MatrixEdge, ghosts: Ghosts, rooms: Rooms, notices: Notices, finder: Finder) -> None:
        self._media = edge.media
        self._edge = edge
        self._names = edge.names
        self._facts = edge.hub.facts
        self._ghosts = ghosts
        self._rooms = rooms
        self._notices = notices
        self._finder = finder
        self._lists: Lru[str, tuple[str, ...]] = Lru(
            _LISTS
        )  # person ids, by the room and by the answer that shows them

    def here(self, room: Room) -> bool:
        """Whether a room is for questions: the voice is in it, no ghost is, and it never was a conversation."""
        ghosts = self._rooms.doors.ghosts_in(room, "join", "invite")
        return room.membership(self._names.voice) == "join" and not ghosts and room.conversation is None

    # -- coming in -----------------------------------------------------------------------------------------

    async def called(self, room: Room, event: Json) -> None:
        """A person invites the voice: into a room where it is alone with them it comes, and says what it does."""
        inviter, voice = event["sender"], self._names.voice
        doors = self._rooms.doors
        if doors.ghosts_in(room, "join", "invite") or room.conversation is not None:
            return  # a conversation: there it comes in when it has to speak
        await self._ghosts.voice()
        try:
            if not self._edge.trusted(server_of(inviter)):
                raise Refused("untrusted_server", about=server_of(inviter))
            await doors.enter(room.room_id, voice, [server_of(inviter)])
            await doors.entered(room, voice)
            await doors.reload(room, voice)
            if not self.here(room):
                return  # a ghost is invited with it
            if doors.people_in(room, "join", "invite") != [inviter]:
                raise Refused("desk_alone", about=room.room_id)
        except Refused as refusal:
            log.info("the voice is not asked in %s: %s", room.room_id, refusal)
            await doors.leave(room, voice, sentence(refusal.code, " / "))
            return
        await self._say(room, event["event_id"], "desk_hello", sentence("desk_hello"))

    # -- answering -----------------------------------------------------------------------------------------

    async def asked(self, event: Json, kind: str, content: Json) -> Within | None:
        """Answer a message; gives what is to be written with its end. None: it is not for the voice."""
        room = await self._rooms.store.get(event["room_id"])
        if not self.here(room):
            return None
        question = read(content) if kind == "m.room.message" else None
        if question is not None:
            await self._answer(room, event, question)
        name = _intent(event["event_id"])

        async def ended(tx: Tx) -> None:
            await tx.run("matrix.intended", name)

        return ended

    async def _answer(self, room: Room, event: Json, question: Question) -> None:
        asker, key = event["sender"], event["event_id"]
        if self._notices.said(f"desk:{key}"):
            return
        with speaking(await self._facts.language(Address(MATRIX, asker))):
            await self._answered(room, event, question)

    async def _answered(self, room: Room, event: Json, question: Question) -> None:
        asker, key = event["sender"], event["event_id"]
        try:
            if not self._edge.trusted(server_of(asker)):
                raise Refused("untrusted_server")
            if self._rooms.doors.people_in(room) != [asker]:
                raise Refused("desk_alone")
            if question.want is Wish.CHOICE:
                await self._chosen(room, event, question)
            elif question.want is Wish.CONTACTS:
                await self._contacts(room, asker, key)
            elif question.want is Wish.LANGUAGE:
                await self._spoken(room, asker, key, question.words)
            elif question.want is Wish.HELP:
                await self._say(room, key, "desk_hello", sentence("desk_hello"))
            else:
                await self._list(room, key, *await self._found(question, asker))
        except Refused as refusal:
            await self._say(room, key, refusal.code, sentence(refusal.code))

    async def _spoken(self, room: Room, asker: str, key: str, language: str) -> None:
        """The asker reads this language from now on, also in the notices of every other room."""
        await self._edge.hub.choose_language(Address(MATRIX, asker), language)
        with speaking(language):
            await self._say(room, key, "desk_language", sentence("desk_language"))

    async def _found(self, question: Question, asker: str) -> tuple[list[Person], bool]:
        """Whoever is named exactly needs no search, and is found though the red list hides them."""
        if question.want is Wish.NAME:
            return await self._finder.look(question.words, _SHOWN, asker)
        network = MAIL if question.want is Wish.MAILBOX else "rpps"
        person = await self._facts.who(Address(network, question.words))
        return ([] if person is None else [person]), False

    async def _list(self, room: Room, key: str, people: list[Person], more: bool) -> None:
        if not people:
            raise Refused("desk_nobody")
        lines = [f"{number}. {told(person)}" for number, person in enumerate(people, 1)]
        text = "\n".join([*lines, "", sentence("desk_choose"), *([sentence("desk_more")] if more else [])])
        shown = await self._say(room, key, "desk_choose", text)
        for name in (room.room_id, shown):
            if name is not None:
                self._lists.put(name, tuple(person.id for person in people))

    async def _contacts(self, room: Room, asker: str, key: str) -> None:
        """Everybody with whom the asker is in a conversation, as a file. Whom somebody knows is for nobody else."""
        if not room.facts.encrypted:
            raise Refused("desk_encrypt")
        me = await self._facts.who(Address(MATRIX, asker))
        people = await self._facts.contacts(me.id, _CONTACTS) if me is not None else []
        if not people:
            raise Refused("desk_nobody_yet")
        cards = [Contact(one, self._finder.native(one) or self._names.of(one.id)) for one in people]
        file = File(NAME, MIME, compose(cards))
        opened = await self._media.upload(f"desk:{key}", self._names.voice, file)
        await self._notices.answer(room, f"desk:{key}", to_document(file, opened, "contacts"))
        self._media.left(f"desk:{key}")

    # -- beginning -----------------------------------------------------------------------------------------

    async def _chosen(self, room: Room, event: Json, question: Question) -> None:
        """A number: the list that it answers counts, else the last one of the room."""
        ids = self._lists.get(question.about or "") or self._lists.get(room.room_id) or ()
        place = int(question.words)
        if not 0 < place <= len(ids):
            raise Refused("desk_which")
        network, _, ident = ids[place - 1].partition(":")
        person = await self._facts.who(Address(network, ident))
        if person is None:
            raise Refused("unknown_recipient")
        await self._begin(room, event, person)

    async def _begin(self, room: Room, event: Json, person: Person) -> None:
        asker, key = event["sender"], event["event_id"]
        me = await self._facts.who(Address(MATRIX, asker))
        if me is not None and me.id == person.id:
            raise Refused("desk_yourself")
        if (own := self._finder.native(person)) is not None:
            await self._named(room, key, "desk_own_account", person, own)
            return
        if (code := await self._edge.unreachable(person.id)) is not None:
            raise Refused(code)
        open_already = await self._conversation(me, person, asker)
        if open_already is not None:
            await self._named(room, key, "desk_already", person, open_already)
            return
        ghost = await self._ghosts.ensure(person)
        await self._rooms.made(_intent(key), [ghost], [asker])
        await self._named(room, key, "desk_opened", person)

    async def _conversation(self, me: Person | None, person: Person, asker: str) -> str | None:
        """The room in which the two have written to each other alone, if she is in it still."""
        known = await self._facts.among([me.id, person.id], Address(MATRIX, asker)) if me is not None else None
        if known is None or known.chat is None:
            return None
        room = await self._rooms.store.get(known.chat)
        return known.chat if room.membership(asker) == "join" and room.facts.successor is None else None

    async def _named(self, room: Room, key: str, code: str, person: Person, where: str = "") -> None:
        link = f"https://matrix.to/#/{quote(where, safe='@!:')}" if where else ""
        if where.startswith("!"):
            link += f"?via={quote(self._names.server, safe='')}"
        await self._say(room, key, code, sentence(code).format(name=display_name(person), link=link))

    async def _say(self, room: Room, key: str, code: str, text: str) -> str | None:
        return await self._notices.answer(room, f"desk:{key}", to_answer(text, code))


def _intent(event_id: str) -> str:
    return f"asked:{event_id}"
