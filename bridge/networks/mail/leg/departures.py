"""From a chat message to a mail: who it goes to, in which thread, in whose name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from bridge.db import Tx
from bridge.errors import Refused, Unavailable
from bridge.kinds import KINDS
from bridge.model import MAIL, Address, Delivery, Kind, Ref
from bridge.networks.mail.documents.outgoing import Conformed
from bridge.networks.mail.documents.patient import Patient, may_join, merged, of_plain, plain
from bridge.networks.mail.leg import drafts, threads
from bridge.networks.mail.leg.amends import FIX, Amends
from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.ledger import LedgerEntry, Posted
from bridge.networks.mail.leg.reply_envelope import TEAM, Frames, Where
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.leg.taken_charge import Handling
from bridge.networks.mail.leg.threads import MAIN
from bridge.networks.mail.leg.told_before import printed
from bridge.networks.mail.letters.compose import Letter, compose
from bridge.networks.mail.letters.from_chat import ChatMessage, Frame, letter
from bridge.networks.mail.letters.per_patient import Parcel, as_sent, conformed, divided, parcels, with_documents
from bridge.networks.mail.letters.writing import writable
from bridge.networks.mail.mime.boxes import Box
from bridge.parts.failpoint import failpoint
from bridge.parts.turns import Turns

Json = dict[str, Any]
log = logging.getLogger(__name__)
_QUICK = 64_000  # bytes; larger documents are read in a thread
Gathered = Callable[[str, str, int, bool], None]
"""A draft of this chat and thread is on disk, since this time (ms); whether it must not wait for others."""
INTERNAL = "internal"  # what a team says outside of a mail's thread: it stays in its room


class Departures:
    """Drafts become letters. ``posted`` hears of the domains that have mail, ``ended`` of mails that cannot go."""

    def __init__(self, edge: MailEdge, gathered: Gathered, settings: MailSettings) -> None:
        self.hub = edge.hub
        self._ledger = edge.ledger
        self._book = edge.book
        self._clock = edge.clock
        self._files = edge.files
        mss = {"X-MSS-NIL": edge.product} if edge.product else {}
        self._frames = Frames(edge.ledger, edge.book, mss, settings)
        self._handling = Handling(edge.ledger, edge.clock)
        self._amends = Amends(edge)
        self._turns = Turns()  # a chat's drafts change one by one
        self.gathered = gathered
        self.posted = edge.posted
        self.ended = edge.ended

    async def take(self, delivery: Delivery) -> Ref:
        """Keep a delivery on disk as a draft; the hub may forget it. Raises Refused, Unavailable."""
        ref = Ref(MAIL, f"{delivery.id}@{self._book.domain}")
        chat = delivery.chat or delivery.conversation
        if delivery.kind in (Kind.MEMBERS, Kind.NAME) or await self._ledger.of_ref(ref.id) is not None:
            return ref
        team = chat.startswith(TEAM)
        if team and delivery.kind in (Kind.REACTION, Kind.HANDLED):
            await self._handling.mark(self.hub, delivery, chat, ref.id)
            return ref
        if delivery.kind is Kind.REMOVAL and await self._handling.withdraw(self.hub, delivery, chat):
            return ref
        if KINDS[delivery.kind].corrects or delivery.kind is Kind.REACTION:
            async with self._turns.of(chat):
                await self._amends.take(delivery, chat)
            return ref
        thread = await self._thread(delivery, chat)
        internal = team and thread == MAIN
        box = Box(await self._book.box(delivery.sender), delivery.sender.name)
        people = threads.people_key(member.person.id for member in delivery.members)
        entry = LedgerEntry(chat, ref.id, thread, ref.id, people)
        async with self._ledger.db.transaction("mail.draft") as tx:
            await self._ledger.enter(tx, entry)
            body = {} if internal else drafts.draft(delivery, box)
            where = (chat, INTERNAL if internal else thread)
            await self._ledger.draft(tx, delivery.id, where, self._clock(), body)
        failpoint("mail.drafted")
        self.gathered(*where, self._clock(), delivery.body.urgent)
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

    # -- letters -------------------------------------------------------------------------------------------

    async def close(self, chat: str, thread: str) -> None:
        """Make a mail of everything that was gathered, several where documents are of several patients.

        Raises Unavailable.
        """
        async with self._turns.of(chat):
            await self._close(chat, thread)

    async def _close(self, chat: str, thread: str) -> None:
        waiting = await self._ledger.drafts(chat, thread)
        if not waiting:
            return
        if thread == INTERNAL:
            await self._internal(chat, [ident for ident, _, _ in waiting])
            return
        found = await self.hub.facts.chat(MAIL, chat) or await self.hub.facts.leg(chat, MAIL)
        where = Where(chat, thread, found)
        fixes = tuple(drafts.said(*draft) for draft in await self._ledger.drafts(chat, FIX + thread))
        said = [drafts.said(*draft) for draft in waiting]
        if gone := [one for one in said if one.taken_back]:
            await self._taken_back(where, gone)
        said = [read for one in said if not one.taken_back and (read := await self._read(where, one)) is not None]
        for _, some in groupby(said, key=lambda one: one.readers):  # who came later reads nothing said before
            part = list(some)
            made = parcels(part) if _size(part) < _QUICK else await asyncio.to_thread(parcels, part)
            for parcel in made:
                if await self._mail(where, parcel, fixes):
                    fixes = ()

    async def _read(self, where: Where, one: ChatMessage) -> ChatMessage | None:
        """The message with its files whole: a mail is written in memory, and is no larger than mails may be.

        None: a file cannot be had any more, and its writer is told so. Raises Unavailable.
        """
        try:
            return replace(one, files=tuple([await self._files.whole(file) for file in one.files]))
        except Refused as refusal:
            log.warning("a file of a mail is not to be had: %s", refusal.code)
            await self._failed(where, [one], refusal.code)
            return None

    async def _mail(self, where: Where, parcel: Parcel, fixes: tuple[ChatMessage, ...]) -> bool:
        """One mail, or the refusal of what cannot leave; whether the thread's corrections went with it."""
        try:
            documents, begins = await self._documents(where, parcel)
        except Refused as refusal:
            log.warning("documents cannot leave: %s", refusal.code)
            reasons, others = divided(parcel)
            await self._failed(where, reasons.said, refusal.code)
            return bool(others.said) and await self._mail(where, others, fixes)
        said = parcel.said if begins else (*fixes, *parcel.said)
        try:
            frame, unwritable = _writable(await self._frames.of(where, said))
            shown = said if documents is None else as_sent(said, documents)
            written = letter(self._refs(said)[0], shown, frame)
            written = written if documents is None else with_documents(written, documents, begins=begins)
            raw = compose(written)
        except Refused as refusal:
            log.warning("a mail cannot be made: %s", refusal.code)
            await self._failed(where, said, refusal.code)
            return not begins
        await self._post(where, said, written, raw, documents, unwritable)
        return not begins

    async def _documents(self, where: Where, parcel: Parcel) -> tuple[Conformed | None, bool]:
        """The conforming form, if any, and whether that mail begins a thread of its own.

        What is said in the main timeline has no subject to keep. Raises Refused (``xdm_…``).
        """
        if not parcel.carried:
            return None, False
        team = self._book.teams.get(where.chat.removeprefix(TEAM), "") if where.chat.startswith(TEAM) else ""
        found = await asyncio.to_thread(conformed, parcel, self._book.domain, team)
        if found is not None and where.thread != MAIN:
            topic = await self._ledger.topic(where.chat, where.thread)
            if may_join(_patients(topic), [found.patient]) is False:
                raise Refused("xdm_other_patient")
        return found, found is not None and where.thread == MAIN

    async def _post(
        self, where: Where, said: Sequence[ChatMessage], written: Letter, raw: bytes, documents: Conformed | None,
        unwritable: Sequence[str],
    ) -> None:  # fmt: skip
        refs, chat = self._refs(said), where.chat
        boxes = dict.fromkeys(box.address for box in (*written.to, *written.cc))
        recipients = tuple(address for address in boxes if not self._book.ours(address))
        await self._nowhere(refs, [box.address for box in written.to if self._book.ours(box.address)])
        about = {
            "from": [written.sender.address, written.sender.name], "subject": written.subject,
            "to": [[b.address, b.name] for b in written.to], "cc": [[b.address, b.name] for b in written.cc],
            "ours": True, "prints": printed(written.text),
            "said": {ref: one.at for ref, one in zip(refs, said, strict=True) if not (one.correction or one.reaction)},
            "reacted": [ref for ref, one in zip(refs, said, strict=True) if one.reaction],
        }  # fmt: skip
        async with self._ledger.db.transaction("mail.post") as tx:
            if recipients or unwritable:
                sender = written.sender.address
                posted = Posted(said[0].id, refs[0], sender, (*recipients, *unwritable), refs, raw, self._clock())
                await self._ledger.post(tx, posted, dict.fromkeys(unwritable, "bad_address"))
            sealed = self._ledger.close(about, f"about {chat} {refs[0]}")
            await tx.run("mail.set_about", chat, refs[0], sealed)
            if documents is not None:
                await self._note(tx, where, refs, documents)
            await tx.many("mail.within", [(chat, ref, f"{refs[0]}#{ref}") for ref in refs[1:]])
            await tx.many("mail.end_draft", [(one.id,) for one in said])
        failpoint("mail.posted")
        for domain in {address.rpartition("@")[2].lower() for address in recipients}:
            self.posted(domain)
        if unwritable:
            self.ended()

    async def _nowhere(self, refs: Sequence[str], addresses: Sequence[str]) -> None:
        """No mail goes to an address of ours: whoever is a member by it is said to be not reached. Raises Unavailable.

        Before the drafts end: after a crash it is said again.
        """
        for address in addresses:
            reason = self._book.closed(address) or "mail_unknown_box"
            for ref in refs:
                await self._refuse(ref, Address(MAIL, address.lower()), reason)

    async def _refuse(self, ref: str, who: Address, reason: str) -> None:
        """Raises Unavailable as long as the hub has not noted that it gave us the message."""
        if not await self.hub.signs.failed(Ref(MAIL, ref), who, reason, self._clock()):
            raise Unavailable("not_yet", alone=True)

    async def _note(self, tx: Tx, where: Where, refs: tuple[str, ...], documents: Conformed) -> None:
        """Whose documents a thread has: an answer about somebody else must not join it."""
        if where.thread == MAIN:
            topic = {"subject": documents.subject, "patients": [plain(documents.patient)]}
            await self._ledger.begin(tx, where.chat, refs, topic)
            return
        topic = await self._ledger.topic(where.chat, where.thread)
        everyone = merged([*_patients(topic), documents.patient])
        if topic:
            values = topic | {"patients": [plain(one) for one in everyone]}
            await self._ledger.set_topic(tx, where.chat, where.thread, values)

    def _refs(self, said: Sequence[ChatMessage]) -> tuple[str, ...]:
        return tuple(f"{one.id}@{self._book.domain}" for one in said)

    async def _taken_back(self, where: Where, said: Sequence[ChatMessage]) -> None:
        """What was taken back in time reached nobody; its author is told so."""
        for ref in self._refs(said):
            for member in where.members:
                if member.address.network == MAIL:
                    await self._refuse(ref, member.address, "taken_back")
        async with self._ledger.db.transaction("mail.taken-back") as tx:
            await tx.many("mail.end_draft", [(one.id,) for one in said])

    async def _internal(self, chat: str, idents: list[str]) -> None:
        box = Address(MAIL, chat.removeprefix(TEAM))
        for ident in idents:
            if not await self.hub.signs.received(Ref(MAIL, f"{ident}@{self._book.domain}"), box, self._clock()):
                raise Unavailable("not_yet", alone=True)
        async with self._ledger.db.transaction("mail.internal") as tx:
            await tx.many("mail.end_draft", [(ident,) for ident in idents])

    async def _failed(self, where: Where, said: Sequence[ChatMessage], code: str) -> None:
        for ref in self._refs(said):
            for member in where.members:
                if member.address.network == MAIL:
                    await self._refuse(ref, member.address, code)
        async with self._ledger.db.transaction("mail.unwritten") as tx:
            await tx.many("mail.end_draft", [(one.id,) for one in said])


def _writable(frame: Frame) -> tuple[Frame, list[str]]:
    """The frame without the mailboxes that cannot stand in a field, and those. Raises Refused if nobody is left."""
    lost = [box for box in (*frame.to, *frame.cc) if not writable(box)]
    to, cc = (tuple(box for box in boxes if box not in lost) for boxes in (frame.to, frame.cc))
    if lost and not to:
        raise Refused("bad_address", "to")
    return replace(frame, to=to, cc=cc) if lost else frame, list(dict.fromkeys(box.address for box in lost))


def _patients(topic: Json) -> list[Patient]:
    return [of_plain(one) for one in topic.get("patients", ())]


def _size(said: Sequence[ChatMessage]) -> int:
    return sum(file.size for one in said for file in one.files)
