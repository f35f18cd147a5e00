"""Every request of Liaison Connect as a method. Each is repeated until the hub has answered (see ``Retries``)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from liaison.connect.answers import (
    Abilities,
    Absence,
    Accepted,
    Attempt,
    Conversation,
    Export,
    Found,
    Member,
    MessageStatus,
    Name,
    Page,
    Past,
    PastWords,
    Person,
    Rotated,
    Uploaded,
    User,
    UserEnd,
)
from liaison.connect.drafts import Attachment, Draft, Json, new_id, now
from liaison.connect.errors import NoAnswer, Refused
from liaison.connect.events import EventPage, FileIn, to_event
from liaison.connect.reading import read, time_text, to_time
from liaison.connect.transport import AGAIN, Transport, parsed

T = TypeVar("T")
_PIECE = 128 * 1024  # bytes
_TRIES = 8  # of a transfer that breaks off


def _of(*parts: str) -> str:
    """A path; ids may hold any printable character."""
    return "".join("/" + quote(part, safe="") for part in parts)


class Connect(Transport):
    """The hub as a product sees it; ``async with`` opens and closes it. Ids are the product's own.

    Every method raises Refused (never as asked) and NoAnswer (nothing final in time; ask again under the same id).
    """

    # ---- users

    async def declare(self, user: str, rpps: str) -> User:
        """Vouch for the professional that a user is."""
        return read(User, await self.call("PUT", _of("users", user), {"rpps": rpps}))

    async def user(self, user: str) -> User:
        """A user, as the hub sees them."""
        return read(User, await self.call("GET", _of("users", user)))

    async def confirm(self, user: str, product: str, mine: bool) -> Any:
        """The user says whether an account in another product is theirs, too."""
        decision = "accept" if mine else "refuse"
        return await self.call("POST", _of("users", user, "confirmations"), {"product": product, "decision": decision})

    async def export(self, user: str, cursor: str | None = None) -> Export:
        """What the hub has of a user, page by page."""
        query = {"cursor": cursor} if cursor else {}
        return read(Export, await self.call("GET", _of("users", user, "export"), query=query))

    async def end_user(self, user: str) -> UserEnd:
        """Give a user up: they leave every conversation, and the hub forgets them. Ask again how far it is."""
        return read(UserEnd, await self.call("DELETE", _of("users", user)))

    async def block(self, user: str, person: str) -> None:
        """A user wants nothing of somebody (``person``, as ``rpps:…``) any more."""
        await self.call("PUT", _of("users", user, "blocked", person))

    async def unblock(self, user: str, person: str) -> None:
        """… and wants it again."""
        await self.call("DELETE", _of("users", user, "blocked", person))

    async def blocked(self, user: str, cursor: str | None = None) -> Page[Person]:
        """Of whom a user wants nothing."""
        return await self._page(Person, _of("users", user, "blocked"), cursor)

    async def portray(self, user: str, content: bytes | None) -> None:
        """What a user looks like to people of other networks (at most 1 MB); None: their initials."""
        picture = None if content is None else base64.b64encode(content).decode()
        await self.call("PUT", _of("users", user, "avatar"), {"content": picture})

    async def be_absent(
        self, user: str, until: datetime, *, substitute: str | None = None, words: str = "", to: str = "absent",
        since: datetime | None = None,
    ) -> Absence:  # fmt: skip
        """A user is away. ``to`` ``both``: the substitute (a handle) gets what is written meanwhile, too."""
        said = {"until": time_text(until), "to": to, "substitute": substitute, "words": words or None}
        if since is not None:
            said["since"] = time_text(since)
        told = {name: value for name, value in said.items() if value is not None}
        return read(Absence, await self.call("PUT", _of("users", user, "absence"), told))

    async def absence(self, user: str) -> Absence:
        """When a user is away. Raises Refused (not_absent)."""
        return read(Absence, await self.call("GET", _of("users", user, "absence")))

    async def be_back(self, user: str) -> None:
        """A user is there again."""
        await self.call("DELETE", _of("users", user, "absence"))

    # ---- messages

    async def send(self, draft: Draft) -> Accepted:
        """Hand in a message; returns once it is on the hub's disk."""
        return read(Accepted, await self.call("POST", "/messages", draft.wire()))

    async def reply(self, answered: str, draft: Draft) -> Accepted:
        """Hand in an answer to a message: one of the product's, or one that came (by the id that its webhook got)."""
        return await self.send(replace(draft, reply_to=answered))

    async def edit(
        self, message: str, conversation: str, sender: str, text: str, *, html: str | None = None, id: str | None = None
    ) -> Accepted:
        """Its writer corrects a message: the whole new text."""
        said = {"text": text} | ({} if html is None else {"html": html})
        return await self._about(message, "edits", conversation, sender, said, id)

    async def remove(self, message: str, conversation: str, sender: str, *, id: str | None = None) -> Accepted:
        """Its writer takes a message, or a reaction (by its own id), back."""
        return await self._about(message, "removals", conversation, sender, {}, id)

    async def react(self, message: str, conversation: str, sender: str, key: str, *, id: str | None = None) -> Accepted:
        """React to a message of anybody with an emoji. Keep ``id``: the reaction is taken back by it."""
        return await self._about(message, "reactions", conversation, sender, {"key": key}, id)

    async def vote(
        self, poll: str, conversation: str, sender: str, answers: Sequence[str], *, id: str | None = None
    ) -> Accepted:
        """Choose answers (ids) in a poll, instead of what was chosen before; none takes the vote back."""
        return await self._about(poll, "votes", conversation, sender, {"answers": list(answers)}, id)

    async def end_poll(self, poll: str, conversation: str, sender: str, *, id: str | None = None) -> Accepted:
        """Who asked ends the poll."""
        return await self._about(poll, "end", conversation, sender, {}, id)

    async def handle(self, message: str, conversation: str, sender: str, *, id: str | None = None) -> Accepted:
        """Mark a message as dealt with; the mark is taken back by its ``id``."""
        return await self._about(message, "handled", conversation, sender, {}, id)

    async def _about(
        self, message: str, what: str, conversation: str, sender: str, said: Json, ident: str | None
    ) -> Accepted:
        body = {"id": ident or new_id(), "conversation": conversation, "sender": sender, "sent_at": time_text(now())}
        return read(Accepted, await self.call("POST", _of("messages", message, what), body | said))

    async def message(self, message: str) -> MessageStatus:
        """What became of a message of the product."""
        return read(MessageStatus, await self.call("GET", _of("messages", message)))

    # ---- signs

    async def read(self, message: str, user: str, at: datetime | None = None) -> None:
        """A user has read up to a message that came."""
        await self._receipt(message, user, "read", at)

    async def delivered(self, message: str, user: str, at: datetime | None = None) -> None:
        """A user's device has a message that came."""
        await self._receipt(message, user, "delivered", at)

    async def _receipt(self, message: str, user: str, state: str, at: datetime | None) -> None:
        body = {"message": message, "user": user, "state": state, "at": time_text(at or now())}
        await self.call("POST", "/receipts", body)

    async def typing(self, conversation: str, user: str, typing: bool = True) -> bool:
        """A user types, or has stopped. One attempt: what comes late is wrong. Gives whether the hub took it."""
        body = {"conversation": conversation, "user": user, "typing": typing}
        try:
            return (await self.once("POST", "/typing", body)).done
        except NoAnswer:
            return False

    # ---- conversations and people

    async def conversation(self, conversation: str) -> Conversation:
        """Who is in a conversation, its name, and what its people can be given."""
        return read(Conversation, await self.call("GET", _of("conversations", conversation)))

    async def members(
        self, conversation: str, by: str, *, add: Sequence[str] = (), remove: Sequence[str] = (), id: str | None = None
    ) -> Accepted:
        """Add people to a conversation and remove others."""
        body = {"id": id or new_id(), "by": by, "add": list(add), "remove": list(remove)}
        return read(Accepted, await self.call("POST", _of("conversations", conversation, "members"), body))

    async def rename(self, conversation: str, by: str, name: Name | None, *, id: str | None = None) -> Accepted:
        """Give a conversation a name; None takes it away."""
        said = None if name is None else {"text": name.text, "about_patient": name.about_patient}
        body = {"id": id or new_id(), "by": by, "name": said}
        return read(Accepted, await self.call("POST", _of("conversations", conversation, "name"), body))

    async def topic(self, conversation: str, by: str, topic: str | None, *, id: str | None = None) -> Accepted:
        """Say what a conversation is about: everybody reads it inside of it."""
        body = {"id": id or new_id(), "by": by, "topic": topic}
        return read(Accepted, await self.call("POST", _of("conversations", conversation, "topic"), body))

    async def picture(self, conversation: str, by: str, content: bytes | None, *, id: str | None = None) -> Accepted:
        """Give a conversation a picture (PNG, JPEG, GIF or WebP, at most 1 MB); None takes it away."""
        said = None if content is None else base64.b64encode(content).decode()
        body = {"id": id or new_id(), "by": by, "content": said}
        return read(Accepted, await self.call("PUT", _of("conversations", conversation, "avatar"), body))

    async def people(self, words: str, *, user: str = "", cursor: str | None = None, **narrowing: str) -> Page[Found]:
        """Search by name, place, profession or identifier; ``narrowing``: profession, place, town, kind, limit."""
        query = {"q": words} | narrowing | ({"user": user} if user else {}) | ({"cursor": cursor} if cursor else {})
        said = await self.call("GET", "/people", query=query)
        return Page(items=tuple(read(Found, one) for one in said["people"]), next=said.get("next"))

    async def contacts(self, user: str) -> str:
        """Everybody with whom a user is in a conversation, as vCards 4.0."""
        said = await self.call("GET", "/people/contacts.vcf", query={"user": user})
        return str(said or "")

    async def leave(self, conversation: str, user: str, *, id: str | None = None) -> Accepted:
        """A user takes part no more."""
        body = {"id": id or new_id(), "user": user}
        return read(Accepted, await self.call("POST", _of("conversations", conversation, "leave"), body))

    # ---- lists, page by page

    async def users(self, cursor: str | None = None) -> Page[User]:
        """Everybody whom the product has declared."""
        return await self._page(User, "/users", cursor)

    async def conversations(self, user: str = "", cursor: str | None = None) -> Page[Conversation]:
        """The conversations of the product's users, or of one of them."""
        return await self._page(Conversation, "/conversations", cursor, **({"user": user} if user else {}))

    async def members_of(self, conversation: str, cursor: str | None = None) -> Page[Member]:
        """The members of a conversation."""
        return await self._page(Member, _of("conversations", conversation, "members"), cursor)

    async def messages_of(self, conversation: str, cursor: str | None = None) -> Page[Past]:
        """What was said in a conversation, the newest first; without texts, of which the hub keeps none."""
        return await self._page(Past, _of("conversations", conversation, "messages"), cursor)

    async def history(self, conversation: str, user: str, cursor: str | None = None) -> Page[PastWords]:
        """What was said there, as far as a user may read it, the newest first. Raises Refused (no_history)."""
        return await self._page(PastWords, _of("conversations", conversation, "history"), cursor, user=user)

    async def _page(self, kind: type[T], path: str, cursor: str | None, **query: str) -> Page[T]:
        said = await self.call("GET", path, query=query | ({"cursor": cursor} if cursor else {}))
        return Page(items=tuple(read(kind, one) for one in said["items"]), next=said.get("next"))

    # ---- files

    async def upload(self, attachment: Attachment) -> Uploaded:
        """Give the hub a file that a draft will name. What is not named within some time is forgotten."""
        return await self._upload(attachment.name, attachment.type, attachment.content)

    async def upload_from(self, place: Path, type: str, name: str = "") -> Uploaded:
        """The same from a disk, however large: it is never whole in memory."""
        return await self._upload(name or place.name, type, place)

    async def _upload(self, name: str, type: str, body: bytes | Path) -> Uploaded:
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {"Content-Type": type, "Content-Disposition": disposition}
        return read(Uploaded, await self.call("POST", "/files", body, headers=headers))

    async def download(self, file: str, start: int = 0) -> bytes:
        """The bytes of a file that came (its ``id``), from ``start`` on. Compare the whole with its ``sha256``."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        said = await self.call("GET", _of("files", file), headers={"Accept": "*/*"} | headers, raw=True)
        assert isinstance(said, bytes)
        return said

    async def download_to(self, file: FileIn, place: Path) -> None:
        """A file that came, on a disk, however large; what broke off goes on. Raises ValueError for a damaged one."""
        assert file.id is not None, "it came with its content"
        have, attempt = _empty(place), 0
        while have < file.size:
            attempt += 1
            try:
                await self._download_on(file.id, place, have)
            except NoAnswer:
                if attempt >= _TRIES:
                    raise
                await asyncio.sleep(self._retries.pause(attempt, None))
            have = _size(place)
        if sha256_of(place) != file.sha256:
            raise ValueError("the file is not the one that its sender sent")

    async def _download_on(self, ident: str, place: Path, have: int) -> None:
        headers = {"Range": f"bytes={have}-"} if have else {}
        async with self.stream(_of("files", ident), headers) as answer:
            if answer.status not in (200, 206):
                whole = await answer.read()
                if answer.status < 500 and answer.status not in AGAIN:
                    raise Refused(answer.status, parsed(whole, answer.content_type))
                raise NoAnswer(f"{answer.status}")
            with place.open("ab" if answer.status == 206 else "wb") as out:
                async for piece in answer.content.iter_chunked(_PIECE):
                    out.write(piece)

    # ---- what the product is able to

    async def abilities(self) -> Abilities:
        """What the hub takes the product to be able to."""
        return read(Abilities, await self.call("GET", "/capabilities"))

    async def declare_abilities(self, *kinds: str, version: str | None = None, **more: bool | int) -> Abilities:
        """Say what this version of the product shows, and its limits; replaces what was said before."""
        body: Json = {"kinds": list(kinds)} | more | ({} if version is None else {"version": version})
        return read(Abilities, await self.call("PUT", "/capabilities", body))

    # ---- the event log

    async def events(self, after: str | None = None, wait: int = 0) -> EventPage:
        """Some events after a cursor; with ``wait`` (seconds) the hub answers once there is one."""
        query = {} if after is None else {"after": after}
        if wait:
            query["wait"] = f"{wait}"
        said = await self.call("GET", "/events", query=query)
        found = (to_event(str(one.get("webhook-id", "")), one) for one in said["events"])
        return EventPage(tuple(found), said.get("next"), said.get("whole", True))

    async def replay(self, event: str) -> Attempt:
        """Have a webhook of the log sent again, now."""
        return read(Attempt, await self.call("POST", _of("events", event, "replay")))

    async def try_webhook(self) -> Attempt:
        """Have a test event sent, now."""
        return read(Attempt, await self.call("POST", "/webhook/test"))

    # ---- tokens and secrets

    async def rotate_token(self, old_until: datetime | None = None) -> Rotated:
        """A new token; this client uses it from now on. Keep it before the old one ends."""
        said = await self._rotate("token", old_until)
        made = Rotated(value=said["token"], old_until=to_time(said["old_until"]))
        self.use(made.value)
        return made

    async def rotate_secret(self, old_until: datetime | None = None) -> Rotated:
        """A new webhook secret: give it to ``Webhooks`` beside the old one until that ends."""
        said = await self._rotate("webhook-secret", old_until)
        return Rotated(value=said["secret"], old_until=to_time(said["old_until"]))

    async def _rotate(self, what: str, old_until: datetime | None) -> Json:
        body = {} if old_until is None else {"old_until": time_text(old_until)}
        said: Json = await self.call("POST", f"/credentials/{what}", body)
        return said

    async def credentials(self) -> Json:
        """The hashes of the tokens and secrets that are good now, each with its end."""
        said: Json = await self.call("GET", "/credentials")
        return said

    async def follow(self, after: str | None = None, wait: int = 25) -> AsyncIterator[EventPage]:
        """Every page of the log from a cursor on, for ever: keep ``next`` once a page is done."""
        while True:
            page = await self.events(after, wait)
            after = page.next or after
            yield page


def sha256_of(place: Path) -> str:
    """Of a file on a disk, in hexadecimal."""
    with place.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _empty(place: Path) -> int:
    place.write_bytes(b"")
    return 0


def _size(place: Path) -> int:
    return place.stat().st_size
