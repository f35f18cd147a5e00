"""A mail finds its conversation: the room of exactly its people, a team's room, or the one it was written to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.db import Tx
from bridge.errors import Refused
from bridge.model import MAIL, Address, Kind, Message, Person, Ref
from bridge.networks.mail.documents.patient import may_join, merged, of_plain, plain
from bridge.networks.mail.leg import threads
from bridge.networks.mail.leg.contents import Content, addressed, content, heading
from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.intake import TakenMail
from bridge.networks.mail.leg.ledger import LedgerEntry, Posted
from bridge.networks.mail.leg.threads import MAIN, KnownMail, Place
from bridge.networks.mail.leg.told_before import ToldBefore, printed
from bridge.networks.mail.letters.compose import compose
from bridge.networks.mail.letters.copies import copied, copy_id, copy_letter
from bridge.networks.mail.letters.writing import writable
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail
from bridge.parts.turns import Turns
from bridge.receiver import Chat

Json = dict[str, Any]
log = logging.getLogger(__name__)
_CONTINUES = "↪ Suite d'un échange avec d'autres participants · continues an exchange with other people"
_OTHER_PATIENT = "⚠️ Autre patient : nouveau fil · another patient: a new thread"
_QUICK = 64_000  # bytes; longer mails are read and written in a thread
_PLAIN = 8_000  # bytes; with files, longer ones are, too: a file of separators costs a second
_UNASKED = ("DELAY", "FAILURE")  # what whoever says nothing is told (RFC 3461, 4.1); NEVER: nothing
_HEADER = 16_000  # bytes of a mail's header kept for reports about it


@dataclass(frozen=True, slots=True)
class Target:
    """One conversation that a mail belongs to. ``suffix`` tells apart what one mail says in several conversations."""

    sender: Address
    handles: tuple[str, ...] = field(repr=False)  # of the others, for a new conversation
    people: frozenset[str] = field(repr=False)
    chat: str | None = None  # known from the start: a team's room, a conversation's address
    suffix: str = ""
    heading: str = field(default="", repr=False)
    recipients: tuple[str, ...] = field(default=(), repr=False)  # of the envelope: who hears of it if it is refused
    room: str = ""  # the conversation's address, if it was written to
    missed: tuple[Box, ...] = field(default=(), repr=False)  # its mailboxes that the author did not write to


class Arrivals:
    """Brings mails into the hub. ``posted`` hears of the domains that have mail, ``ended`` of mails that cannot go."""

    def __init__(self, edge: MailEdge, teams: dict[str, tuple[str, ...]]) -> None:
        """``teams``: address -> handles of its members."""
        self.hub = edge.hub
        self._ledger = edge.ledger
        self._before = ToldBefore(edge.ledger)
        self._book = edge.book
        self._teams = teams
        self._mss = {"X-MSS-NIL": edge.product} if edge.product else {}
        self.posted = edge.posted
        self.ended = edge.ended
        self._turns = Turns()

    async def accept(self, taken: TakenMail, mail: Mail, target: Target, *, last: bool) -> None:
        """Bring a mail into one conversation; into the ``last`` one it comes as it goes off the disk.

        Raises Refused, Unavailable.
        """
        key = threads.people_key(target.people)
        async with self._turns.of(key):
            ids = [*threads.cited(mail), *([mail.message_id] if mail.message_id else [])]
            known = await self._ledger.known(ids)
            place, fresh = await self._place(mail, target, key, known)
            outside = await self._outside(mail, target)
            await self._write(taken, mail, target, _Placed(place, fresh, key, known, outside, last))

    # -- where ---------------------------------------------------------------------------------------------

    async def _place(
        self, mail: Mail, target: Target, key: str, known: dict[str, list[KnownMail]]
    ) -> tuple[Place, bool]:
        """The place, and whether the conversation is new."""
        cites = threads.cited(mail)
        chat, fresh = target.chat, False
        if chat is None:
            own = [mail.message_id] if mail.message_id else []
            chat, fresh = await self._chat(target, key, [*cites, *own], known)
        elif chat.startswith("team:"):
            fresh = await self.hub.facts.chat(MAIL, chat) is None
        thread = threads.thread(chat, cites, known, mail.message_id)
        return Place(chat, thread, threads.answered(chat, cites, known)), fresh

    async def _chat(
        self, target: Target, key: str, cites: Sequence[str], known: dict[str, list[KnownMail]]
    ) -> tuple[str, bool]:
        same, wider = set[str](), set[str]()
        for chat in {row.chat for rows in known.values() for row in rows}:
            found = await self.hub.facts.chat(MAIL, chat)
            people = _people(found)
            if found is not None and people >= target.people and _at(found, target.sender):
                wider.add(chat)
                if people == target.people:
                    same.add(chat)
        allowed = {ident: [row for row in rows if row.chat in wider] for ident, rows in known.items()}
        home = threads.home(cites, allowed, key, same)
        if home is not None:
            return home, False
        among = await self.hub.facts.among(target.people, target.sender)
        if among is not None:
            return among.chat or among.conversation, False
        return await self._new(key, target.people, target.sender)

    async def _new(self, key: str, people: frozenset[str], author: Address) -> tuple[str, bool]:
        """A name that no conversation has, unless it is one of exactly these people, and of this author's mailbox."""
        number = 0
        while True:
            chat = f"people:{key}" + (f"/{number}" if number else "")
            found = await self.hub.facts.chat(MAIL, chat)
            if found is None:
                return chat, True
            if _people(found) == people and _at(found, author):
                return chat, False
            number += 1

    # -- what ----------------------------------------------------------------------------------------------

    async def _write(self, taken: TakenMail, mail: Mail, target: Target, placed: _Placed) -> None:
        ref = await self._ref(mail, target, placed)
        shown = await self._content(taken, mail)
        place, notes = placed.place, []
        topic = await self._ledger.topic(place.chat, place.thread) if place.thread else {}
        patients = [of_plain(p) for p in topic.get("patients", ())]
        if place.thread is not None and may_join(patients, shown.patients) is False:
            place, topic, patients = Place(place.chat), {}, []
            notes.append(_OTHER_PATIENT)
        earlier = threads.elsewhere(place.chat, threads.cited(mail), placed.known) if placed.fresh else None
        if earlier is not None:
            notes.append(_CONTINUES)
            place = replace(place, reply_to=earlier)
        begins = place.thread is None or place.thread == ref
        if begins and not target.heading:
            notes.append(heading(mail))
        aside, mark = await self._aside(place.chat, ref if begins else place.thread or MAIN, placed.outside)
        above = "\n".join([*notes, target.heading, aside]).strip()
        told, signed = await self._before.all(place.chat, placed.known, shown)
        message = Message(
            ref=Ref(MAIL, ref), chat=place.chat, sender=target.sender,
            kind=Kind.NOTICE if mail.automatic else Kind.TEXT,
            body=replace(shown.under(above, told=told), urgent=mail.urgent and not mail.automatic),
            sent_at=mail.sent_at or taken.envelope.received_at, to=target.handles if placed.fresh else (),
            reply_to=Ref(MAIL, place.reply_to) if place.reply_to else None,
            thread=None if begins or place.thread == MAIN or place.thread is None else Ref(MAIL, place.thread),
        )  # fmt: skip
        everyone = [plain(p) for p in merged([*patients, *shown.patients])]
        entry = self._entry(taken, mail, _Place(place, ref, placed.key, bool(begins)), everyone)
        copy, refused = await self._copy(taken, mail, target, entry) if target.missed else (None, {})
        more = (mark if aside else "", signed, copy.mid if copy is not None and copy.raw else "")
        entry = replace(entry, cites=(*entry.cites, *filter(None, more)))

        async def within(tx: Tx) -> None:
            if copy is not None and await tx.one("mail.ref", ref) is None:  # who was added since then gets none
                await self._ledger.post(tx, copy, refused)
            await self._ledger.enter(tx, entry)
            if topic and len(everyone) != len(patients) and entry.topic is None:
                await self._ledger.set_topic(tx, place.chat, entry.thread, topic | {"patients": everyone})
            if placed.last:
                await taken.settle(tx)

        await self.hub.accept(message, within)
        taken.settled = placed.last
        for box in target.missed:
            self.posted(box.domain)
        if refused:
            self.ended()

    async def _copy(
        self, taken: TakenMail, mail: Mail, target: Target, entry: LedgerEntry
    ) -> tuple[Posted, dict[str, str]]:
        """The mail to the conversation's mailboxes that the author did not write to; to whom it cannot go, and why.

        For those it is refused in the same transaction: the room and the author are told.
        """
        ident, to = copy_id(mail, entry.chat, entry.ref), tuple(box for box in target.missed if writable(box))
        mid, at = f"{ident}@{self._book.domain}", taken.envelope.received_at

        def made() -> bytes:
            written = copy_letter(mid, mail, taken.raw, Box(target.room), to, self._mss)
            return compose(replace(written, sent_at=written.sent_at or at))

        raw, refused = b"", {box.address: "bad_address" for box in target.missed if box not in to}
        try:
            if to:
                raw = made() if mail.size < _QUICK else await asyncio.to_thread(made)
        except Refused as refusal:
            log.error("ALARM a mail to a conversation's address reaches no mailbox of it: %s", refusal.code)
            refused |= {box.address: "mail_copy_unwritten" for box in to}
        boxes = tuple(box.address for box in target.missed)
        return Posted(ident, mid, target.room, boxes, (entry.ref,), raw, at), refused

    async def _outside(self, mail: Mail, target: Target) -> tuple[str, ...]:
        """Who else is in To or Cc and does not read along here; our own addresses have their conversations."""
        assert mail.sender is not None
        author = mail.sender.address.lower()
        found: dict[str, None] = {}
        for address in dict.fromkeys(box.address.lower() for box in (*mail.to, *mail.cc)):
            if address != author and not self._book.ours(address):
                person = await self.hub.facts.who(Address(MAIL, address))
                if person is None or person.id not in target.people:
                    found[address] = None
        return tuple(found)

    async def _aside(self, chat: str, thread: str, outside: Sequence[str]) -> tuple[str, str]:
        """What is said of them, empty if just these were named in this thread before; the thread cites the mark."""
        mark = f"outside:{threads.people_key([thread, '>', *outside])}"
        named = outside and not any(row.chat == chat for row in (await self._ledger.known([mark])).get(mark, ()))
        return addressed(outside) if named else "", mark

    async def _content(self, taken: TakenMail, mail: Mail) -> Content:
        """Documents may take seconds to read: they must not hold up anybody else."""
        if mail.size < _PLAIN or (mail.size < _QUICK and not mail.files):
            return content(mail, taken.raw)
        return await asyncio.to_thread(content, mail, taken.raw)

    async def _ref(self, mail: Mail, target: Target, placed: _Placed) -> str:
        """The hub's name of the mail. An id that is used again with other content is another mail, and says so."""
        ref = (mail.message_id or f"digest:{mail.digest}") + target.suffix
        found = await self._ledger.of_ref(ref)
        if found is not None and found[1] is not None and found[1].get("digest") not in (None, mail.digest):
            log.warning("a message id was used again with other content")
            return f"{ref}#{mail.digest[:16]}"
        return ref

    def _entry(self, taken: TakenMail, mail: Mail, where: _Place, patients: list[Json]) -> LedgerEntry:
        place, ref = where.place, where.ref
        thread = ref if where.begins else (place.thread or MAIN)
        mid = ref if mail.message_id is None or ref.endswith(f"#{mail.digest[:16]}") else mail.message_id
        cites = tuple(ident for ident in threads.cited(mail))
        topic = {"subject": mail.subject, "patients": patients} if where.begins else None
        return LedgerEntry(place.chat, mid, thread, ref, where.key, _about(taken, mail), cites, topic)

    # -- who -----------------------------------------------------------------------------------------------

    async def targets(self, taken: TakenMail, mail: Mail) -> tuple[list[Target], list[str]]:
        """The conversations of a mail (teams, conversations by address, its people, each hidden recipient), and the
        recipients whose conversation its author may not write to. Raises Refused for an author nobody vouches for,
        and for one who writes to nobody else."""
        assert mail.sender is not None
        author = Address(MAIL, mail.sender.address.lower())
        person = await self.hub.facts.identify(author, "sender")
        await self.hub.introduce(author, mail.sender.name)
        found: list[Target] = []
        refused: list[str] = []
        holders: dict[str, tuple[Person, str]] = {}
        for recipient in dict.fromkeys(r.lower() for r in taken.envelope.recipients):
            if (target := self._team(mail, recipient)) is not None:
                found.append(target)
            elif self._book.conversation(recipient):
                room = await self._room(mail, person, recipient)
                found += [room] if room else []
                refused += [] if room else [recipient]
            elif (holder := await self._book.holder(recipient, self.hub)) is not None:
                holders.setdefault(holder.id, (holder, recipient))
            else:
                refused.append(recipient)
        if holders:
            found += await self._direct(mail, author, person, holders)
        if not found and not refused:
            raise Refused("nobody_else")
        return found, refused

    def _team(self, mail: Mail, recipient: str) -> Target | None:
        address = self._book.team(recipient)
        if address is None:
            return None
        who = mail.sender.name or mail.sender.address if mail.sender else ""
        head = f"De / from : {who}\n{heading(mail)}".strip()
        box = Address(MAIL, address)
        return Target(
            box, self._teams[address], frozenset({f"team:{address}"}), f"team:{address}", f"#team:{address}", head,
            (recipient,),
        )  # fmt: skip

    async def _room(self, mail: Mail, person: Person, recipient: str) -> Target | None:
        conversation = self._book.conversation(recipient)
        chat = await self.hub.facts.leg(conversation, MAIL) if conversation else None
        if chat is None or mail.sender is None or not _at(chat, Address(MAIL, mail.sender.address.lower())):
            return None
        missed = await self._missed(mail, chat, person) if copied(mail, self._book.domains) else ()
        author, room = Address(MAIL, mail.sender.address.lower()), self._book.room(chat.conversation) or recipient
        return Target(
            author, (), _people(chat), chat.chat or chat.conversation, recipients=(recipient,), room=room, missed=missed
        )

    async def _missed(self, mail: Mail, chat: Chat, author: Person) -> tuple[Box, ...]:
        """Members with a mailbox at another operator who are neither in To nor in Cc (under any of their addresses)."""
        named, written = {author.id}, {box.address.lower() for box in (*mail.to, *mail.cc)}
        for address in written:
            if not self._book.ours(address) and (other := await self.hub.facts.who(Address(MAIL, address))) is not None:
                named.add(other.id)
        return tuple(
            Box(member.address.id, member.person.name)
            for member in chat.members
            if member.address.network == MAIL
            and not self._book.ours(member.address.id)
            and member.address.id.lower() not in written
            and member.person.id not in named
        )

    async def _direct(
        self, mail: Mail, author: Address, person: Person, holders: dict[str, tuple[Person, str]]
    ) -> list[Target]:
        """``holders``: by person, with the mailbox in the envelope."""
        named: dict[str, str] = {}  # person -> handle
        for box in (*mail.to, *mail.cc):
            if (other := await self._named(box)) is not None and other[0] != person.id:
                named.setdefault(*other)
        found = []
        if any(ident in named for ident in holders):
            people = frozenset({person.id, *named})
            boxes = tuple(box for ident, (_, box) in holders.items() if ident in named)
            found.append(Target(author, tuple(named.values()), people, recipients=boxes))
        for ident, (holder, address) in holders.items():
            if ident not in named and ident != person.id:  # a hidden recipient: nobody else learns of it
                suffix = f"#bcc:{threads.people_key([ident])[:16]}"
                alone = frozenset({person.id, ident})
                found.append(Target(author, (_handle(holder),), alone, suffix=suffix, recipients=(address,)))
        return found

    async def _named(self, box: Box) -> tuple[str, str] | None:
        """Somebody in To or Cc: one of ours, or somebody of the trust space. Others are no members."""
        address = box.address.lower()
        if self._book.ours(address):
            holder = await self._book.holder(address, self.hub)
            return None if holder is None else (holder.id, _handle(holder))
        person = await self.hub.facts.who(Address(MAIL, address))
        if person is None:
            return None
        await self.hub.introduce(Address(MAIL, address), box.name)
        return person.id, f"{MAIL}:{address}"


