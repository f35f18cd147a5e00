"""What is done to a message that is there: it changes what waits, else the thread's next mail says it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from bridge.errors import Refused, Unavailable
from bridge.kinds import not_carried
from bridge.model import MAIL, Body, Delivery, Kind, Message, Ref
from bridge.networks.mail.leg import drafts
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.ledger import LedgerEntry
from bridge.networks.mail.leg.threads import MAIN, KnownMail
from bridge.networks.mail.letters.from_chat import UNREACTION
from bridge.networks.mail.mime.boxes import Box
from bridge.receiver import Receiver
from bridge.words import notice, speaking

Json = dict[str, Any]
log = logging.getLogger(__name__)
FIX = "fix:"  # before a thread: what waits for its next mail


class Amends:
    """Corrections, removals and reactions. None of them makes a mail of its own."""

    def __init__(self, edge: MailEdge) -> None:
        self._hub: Receiver = edge.hub
        self._ledger = edge.ledger
        self._book: AddressBook = edge.book
        self._clock: Callable[[], int] = edge.clock

    async def take(self, delivery: Delivery, chat: str) -> None:
        """Note one of a chat, in the chat's turn. Raises Refused for one that is about nothing here, Unavailable."""
        found = await self._ledger.of_ref(delivery.reply_to.id) if delivery.reply_to is not None else None
        if found is None or found[0].chat != chat or found[0].ref is None:
            raise Refused(not_carried(delivery.kind))
        known, about = found
        waiting = {ident: body for ident, _, body in await self._ledger.drafts(chat, known.thread)}
        later = {ident: body for ident, _, body in await self._ledger.drafts(chat, FIX + known.thread)}
        own = f"{delivery.id}@{self._book.domain}"
        entry = LedgerEntry(chat, own, known.thread, own, known.people)
        if delivery.kind is Kind.REACTION:
            await self._reacted(delivery, entry, await self._said_at(known, about))
        else:
            await self._corrected(delivery, entry, found, waiting, later)

    async def _reacted(self, delivery: Delivery, entry: LedgerEntry, said: int | None) -> None:
        """It waits for the next mail, as its writer is told once in each chat."""
        more = {"reaction": delivery.body.text, "text": "", "html": None, "corrects": said or 0}
        await self._wait(delivery, entry, more)
        told = Ref(MAIL, f"reactions:{entry.chat}:{delivery.sender.id}")
        await self._tell(delivery, entry.thread, told, "mail_reaction_later")

    async def _corrected(
        self, delivery: Delivery, entry: LedgerEntry, found: tuple[KnownMail, Json | None],
        waiting: dict[str, Json], later: dict[str, Json],
    ) -> None:  # fmt: skip
        target = str(found[0].ref).partition("@")[0]
        left = await self._left_at(*found)
        reacted = target in later and bool(later[target].get("reaction"))
        if target not in waiting and not reacted:
            await self._late(delivery, entry, target, left, later)
            return
        async with self._ledger.db.transaction("mail.correction") as tx:
            await self._ledger.enter(tx, entry)
            if reacted:
                await tx.run("mail.end_draft", target)
            elif delivery.kind is Kind.EDIT:
                fixed = waiting[target] | {"text": delivery.body.text, "html": delivery.body.html}
                await self._ledger.redraft(tx, target, fixed)
            else:
                await self._ledger.redraft(tx, target, waiting[target] | {"text": "", "html": None, "files": []})

    async def _late(
        self, delivery: Delivery, entry: LedgerEntry, target: str, left: int | None, later: dict[str, Json]
    ) -> None:
        """What it is about has left. The next mail says the last of several corrections only."""
        earlier = [ident for ident, body in later.items() if body.get("target") == target and body.get("correction")]
        reaction = left == _REACTION
        if left is not None and not reaction:
            told = Ref(MAIL, f"correction:{delivery.id}")
            await self._tell(delivery, entry.thread, told, f"mail_{delivery.kind.value}_late")
        for ident in earlier:  # before they end: after a crash it is said again
            for member in delivery.recipients:
                ref = Ref(MAIL, f"{ident}@{self._book.domain}")
                if not await self._hub.signs.failed(ref, member.address, "corrected", self._clock()):
                    raise Unavailable("not_yet", alone=True)
        kind = UNREACTION if reaction else delivery.kind.value
        at = 0 if reaction else left or 0
        await self._wait(delivery, entry, {"correction": kind, "corrects": at, "target": target}, earlier)

    async def _wait(self, delivery: Delivery, entry: LedgerEntry, more: Json, instead: list[str] | None = None) -> None:
        """The thread's next mail says it; ``instead`` of what waited for that before."""
        box = Box(await self._book.box(delivery.sender), delivery.sender.name)
        async with self._ledger.db.transaction("mail.correction") as tx:
            await self._ledger.enter(tx, entry)
            body = drafts.draft(delivery, box) | more
            await self._ledger.draft(tx, delivery.id, (entry.chat, FIX + entry.thread), self._clock(), body)
            await tx.many("mail.end_draft", [(ident,) for ident in instead or ()])

    async def _about(self, known: KnownMail, about: Json | None) -> Json | None:
        """What is noted about the mail that a message is in."""
        mail = known.mid.partition("#")[0]
        if mail == known.mid:
            return about
        first = await self._ledger.of_ref(mail)
        return first[1] if first is not None else None

    async def _left_at(self, known: KnownMail, about: Json | None) -> int | None:
        """When a message of ours was said that has left in a mail (0: unknown); None if it has not left.

        A reaction that has left has no time of its own, but one that no message has.
        """
        whole = await self._about(known, about)
        if whole is None or not whole.get("ours"):
            return None
        return _REACTION if known.ref in whole.get("reacted", ()) else int(whole.get("said", {}).get(known.ref, 0))

    async def _said_at(self, known: KnownMail, about: Json | None) -> int | None:
        """When that was said to which somebody reacts, as far as a mail tells."""
        whole = await self._about(known, about)
        return None if whole is None else int(whole.get("said", {}).get(known.ref, 0))

    async def _tell(self, delivery: Delivery, thread: str, ref: Ref, code: str) -> None:
        """The writer is told, once for each ``ref`` and on their own leg."""
        writer = next((m for m in delivery.members if m.person.id == delivery.sender.id), None)
        if not delivery.recipients or writer is None:
            return
        root, own = None if thread == MAIN else Ref(MAIL, thread), writer.address.network
        chat, by = delivery.chat or delivery.conversation, delivery.recipients[0].address
        with speaking(await self._hub.facts.language(writer.address)):
            body = Body(notice(code), system=True)
        said = Message(ref, chat, by, Kind.NOTICE, body, self._clock(), (), delivery.reply_to, root, own)
        try:
            await self._hub.accept(said)
        except Refused as refusal:  # whoever could be told has left
            log.info("nobody is told %s: %s", code, refusal.code)


_REACTION = -1  # instead of a time
