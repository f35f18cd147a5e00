"""Who has taken a mail of a team: ✅ marks its thread as handled, ✅ taken back opens it again; the thread says so."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.errors import Refused
from bridge.model import MAIL, Address, Body, Delivery, Kind, Message, Person, Ref
from bridge.networks.mail.leg.ledger import Ledger
from bridge.networks.mail.leg.reply_envelope import TEAM
from bridge.networks.mail.leg.threads import MAIN
from bridge.receiver import Receiver

log = logging.getLogger(__name__)
DONE = "✅"
_BY = "done:"  # before a thread: the marks in it that stand; a row without a ref, its ``people`` is who set it
_BACK = "undone"  # the thread of those that do not


class Handling:
    """Keeps the marks. The notice is posted before the change is written: after a crash in between it is known."""

    def __init__(self, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._clock = clock

    async def mark(self, hub: Receiver, delivery: Delivery, chat: str, own: str) -> None:
        """A reaction, which is called ``own``: ✅ on a mail of a team. The first one counts, later ones stand by."""
        if not chat.startswith(TEAM) or not delivery.body.text.startswith(DONE) or delivery.reply_to is None:
            return
        found = await self._ledger.of_ref(delivery.reply_to.id)
        if found is None or found[0].thread == MAIN or await self._thread(chat, own) is not None:
            return
        thread, now = found[0].thread, self._clock()
        row = await self._ledger.db.one("mail.thread", chat, thread)
        free = row is not None and row["handled_by"] is None
        if free:
            name = delivery.sender.name
            await self._say(hub, chat, thread, f"handled:{own}", f"{DONE} Pris en charge par {name}\nHandled by {name}")
        async with self._ledger.db.transaction("mail.handled") as tx:
            await tx.run("mail.mark", chat, own, _BY + thread, delivery.sender.id, self._ledger.next_n())
            if free:
                await tx.run("mail.handled", chat, thread, delivery.sender.id, now)

    async def withdraw(self, hub: Receiver, delivery: Delivery, chat: str) -> bool:
        """Somebody takes back what they said; False if it was no mark of theirs."""
        own = delivery.reply_to.id if delivery.reply_to is not None else ""
        where = await self._thread(chat, own)
        if where is None or where == _BACK:
            return where is not None
        thread, now = where.removeprefix(_BY), self._clock()
        row = await self._ledger.db.one("mail.thread", chat, thread)
        others = [r["people"] for r in await self._ledger.db.all("mail.marks", chat, where) if r["mid"] != own]
        ends = row is not None and row["handled_by"] == delivery.sender.id and delivery.sender.id not in others
        members = {member.person.id: member.person for member in delivery.members}
        after = next((members[one] for one in others if one in members), None)
        if ends:
            await self._say(hub, chat, thread, f"unhandled:{own}", _taken_back(delivery.sender, after))
        async with self._ledger.db.transaction("mail.unhandled") as tx:
            await tx.run("mail.unmark", chat, own, _BACK)
            if ends:
                await tx.run("mail.handler", chat, thread, after.id if after else None, now if after else None)
        return True

    async def _thread(self, chat: str, mark: str) -> str | None:
        row = await self._ledger.db.one("mail.mark_of", chat, mark)
        return None if row is None else str(row["thread"])

    async def _say(self, hub: Receiver, chat: str, thread: str, ident: str, text: str) -> None:
        """In the thread, in the mailbox's name, once."""
        box, root = Address(MAIL, chat.removeprefix(TEAM)), Ref(MAIL, thread)
        try:
            await hub.accept(Message(Ref(MAIL, ident), chat, box, Kind.NOTICE, Body(text), self._clock(), thread=root))
        except Refused as refusal:  # whoever could be told has left
            log.info("nobody is told who handles a thread: %s", refusal.code)


def _taken_back(who: Person, after: Person | None) -> str:
    if after is not None:
        return (
            f"{DONE} Pris en charge par {after.name} ({who.name} a retiré sa prise en charge)\n"
            f"Handled by {after.name} ({who.name} took theirs back)"
        )
    return (
        f"↩️ Rouvert par {who.name}, à reprendre : plus personne ne s'en charge. Mettez {DONE} pour le prendre.\n"
        f"Reopened by {who.name}: nobody handles it now. Put {DONE} to take it."
    )