@dataclass(frozen=True, slots=True)
class _Placed:
    place: Place
    fresh: bool
    key: str
    known: dict[str, list[KnownMail]]
    outside: tuple[str, ...] = field(default=(), repr=False)
    last: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    place: Place
    ref: str
    key: str
    begins: bool


def _at(chat: Chat, author: Address) -> bool:
    """Whether somebody takes part in it by this mailbox: a member by another account does not."""
    return any(member.address == author for member in chat.members)


def _people(chat: Chat | None) -> frozenset[str]:
    return frozenset() if chat is None else frozenset(member.person.id for member in chat.members)


def _handle(person: Person) -> str:
    return f"rpps:{person.rpps}" if person.rpps else person.id


def _about(taken: TakenMail, mail: Mail) -> Json:
    """What reports and answers need to know of a mail later."""
    envelope = taken.envelope
    return {
        "from": [mail.sender.address, mail.sender.name] if mail.sender else None,
        "to": [[box.address, box.name] for box in mail.to],
        "cc": [[box.address, box.name] for box in mail.cc],
        "reply_to": [[box.address, box.name] for box in mail.reply_to],
        "subject": mail.subject,
        "digest": mail.digest,
        "index": mail.thread_index,
        "sender": envelope.sender,
        "envid": envelope.envid,
        "notify": sorted({word for one in envelope.notify for word in (_UNASKED if one is None else one)}),
        "mdn_to": [mail.mdn_to.address, mail.mdn_to.name] if mail.mdn_to else None,
        "automatic": mail.automatic,
        "prints": printed(mail.text),
        "header": taken.raw.partition(b"\r\n\r\n")[0][:_HEADER].decode("latin-1"),
    }
