"""From a chat message to a mail: who it goes to, in which thread, in whose name."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from bridge.connector import Chat, Receiver
from bridge.errors import Refused, Unavailable
from bridge.failpoint import failpoint
from bridge.model import MAIL, Address, Body, Delivery, File, Kind, Member, Message, Person, Ref
from bridge.networks.mail import placing
from bridge.networks.mail.addressbook import AddressBook
from bridge.networks.mail.boxes import Box
from bridge.networks.mail.compose import compose, reply_subject
from bridge.networks.mail.ledger import Entry, Ledger, Posted
from bridge.networks.mail.letters import Frame, Said, letter
from bridge.networks.mail.placing import MAIN

Json = dict[str, Any]
log = logging.getLogger(__name__)
_DONE = "✅"
_TEAM = "team:"
FIX = "fix:"  # before a thread: its corrections, which wait for its next mail
INTERNAL = "internal"  # what a team says outside of a mail's thread: it stays in its room


class Departures:
    """Takes deliveries as drafts and makes letters of them. ``posted`` is told of the domains that have mail."""

    def __init__(
        self, ledger: Ledger, book: AddressBook, clock: Callable[[], int], *, product: str, ask_displayed: bool
    ) -> None:
        self.hub: Receiver
        self._ledger = ledger
        self._book = book
        self._clock = clock
        self._mss = {"X-MSS-NIL": product} if product else {}
        self._ask = ask_displayed
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # a chat's drafts change one by one
        self.gathered: Callable[[str, str, int], None] = lambda chat, thread, at: None
        self.posted: Callable[[str], None] = lambda domain: None

    async def take(self, delivery: Delivery) -> Ref:
        """Keep a delivery on disk as a draft; the hub may forget it. Raises Refused, Unavailable."""
        ref = Ref(MAIL, f"{delivery.id}@{self._book.domain}")
        chat = delivery.chat or delivery.conversation
        if delivery.kind is Kind.MEMBERS or await self._ledger.of_ref(ref.id) is not None:
            return ref
        if delivery.kind is Kind.REACTION:
            await self._reaction(delivery, chat)
            return ref
        if delivery.kind in (Kind.EDIT, Kind.REMOVAL):
            async with self._turns.setdefault(chat, asyncio.Lock()):
                await self._correction(delivery, chat)
            return ref
        thread = await self._thread(delivery, chat)
        team = chat.startswith(_TEAM)
        internal = team and thread == MAIN
        box = Box(await self._book.box(delivery.sender), delivery.sender.name)
        people = placing.people_key(member.person.id for member in delivery.members)
        entry = Entry(chat, ref.id, thread, ref.id, people)
        async with self._ledger.db.transaction("mail.draft") as tx:
            await self._ledger.enter(tx, entry)
            body = {} if internal else _draft(delivery, box)
            where = (chat, INTERNAL if internal else thread)
            await self._ledger.draft(tx, delivery.id, where, self._clock(), body)
        failpoint("mail.drafted")
        self.gathered(*where, self._clock())
        return ref

    async def _thread(self, delivery: Delivery, chat: str) -> str:
        if delivery.thread is not None:
            found = await self._ledger.of_ref(delivery.thread.id)
            known = found[0].thread if found is not None and found[0].chat == chat else None
            return known if known not in (None, MAIN) else delivery.thread.id
        if delivery.reply_to is not None:
            found = await self._ledger.of_ref(delivery.reply_to.id)
            if found is not None and found[0].chat == chat:
                return found[0].thread
        return MAIN

    async def _correction(self, delivery: Delivery, chat: str) -> None:
        """What has not left yet leaves as corrected; else the thread's next mail says it. Never a mail of its own."""
        found = await self._ledger.of_ref(delivery.reply_to.id) if delivery.reply_to is not None else None
        if found is None or found[0].chat != chat or found[0].ref is None:
            raise Refused(f"{delivery.kind.value}_not_carried")
        thread, target = found[0].thread, found[0].ref.partition("@")[0]
        waiting = {ident: body for ident, _, body in await self._ledger.drafts(chat, thread)}
        box = Box(await self._book.box(delivery.sender), delivery.sender.name)
        own = f"{delivery.id}@{self._book.domain}"
        entry = Entry(chat, own, thread, own, found[0].people)
        async with self._ledger.db.transaction("mail.correction") as tx:
            await self._ledger.enter(tx, entry)
            if target in waiting and delivery.kind is Kind.EDIT:
                fixed = waiting[target] | {"text": delivery.body.text, "html": delivery.body.html}
                await self._ledger.redraft(tx, target, fixed)
            elif target in waiting:
                await self._ledger.redraft(tx, target, waiting[target] | {"text": "", "html": None, "files": []})
            else:
                body = _draft(delivery, box) | {"correction": delivery.kind.value}
                await self._ledger.draft(tx, delivery.id, (chat, FIX + thread), self._clock(), body)

    async def _reaction(self, delivery: Delivery, chat: str) -> None:
        """✅ on a mail of a team marks its thread as handled: everybody sees by whom, the first one counts."""
        if not chat.startswith(_TEAM) or not delivery.body.text.startswith(_DONE) or delivery.reply_to is None:
            return
        found = await self._ledger.of_ref(delivery.reply_to.id)
        if found is None or found[0].thread == MAIN:
            return
        thread = found[0].thread
        async with self._ledger.db.transaction("mail.handled") as tx:
            row = await tx.one("mail.handled", chat, thread, delivery.sender.id, self._clock())
        stored = await self._ledger.db.one("mail.thread", chat, thread)
        if row is None and (stored is None or stored["handled_by"] != delivery.sender.id):
            return
        text = f"{_DONE} Pris en charge par {delivery.sender.name}\nHandled by {delivery.sender.name}"
        box = Address(MAIL, chat.removeprefix(_TEAM))
        await self.hub.accept(
            Message(Ref(MAIL, f"handled:{chat}:{thread}"), chat, box, Kind.NOTICE, Body(text), self._clock(),
                    thread=Ref(MAIL, thread))
        )  # fmt: skip

    # -- letters -------------------------------------------------------------------------------------------

    async def close(self, chat: str, thread: str) -> None:
        """Make one mail of everything that was gathered. Raises Unavailable."""
        async with self._turns.setdefault(chat, asyncio.Lock()):
            await self._close(chat, thread)

    async def _close(self, chat: str, thread: str) -> None:
        drafts = await self._ledger.drafts(chat, thread)
        if not drafts:
            return
        if thread != INTERNAL:
            drafts = [*await self._ledger.drafts(chat, FIX + thread), *drafts]
        if thread == INTERNAL:
            await self._internal(chat, [ident for ident, _, _ in drafts])
            return
        found = await self.hub.chat(MAIL, chat) or await self.hub.leg(chat, MAIL)
        said = [_said(ident, at, body) for ident, at, body in drafts]
        if not any(one.text.strip() or one.files for one in said):  # all of it was taken back in time
            await self._taken_back(chat, drafts, found)
            return
        refs = tuple(f"{one.id}@{self._book.domain}" for one in said)
        try:
            frame = await self._frame(chat, thread, found, said)
            written = letter(refs[0], said, frame)
            raw = compose(written)
        except Refused as refusal:
            log.warning("a mail cannot be made: %s", refusal.code)
            await self._failed(drafts, refs, found, refusal.code)
            return
        boxes = dict.fromkeys(box.address for box in (*frame.to, *frame.cc))
        recipients = tuple(address for address in boxes if not self._book.ours(address))
        about = {
            "from": [written.sender.address, written.sender.name], "subject": written.subject,
            "to": [[b.address, b.name] for b in frame.to], "cc": [[b.address, b.name] for b in frame.cc], "ours": True,
        }  # fmt: skip
        async with self._ledger.db.transaction("mail.post") as tx:
            if recipients:
                sender = written.sender.address
                await self._ledger.post(tx, Posted(said[0].id, refs[0], sender, recipients, refs, raw, self._clock()))
            sealed = self._ledger.close(about, f"about {chat} {refs[0]}")
            await tx.run("mail.set_about", chat, refs[0], sealed)
            await tx.many("mail.within", [(chat, ref, f"{refs[0]}#{ref}") for ref in refs[1:]])
            await tx.many("mail.end_draft", [(one.id,) for one in said])
        failpoint("mail.posted")
        for domain in {address.rpartition("@")[2].lower() for address in recipients}:
            self.posted(domain)

    async def _taken_back(self, chat: str, drafts: list[tuple[str, int, Json]], found: Chat | None) -> None:
        for ident, _, _ in drafts:
            for member in found.members if found else ():
                if member.address.network == MAIL:
                    ref = Ref(MAIL, f"{ident}@{self._book.domain}")
                    await self.hub.received(ref, member.address, self._clock())
        async with self._ledger.db.transaction("mail.taken-back") as tx:
            await tx.many("mail.end_draft", [(ident,) for ident, _, _ in drafts])

    async def _internal(self, chat: str, idents: list[str]) -> None:
        box = Address(MAIL, chat.removeprefix(_TEAM))
        for ident in idents:
            if not await self.hub.received(Ref(MAIL, f"{ident}@{self._book.domain}"), box, self._clock()):
                raise Unavailable("not_yet")
        async with self._ledger.db.transaction("mail.internal") as tx:
            await tx.many("mail.end_draft", [(ident,) for ident in idents])

    async def _failed(
        self, drafts: list[tuple[str, int, Json]], refs: tuple[str, ...], chat: Chat | None, code: str
    ) -> None:
        for ref in refs:
            for member in chat.members if chat else ():
                if member.address.network == MAIL:
                    await self.hub.failed(Ref(MAIL, ref), member.address, code, self._clock())
        async with self._ledger.db.transaction("mail.unwritten") as tx:
            await tx.many("mail.end_draft", [(ident,) for ident, _, _ in drafts])

    async def _frame(self, chat: str, thread: str, found: Chat | None, said: list[Said]) -> Frame:
        chain = await self._chain(chat, thread)
        topic = await self._ledger.topic(chat, thread)
        subject = reply_subject(topic["subject"]) if topic.get("subject") else f"Message de {said[0].sender.name}"
        room = self._book.room(found.conversation) if found else None
        frame = Frame(
            (), (), subject, Box(room or f"postmaster@{self._book.domain}"), chain[-1] if chain else None, tuple(chain),
            self._mss, self._ask,
        )  # fmt: skip
        if chat.startswith(_TEAM):
            return await self._team(chat, thread, frame)
        members = found.members if found else ()
        to = tuple(_box(member) for member in members if member.address.network == MAIL)
        writers = {one.sender.address for one in said}
        own = [await self._own(member.person) for member in members if member.address.network != MAIL]
        cc = [box for box in own if box.address not in writers]
        if len(writers) > 1:
            cc += [one.sender for one in said]
        if not to:
            raise Refused("not_reachable")
        return _with(frame, to, tuple(dict.fromkeys(cc)))

    async def _chain(self, chat: str, thread: str) -> list[str]:
        """What a thread's next mail cites. A thread begun on a message of the chat hangs on the mail that holds it.

        Raises Unavailable while that message waits to become a mail.
        """
        chain = await self._ledger.chain(chat, thread)
        if chain or thread == MAIN:
            return chain
        found = await self._ledger.of_ref(thread)
        if found is None:
            return [thread]
        waiting = await self._ledger.drafts(chat, found[0].thread)
        if any(f"{ident}@{self._book.domain}" == thread for ident, _, _ in waiting):
            raise Unavailable("not_yet")
        return [found[0].mid.removesuffix(f"#{thread}")]

    async def _team(self, chat: str, thread: str, frame: Frame) -> Frame:
        """An answer in the name of the mailbox: to whoever wrote last, and to whom that mail went."""
        last = await self._ledger.last_mail(chat, thread)
        address = chat.removeprefix(_TEAM)
        if last is None:
            raise Refused("not_reachable")
        me = Box(address, self._book.teams.get(address, ""))
        first = last["to"] if last.get("ours") else (last.get("reply_to") or [last["from"]])
        to = tuple(Box(*pair) for pair in first if pair[0].lower() != address)
        rest = last["cc"] if last.get("ours") else [*last["to"], *last["cc"]]
        cc = tuple(Box(*p) for p in rest if p[0].lower() != address and p[0] not in {b.address for b in to})
        cc = tuple(box for box in cc if not self._book.ours(box.address))
        return _with(frame, to, cc, me)

    async def _own(self, person: Person) -> Box:
        return Box(await self._book.box(person), person.name)


def _with(frame: Frame, to: tuple[Box, ...], cc: tuple[Box, ...], team: Box | None = None) -> Frame:
    return Frame(
        to, cc, frame.subject, frame.room, frame.in_reply_to, frame.references, frame.mss, frame.want_mdn, team
    )


def _box(member: Member) -> Box:
    return Box(member.address.id, member.person.name)


def _draft(delivery: Delivery, box: Box) -> Json:
    files = [
        [f.name, f.mime, base64.b64encode(f.data).decode("ascii"), f.inline] for f in delivery.body.files
    ]  # fmt: skip
    return {
        "from": [box.address, box.name], "text": delivery.body.text, "html": delivery.body.html, "files": files,
        "at": delivery.sent_at,
    }  # fmt: skip


def _said(ident: str, at: int, body: Json) -> Said:
    files = tuple(File(name, mime, base64.b64decode(data), inline) for name, mime, data, inline in body["files"])
    return Said(ident, at, Box(*body["from"]), body["text"], body["html"], files, body.get("correction", ""))
