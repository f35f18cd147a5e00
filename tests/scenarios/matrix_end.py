"""The driver of Matrix: what matrix-js-sdk on Rust crypto sends and shows."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from appservice.client.event_kinds import POLL_END, POLL_RESPONSE, POLL_START, TEXT, URGENT
from appservice.client.events import OWN_WORDS, STATUS
from bridge.connector import Capabilities
from bridge.model import MATRIX
from deploy.world.client import About, Event, RustClient
from tests.scenarios import pieces
from tests.scenarios.ends import UNHEARD, Attached, Deed, Shown, Unsaid
from tests.scenarios.matrix_content import content

Json = dict[str, Any]
_TYPES = {"text": "m.text", "emote": "m.emote", "notice": "m.notice"}
_KINDS = {msgtype: kind for kind, msgtype in _TYPES.items()}
_LOOKS = 4  # how often an event is looked at again after something was done to it: the SDK takes its time


class MatrixEnd:
    """See :class:`tests.scenarios.ends.FarEnd`."""

    network = MATRIX
    rewrites = True

    def __init__(self, client: RustClient, capabilities: Capabilities, voice: str, name: str = MATRIX) -> None:
        self.client = client
        self.name = name
        self.capabilities = capabilities
        self.address = f"{MATRIX}:{client.user_id}"
        self._voice = voice
        self._read: dict[str, int] = {}
        self._events: dict[str, Event] = {}
        self._rooms: dict[str, str] = {}
        self._stale: dict[str, int] = {}
        self._files: dict[str, str] = {}
        self._told: dict[str, set[str]] = {}
        self._votes: dict[str, set[str]] = {}
        self._ended: set[str] = set()
        self._now: dict[str, Shown] = {}
        self._doing: dict[str, Callable[[Deed], Awaitable[str]]] = {
            "say": self._say, "reply": self._say, "thread": self._say, "file": self._file, "contact": self._card,
            "edit": self._edit, "remove": self._remove, "moderate": self._remove,
            "react": self._react, "handled": self._react,
        }  # fmt: skip

    # ---- what she does

    async def do(self, deed: Deed) -> str:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        if (made := content(deed)) is not None:
            return await self.client.send_event(deed.chat, *made)
        if deed.verb not in self._doing:
            raise Unsaid(deed.verb)
        return await self._doing[deed.verb](deed)

    async def _say(self, deed: Deed) -> str:
        if deed.mentions or "everybody" in deed.words or "urgent" in deed.words:
            called: Json = {"user_ids": [self._user(person) for person in deed.mentions]} if deed.mentions else {}
            called |= {"room": True} if "everybody" in deed.words else {}
            marks = {URGENT: True} if "urgent" in deed.words else {}
            said = {"msgtype": "m.text", "body": deed.text, "m.mentions": called}
            return await self.client.send_event(deed.chat, "m.room.message", said | marks)
        msgtype = next((_TYPES[word] for word in deed.words if word in _TYPES), "m.text")
        return await self.client.send(
            deed.chat, deed.text, html=deed.html, msgtype=msgtype, reply_to=deed.reply_to, thread=deed.thread
        )

    async def _file(self, deed: Deed) -> str:
        about: About = {}
        if deed.text:
            about["caption"] = deed.text
        if deed.reply_to:
            about["reply_to"] = deed.reply_to
        if deed.thread:
            about["thread"] = deed.thread
        (one,) = deed.files
        return await self.client.send_file(deed.chat, one.name, one.data, one.mime, _msgtype(one), **about)

    async def _card(self, deed: Deed) -> str:
        """As a client shares somebody's card: a file with its type."""
        one = pieces.card(deed.id)
        return await self.client.send_file(deed.chat, one.name, one.data, one.mime, "m.file", caption=deed.text)

    async def _edit(self, deed: Deed) -> str:
        if deed.files:
            before = dict(self._events[deed.about]["content"])
            new = {key: value for key, value in before.items() if key != "m.relates_to"} | {"body": deed.text}
            relation = {"rel_type": "m.replace", "event_id": deed.about}
            whole = new | {"m.new_content": new, "m.relates_to": relation}
            return await self.client.send_event(deed.chat, "m.room.message", whole)
        return await self.client.send(deed.chat, deed.text, html=deed.html, edits=deed.about)

    async def _remove(self, deed: Deed) -> str:
        known = self._events.get(deed.about)
        if deed.verb == "remove" and known is not None and known["sender"] != self.client.user_id:
            raise Unsaid("remove")  # whoever may do that is a moderator
        return await self.client.redact(deed.chat, deed.about)

    async def _react(self, deed: Deed) -> str:
        return await self.client.react(deed.chat, deed.about, deed.text)

    async def read(self, chat: str, ident: str) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        await self.client.read_receipt(chat, ident)

    def _user(self, person: str) -> str:
        """The Matrix user of somebody of the directory."""
        voice, _, server = self._voice.partition(":")
        return f"{voice.removesuffix('liaison')}{person.removeprefix('rpps:')}:{server}"

    # ---- what she sees

    async def look(self, *, everything: bool = False) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        joined = [room["room_id"] for room in await self.client.rooms() if room["membership"] == "join"]
        await asyncio.gather(*(self._look(room, everything=everything) for room in joined))

    async def _look(self, room: str, *, everything: bool) -> None:
        news = await self.client.timeline(room, self._read.get(room, 0))
        self._read[room] = self._read.get(room, 0) + len(news)
        mine = [ident for ident in self._events if self._rooms[ident] == room]
        again = mine if everything else [ident for ident in mine if ident in self._stale]
        self._stale = {
            ident: left - (ident in again) for ident, left in self._stale.items() if left > 1 or ident not in again
        }
        for event in news:
            self._rooms[event["event_id"]] = room
            await self._arrived(event)
        for event in await self.client.look(room, again) if again else ():
            self._keep(event)

    def _keep(self, event: Event) -> None:
        ident = event["event_id"]
        self._events[ident] = event
        if event["decryption_failure"]:
            self._stale[ident] = _LOOKS
        if (one := self._showing(ident)) is not None:
            self._now[ident] = one

    async def _arrived(self, event: Event) -> None:
        ident, found = event["event_id"], event["content"]
        if "file" in found and event["type"] == "m.room.message":
            self._files[ident] = hashlib.sha256(await self.client.download(event)).hexdigest()
        self._keep(event)
        self._touch(_relation(event).get("event_id") or found.get("redacts"))
        about = _relation(event).get("event_id", "")
        if event["type"] == POLL_RESPONSE and event["sender"] != self.client.user_id:
            self._votes.setdefault(about, set()).update(event["content"][POLL_RESPONSE]["answers"])
        elif event["type"] == POLL_END and event["sender"] != self.client.user_id:
            self._ended.add(about)
        elif event["type"] == STATUS and found["status"].startswith("FAIL"):
            self._tell(found["m.relates_to"]["event_id"], found["internal_error"])
        elif OWN_WORDS in found:
            self._tell(_relation(event).get("m.in_reply_to", {}).get("event_id", ""), found[OWN_WORDS])
            if found[OWN_WORDS] == UNHEARD:
                self._tell(UNHEARD, UNHEARD)

    def _touch(self, ident: str | None) -> None:
        """Something was done to an event; what is done to a reaction shows below the message that it is about."""
        if ident in self._events:
            self._stale[ident] = _LOOKS
            if self._events[ident]["type"] == "m.reaction":
                self._touch(_relation(self._events[ident]).get("event_id"))

    def _tell(self, ident: str, code: str) -> None:
        self._told.setdefault(ident, set()).add(code)

    def shown(self) -> Iterable[Shown]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return self._now.values()

    def get(self, ident: str) -> Shown | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return self._now.get(ident)

    def _showing(self, ident: str) -> Shown | None:
        event = self._events[ident]
        if event["type"] not in ("m.room.message", "m.sticker", "m.room.encrypted", POLL_START):
            return None
        relation, shown = _relation(event), event["shown"]
        if relation.get("rel_type") == "m.replace":
            return None
        text = f"{shown.get('body', shown.get(TEXT, ''))}\n{shown.get('formatted_body', '')}".rstrip()
        reply = relation.get("m.in_reply_to", {}).get("event_id")
        return Shown(
            id=ident,
            chat=self._rooms[ident],
            text=text,
            own=event["sender"] == self.client.user_id,
            kind=_KINDS.get(str(shown.get("msgtype")), str(shown.get("msgtype"))),
            files=(self._files[ident],) if ident in self._files and not event["redacted"] else (),
            reactions=frozenset(event["annotations"]),
            removed=event["redacted"],
            reply_to=None if relation.get("is_falling_back") else reply,
            thread=relation["event_id"] if relation.get("rel_type") == "m.thread" else None,
            system=event["sender"] == self._voice,
            votes=frozenset(self._votes.get(ident, ())),
            ended=ident in self._ended,
            rings=self.client.user_id in shown.get("m.mentions", {}).get("user_ids", ())
            or shown.get("m.mentions", {}).get("room") is True,
        )

    async def members(self, chat: str) -> frozenset[str] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        there = (await self.client.members(chat)).items()
        joined = {user for user, about in there if about["membership"] == "join"}
        return frozenset(self._person(user) for user in joined - {self._voice})

    async def readers(self, chat: str) -> dict[str, frozenset[str]] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        places = {ident: n for n, ident in enumerate(one for one in self._events if self._rooms[one] == chat)}
        marks = {
            self._person(user): places.get(ident, -1) for user, ident in (await self.client.receipts(chat)).items()
        }
        mine = [one.id for one in self._now.values() if one.own and one.chat == chat]
        return {one: frozenset(person for person, upto in marks.items() if upto >= places[one]) for one in mine}

    def _person(self, user: str) -> str:
        """Whom a user stands for, as the hub calls them."""
        prefix, _, server = self._voice.partition("liaison:")
        ghost = user.startswith(prefix) and user.endswith(f":{server}")
        return f"rpps:{user.removeprefix(prefix).partition(':')[0]}" if ghost else f"{MATRIX}:{user}"

    def told(self, ident: str) -> frozenset[str]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return frozenset(self._told.get(ident, ()))

    def at_first(self, n: int) -> list[tuple[str, str | None]]:
        """The events that say ``m<n>``, and why each could not be read at first (None: it could)."""
        said = [ident for ident, shown in self._now.items() if re.search(rf"\bm{n}v\d+e\b", shown.text)]
        return [(ident, self._events[ident]["first_failure"]) for ident in said]

    def unreadable(self) -> list[str]:
        """The events that her client cannot decrypt, or warns of."""
        return [i for i, event in self._events.items() if event["decryption_failure"] or event["shield_colour"]]


def _relation(event: Event) -> Json:
    found = event["wire_content"].get("m.relates_to") or event["content"].get("m.relates_to") or {}
    return dict(found)


def _msgtype(one: Attached) -> str:
    kind = one.mime.partition("/")[0]
    return f"m.{kind}" if kind in ("image", "audio", "video") else "m.file"
