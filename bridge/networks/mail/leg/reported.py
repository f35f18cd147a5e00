"""Which of our mails a report is about: by the ids that it names, else by the mailbox and what went there lately."""

from __future__ import annotations

from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.intake import TakenMail
from bridge.networks.mail.leg.threads import MAIN, KnownMail
from bridge.networks.mail.mime.automatic import by_system
from bridge.networks.mail.mime.mail import Dsn, Mail, Mdn
from bridge.networks.mail.smtp.address import domain_of

_LATELY = 5 * 86_400_000  # ms; operators give up after five days (RFC 5321, 4.5.4.1)

_SECOND = 1_000  # ms; the date of a mail has whole seconds
_UNDER_WAY, _CLOCKS = 120_000, 5_000  # ms from "ready" to "arrived", and what clocks may differ

Found = tuple[str, tuple[str, ...], dict[str, str]]
"""A mail's id, the refs that it carries, its recipients' states."""


class Reported:
    """Looks for the mail of a report."""

    def __init__(self, edge: MailEdge) -> None:
        self._hub = edge.hub
        self._ledger = edge.ledger
        self._book = edge.book
        self._clock = edge.clock

    async def mail(self, report: Dsn | Mdn, taken: TakenMail, mail: Mail) -> Found | None:
        """The mail; None for one that is not ours, or that cannot be told apart from others."""
        ids = [getattr(report, "envelope_id", ""), report.message_id or ""]
        if isinstance(report, Dsn):
            ids += [one for one in report.mentions if domain_of(one) in self._book.domains]
        for ident in filter(None, ids):
            if (found := await self._ledger.sent(ident)) is not None:
                return found
        return await self._by_mailbox(report, taken, mail) if isinstance(report, Dsn) else None

    async def _by_mailbox(self, report: Dsn, taken: TakenMail, mail: Mail) -> Found | None:
        """The only mail that went lately from the mailbox that the report came to, to the one that it is about.

        Among several the dates in the report decide. A mail system alone is believed (it has no envelope sender):
        nothing here proves that it knows the mail.
        """
        if taken.envelope.sender or not by_system(mail.sender):
            return None
        senders = {recipient.lower() for recipient in taken.envelope.recipients}
        since, found = self._clock() - _LATELY, dict[str, int]()
        for one in report.recipients:
            for address in dict.fromkeys((one.original.lower(), one.address.lower())):
                found |= await self._ledger.lately(address, senders, since) if address else {}
        fits = [ident for ident, at in found.items() if await self._fits(report, ident, at, len(found) > 1)]
        return await self._ledger.sent(fits[0]) if len(fits) == 1 else None

    async def _fits(self, report: Dsn, ident: str, at: int, several: bool) -> bool:
        """Whether a mail that was ready at this time can be the one of a report, by the dates that it gives."""
        if report.sent_at is not None:
            said = await self._said(ident)
            return any(0 <= time - report.sent_at < _SECOND for time in said)
        if several and report.arrived_at is not None:
            return -_CLOCKS <= report.arrived_at - at <= _UNDER_WAY
        return True

    async def _said(self, ident: str) -> list[int]:
        """When the messages of a mail were written (ms): its date is one of these."""
        sent = await self._ledger.sent(ident)
        found = await self._ledger.of_ref(sent[1][0]) if sent is not None and sent[1] else None
        about = found[1] if found is not None else None
        return [int(time) for time in (about or {}).get("said", {}).values()]

    async def rooms(self, report: Dsn | Mdn, taken: TakenMail) -> list[tuple[KnownMail, str]]:
        """The conversations to whose address a report of a failure came, each with a mailbox that it is about."""
        about = [report.recipient] if isinstance(report, Mdn) else [r.address for r in report.recipients]
        speaks, found = taken.envelope.dn_domains, []
        for recipient in taken.envelope.recipients:
            conversation = self._book.conversation(recipient)
            chat = await self._hub.facts.leg(conversation, "mail") if conversation else None
            if chat is None:
                continue
            there = {member.address.id.lower() for member in chat.members}
            place = KnownMail(chat.chat or chat.conversation, "", MAIN, None, "")
            believed = (one.lower() for one in about if not speaks or domain_of(one) in speaks)
            found += [(place, address) for address in dict.fromkeys(believed) if address in there]
        return found
