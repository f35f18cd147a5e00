"""The secure-mail space as a network of the hub: mails in by SMTP and LMTP, chat out as mails, reports both ways."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from bridge.connector import Boxes, Capabilities, Followed, OwnQueue
from bridge.db import Tx
from bridge.errors import Refused, said
from bridge.kinds import EVERYWHERE
from bridge.model import MAIL, Address, Delivery, Kind, Person, Ref, Report, Typing
from bridge.network import Built, Network, Outfit
from bridge.networks.mail.leg.addressbook import AddressBook, reachable
from bridge.networks.mail.leg.apicrypt_opening import Opener
from bridge.networks.mail.leg.arrivals import Arrivals
from bridge.networks.mail.leg.departures import Departures
from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.intake import Intake, TakenMail
from bridge.networks.mail.leg.ledger import COMPONENT, Ledger
from bridge.networks.mail.leg.mail_reports import MailReports
from bridge.networks.mail.leg.outgoing import Connects, Gather, Queue
from bridge.networks.mail.leg.reply_envelope import TEAM
from bridge.networks.mail.leg.settings import MailSettings, TeamSettings
from bridge.networks.mail.leg.taken_charge import DONE
from bridge.networks.mail.leg.threads import people_key
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail, MailLimits
from bridge.networks.mail.smtp.lmtp_in import LmtpIn
from bridge.networks.mail.smtp.smtp_in import SmtpIn
from bridge.networks.mail.smtp.smtp_out import SmtpOut
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.judge import Judge
from bridge.networks.mail.trust.noted import NotedLists
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.receiver import Receiver
from bridge.seal import Seal

log = logging.getLogger(__name__)


class Trusts(Judge, Protocol):
    """The trust list, which has to be started."""

    async def start(self) -> None:
        """Load and go on loading."""

    async def stop(self) -> None:
        """Stop loading."""


def _now() -> int:
    return time.time_ns() // 1_000_000


class MailConnector:
    """The connector. ``trust`` is the trust list; it is started and stopped here. ``out`` hands mails over."""

    network = MAIL
    label = "messagerie sécurisée · secure mail"
    capabilities = Capabilities(
        typing=False, max_text=100_000, files=True, max_files=60_000_000,
        kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION, Kind.HANDLED}, own_states=True,
        answers=False,
    )  # fmt: skip

    def __init__(
        self, settings: MailSettings, outfit: Outfit, trust: Trusts, clock: Callable[[], int] = _now,
        out: Connects | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self.trust = trust
        smtp = settings.smtp
        self._citizens = smtp.refused_citizens
        self._hub = hub = outfit.hub
        self._ledger = ledger = Ledger(outfit.db, outfit.seal)
        self.book = book = AddressBook(outfit.db, smtp.domains, {team.address: team.name for team in settings.teams})
        teams = {team.address: tuple(team.members) for team in settings.teams}
        edge = MailEdge(
            hub, ledger, book, clock, settings.product,
            posted=lambda domain: self._queue.wake(domain), ended=lambda: self._queue.tell(), files=outfit.files,
        )  # fmt: skip
        self._arrivals = Arrivals(edge, teams)
        self._departures = Departures(edge, lambda *said: self._gather.add(*said), settings)
        self._receipts = MailReports(edge, hostname=smtp.hostname, give_displayed=settings.give_displayed)
        limits = MailLimits(size=smtp.limits.size + 100_000)
        opener = Opener(settings.apicrypt)
        self._intake = Intake(ledger, outfit.seal, self._settle, limits, opener, book.domains)
        self._gather = Gather(settings.gather, self._departures.close, clock)
        self._smtp_out = SmtpOut(smtp, trust, ours=outfit.db.held)
        sends, told, retry = out or self._smtp_out, self._receipts.told, settings.retry
        self._queue = Queue(ledger, sends, told, retry, clock, lambda box: hub.facts.lost(Address(MAIL, box.lower())))
        self.smtp = SmtpIn(smtp, trust, self._intake.take, self._known, lambda: clock() / 1000, outfit.entrances)
        lmtp = partial(LmtpIn, entrances=outfit.entrances)
        self.lmtp = lmtp(smtp, trust, self._intake.take, self._known) if smtp.lmtp else None
        self._clock = clock

    async def start(self) -> None:
        """See :class:`bridge.connector.Connector`."""
        if not self._settings.trust.crls and not self._settings.trust.ocsp:
            log.error("ALARM networks.mail.trust names no CRL and no OCSP responder: revoked certificates pass")
        if self.book.team(f"postmaster@{self.book.domain}") is None:
            log.warning("nobody reads postmaster@%s: name a team in networks.mail.teams", self.book.domain)
        await self.trust.start()
        await self._ledger.start()
        await self.book.start()
        for team in self._settings.teams:
            await self._hub.introduce(Address(MAIL, team.address), team.name)
            await self._staff(self._hub, team)
        await self._intake.start()
        await self._gather.start(self._ledger)
        self._smtp_out.kept.open()
        await self._queue.start()
        await self.smtp.start()
        if self.lmtp is not None:
            await self.lmtp.start()

    async def _staff(self, hub: Receiver, team: TeamSettings) -> None:
        """A team whose members were changed in the settings: its room follows. Who is unknown is named in the log."""
        box, chat = Address(MAIL, team.address), f"team:{team.address}"
        found = await hub.facts.chat(MAIL, chat)
        if found is None:
            return
        wanted: dict[str, str] = {}
        for handle in team.members:
            network, _, ident = handle.partition(":")
            person = await hub.facts.who(Address(network, ident))
            if person is not None:
                wanted[person.id] = handle
        there = {m.person.id: m.address for m in found.members if m.address != box}
        add = [handle for ident, handle in wanted.items() if ident not in there]
        remove = [address for ident, address in there.items() if ident not in wanted]
        if not add and not remove:
            return
        ref = Ref(MAIL, f"staff:{team.address}:{people_key([*there, '>', *wanted])}:{self._clock()}")
        try:
            await hub.change_members(ref, chat, MAIL, box, add, remove)
        except Refused as refusal:
            log.error("ALARM the members of %s could not be changed: %s", team.address, refusal.code)

    async def forget(self, tx: Tx, chat: str) -> None:
        """See :class:`bridge.connector.Forgets`."""
        await self._ledger.forget(tx, chat)

    async def went_back(self, tx: Tx) -> Sequence[str]:
        """See :class:`bridge.connector.GoesBack`. The Message-IDs of mails that wait."""
        return await self._ledger.waiting(tx)

    async def stop(self) -> None:
        """See :class:`bridge.connector.Connector`."""
        await self.smtp.stop()
        if self.lmtp is not None:
            await self.lmtp.stop()
        await asyncio.gather(self._intake.stop(), self._gather.stop(), self._queue.stop())
        await self._smtp_out.kept.close()
        await self.trust.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._intake.idle and self._gather.idle and self._queue.idle

    @property
    def followed(self) -> Sequence[Followed]:
        """See :class:`bridge.connector.Follows`: the trust list."""
        trust = self.trust
        if not isinstance(trust, Trust):
            return []
        return [Followed("mail_trust", trust.confirmed_at, trust.old, trust.trouble or "")]

    def look_again(self) -> None:
        """See :class:`bridge.connector.LooksAgain`."""
        if isinstance(self.trust, Trust):
            self.trust.look_again()

    async def queues(self, most: int) -> Sequence[OwnQueue]:
        """See :class:`bridge.connector.Queues`: ``in``, and ``out`` for each domain."""
        found = await self._ledger.queues(most)
        return [replace(one, why=self._queue.reasons.peek(one.part) or "") for one in found]

    async def inside(self, name: str) -> Sequence[OwnQueue]:
        """See :class:`bridge.connector.Inside`: for each recipient's domain."""
        found = await self._ledger.inside(name)
        return [replace(one, why=self._queue.reasons.peek(one.part) or "") for one in found]

    async def hurry(self) -> None:
        """See :class:`bridge.connector.Hurries`."""
        await self._queue.hurry()

    def vouched(self, address: Address) -> bool:
        """Whether the trust space knows the domain of a mailbox, or it is one of our own teams.

        A citizen's mailbox is nobody's as long as ``refuse_citizens`` is on: their answer would be refused, too.
        Nobody else is at our own domains: mail to them leads to people of the hub (``people.Boxes``).
        """
        if address.network != MAIL:
            return False
        if self.book.team(address.id) is not None:
            return True
        domain = address.id.rpartition("@")[2].lower()
        return not self.book.ours(address.id) and domain not in self._citizens and self.trust.knows(domain)

    @property
    def boxes(self) -> Boxes:
        """See :class:`bridge.connector.GivesBoxes`."""
        return self.book

    async def show(self, people: Sequence[Person]) -> None:
        """Everybody who can be reached by the hub gets a mailbox."""
        await self.book.give([person for person in people if reachable(person)])

    async def _known(self, address: str) -> str:
        return await self.book.status(address, self._hub)

    # -- in ------------------------------------------------------------------------------------------------

    async def _settle(self, taken: TakenMail, mail: Mail) -> None:
        if mail.report is not None and await self._receipts.read(mail.report, taken, mail):
            return
        if mail.sender is None:  # a report of a failure: whoever handed it in is its author
            domain = min(taken.envelope.dn_domains, default=self.book.domain)
            mail = replace(mail, sender=Box(f"postmaster@{domain}"))
        try:
            targets, refused = await self._arrivals.targets(taken, mail)
        except Refused as refusal:
            await self._bounce(taken, mail, taken.envelope.recipients, refusal)
            return
        if refused:
            await self._bounce(taken, mail, refused, Refused("not_a_member"))
        for target in targets:
            try:
                await self._arrivals.accept(taken, mail, target, last=target is targets[-1])
            except Refused as refusal:
                await self._bounce(taken, mail, target.recipients, refusal)

    async def _bounce(self, taken: TakenMail, mail: Mail, recipients: Sequence[str], why: Refused) -> None:
        log.warning("mail %d is not delivered: %s", taken.n, why.code)
        await self._receipts.bounce(taken, mail, recipients, why)

    # -- out -----------------------------------------------------------------------------------------------

    def carries(self, kind: Kind, text: str, chat: str | None) -> bool:
        """In a team's room a reaction means something as the mark of who handles a mail only.

        Taking one back has no text.
        """
        return kind is not Kind.REACTION or not (chat or "").startswith(TEAM) or text[:1] in ("", DONE)

    async def deliver(self, delivery: Delivery) -> Ref:
        """See :class:`bridge.connector.Connector`. It is on its way; what became of it is told later."""
        return await self._departures.take(delivery)

    async def report(self, reports: Sequence[Report]) -> None:
        """See :class:`bridge.connector.Connector`."""
        await self._receipts.report(reports)

    async def typing(self, typing: Typing) -> None:
        """Mail knows no such sign."""


def _trust(settings: MailSettings) -> Trust:
    try:
        return Trust(settings.trust)
    except (OSError, ValueError) as error:
        raise ValueError(f"networks.mail.trust: {said(error)}") from None


def _build(settings: MailSettings, outfit: Outfit) -> Built:
    try:
        trust = _trust(settings)
        NotedLists(trust, outfit.db, _now)
        return Built([MailConnector(settings, outfit, trust)])
    except OSError as error:
        raise ValueError(f"networks.mail: {said(error)}") from None


def _prove(settings: MailSettings, seal: Seal) -> None:
    _trust(settings)
    try:
        Tls(settings.smtp.tls).prove()
    except (OSError, ValueError) as error:
        raise ValueError(f"networks.mail.smtp.tls: {said(error)}") from None


NETWORK = Network(MailSettings, _build, _prove, tables=(COMPONENT,))
