"""What happens to a mail between the wire and the disk: who may send, who receives, what the header must be."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol

from bridge.errors import Refused, Unavailable, where
from bridge.networks.mail.smtp import header_rules, replies
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.citizens import sent_by_citizen, written_by_citizen
from bridge.networks.mail.smtp.commands import MailCommand, RcptCommand
from bridge.networks.mail.smtp.replies import Reply
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.trust.dn import DN
from bridge.parts.failpoint import failpoint
from bridge.parts.tasks import Tasks

log = logging.getLogger(__name__)

_NO_HOST_CHARACTER = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a mail came. Addresses may hold a patient's identifier: they are in no repr.

    ``sender`` is empty for the null sender; ``notify`` and ``orcpt`` stand in the order of ``recipients``;
    ``received_at`` in milliseconds since 1970; ``id`` stands in the Received line and in the peer's log.
    """

    peer: str
    helo: str
    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    dn_domains: frozenset[str] = field(repr=False)
    envid: str | None = field(repr=False)
    notify: tuple[frozenset[str] | None, ...]
    received_at: int
    tls: str
    id: str = ""
    dn: DN = frozenset()
    orcpt: tuple[str | None, ...] = field(default=(), repr=False)
    ret: str | None = None


Take = Callable[[Envelope, bytes], Coroutine[Any, Any, None]]
"""Returns once the mail is durably stored. Raises Refused (a 5xx) or Unavailable (451: the peer comes again)."""

Known = Callable[[str], Awaitable[str]]
"""What an address of our domains is: ``ok``, ``unknown``, ``closed``, ``later`` or ``full``."""


@dataclass(frozen=True, slots=True)
class Line:
    """One connection: where from, what it calls itself, how it is protected, the certificate (DER) if it showed one."""

    peer: str
    helo: str = ""
    tls: str = ""
    protocol: str = "ESMTP"
    certificate: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class MailTransaction:
    """A mail while it is being taken."""

    command: MailCommand
    domains: frozenset[str] = field(default=frozenset(), repr=False)
    dn: DN = frozenset()
    recipients: list[RcptCommand] = field(default_factory=list)


class Trusting(Protocol):
    """Who may send: judged by the certificate, or by the server in front."""

    async def sender(self, line: Line, mail: MailTransaction) -> Reply | None:
        """At MAIL: the refusal, or None after noting in ``mail`` what the peer may write as."""

    def authors(self, mail: MailTransaction, domains: frozenset[str]) -> Reply | None:
        """After DATA, about the domains of the From header: the refusal or None."""


class Desk:
    """Judges the commands of one edge and hands complete mails to ``take``. ``clock`` in seconds since 1970."""

    def __init__(
        self,
        settings: SmtpSettings,
        trusting: Trusting,
        take: Take,
        known: Known,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.closing = False
        self._trusting = trusting
        self._take = take
        self._known = known
        self._clock = clock
        self._domains = frozenset(settings.domains)
        self._citizens = settings.refused_citizens
        self._taking = Tasks("reception")

    @property
    def postmaster(self) -> str:
        """Where mail to ``<postmaster>`` goes (RFC 5321, 4.5.1)."""
        return f"postmaster@{self.settings.domains[0]}"

    async def sender(self, line: Line, mail: MailTransaction) -> Reply:
        """The answer to MAIL."""
        limit = self.settings.limits.size
        if mail.command.size > limit:
            return replies.TOO_LARGE.about(str(limit))
        refusal = await self._trusting.sender(line, mail)
        if refusal is None and sent_by_citizen(mail.command.sender, self._citizens):
            refusal = replies.CITIZEN
        if refusal:
            log.warning("mail from %s refused at MAIL: %s %s", line.peer, refusal.code, refusal.status)
        return refusal or replies.OK

    async def recipient(self, mail: MailTransaction, command: RcptCommand) -> Reply:
        """The answer to RCPT; the recipient is noted when it is a yes."""
        domain = domain_of(command.recipient)
        if domain not in self._domains:
            return replies.RELAY.about(domain)
        if len(mail.recipients) >= self.settings.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        try:
            refusal = replies.of_box(await self._known(command.recipient))
        except Unavailable:
            refusal = replies.LATER
        if refusal is None:
            mail.recipients.append(command)
        return refusal or replies.RECIPIENT_OK

    async def message(self, line: Line, mail: MailTransaction, raw: bytes) -> Reply:
        """The answer to the end of DATA: a yes only after ``take`` has returned."""
        name = secrets.token_hex(8)
        try:
            self._check(mail, raw)
            await self._store(self._envelope(name, line, mail), raw, line)
        except _Answered as answered:
            reply = answered.reply
        except Refused as refusal:
            reply = replies.of_refusal(refusal)
        except Unavailable as absence:
            reply = replies.of_absence(absence)
        except Exception as bug:  # the peer keeps the mail and comes again
            log.error("mail %s could not be stored: %s", name, where(bug))
            reply = replies.LATER
        else:
            reply = replies.STORED.about(name)
        log.info("mail %s from %s: %s %s, %d bytes", name, line.peer, reply.code, reply.status, len(raw))
        return reply

    async def finish(self, patience: float) -> None:
        """Wait until what is being stored is stored, at most ``patience`` seconds."""
        await self._taking.ended(patience)

    def _check(self, mail: MailTransaction, raw: bytes) -> None:
        limits = self.settings.limits
        header_rules.check_lines(raw)
        fields = header_rules.header(raw, limits.header)
        header_rules.check_loop(fields, limits.received)
        authors = header_rules.author_domains(fields)
        # A mail without an envelope sender has nobody but its author to be held to.
        if self.settings.header_from_check or not mail.command.sender:
            refusal = self._trusting.authors(mail, authors)
            if refusal:
                raise _Answered(refusal)
        if self._citizens and written_by_citizen(fields, self._citizens):
            raise _Answered(replies.CITIZEN)

    async def _store(self, envelope: Envelope, raw: bytes, line: Line) -> None:
        """A peer that goes away must not interrupt the storing."""
        received = self._received(envelope, line).encode("ascii")
        await asyncio.shield(self._taking.start(self._take(envelope, received + raw), awaited=True))
        failpoint("mail.taken")

    def _envelope(self, name: str, line: Line, mail: MailTransaction) -> Envelope:
        return Envelope(
            peer=line.peer,
            helo=line.helo,
            sender=mail.command.sender,
            recipients=tuple(each.recipient for each in mail.recipients),
            dn_domains=mail.domains,
            envid=mail.command.envid,
            notify=tuple(each.notify for each in mail.recipients),
            received_at=int(self._clock() * 1000),
            tls=line.tls,
            id=name,
            dn=mail.dn,
            orcpt=tuple(each.orcpt for each in mail.recipients),
            ret=mail.command.ret,
        )

    def _received(self, envelope: Envelope, line: Line) -> str:
        """RFC 5321, 4.4; the recipient is not named, it may be one of several."""
        helo = _NO_HOST_CHARACTER.sub("?", envelope.helo)[:255] or "unknown"
        tls = f"\r\n\t(using {envelope.tls})" if envelope.tls else ""
        return (
            f"Received: from {helo} ([{line.peer}]){tls}\r\n\tby {self.settings.hostname} with {line.protocol}"
            f" id {envelope.id};\r\n\t{format_datetime(datetime.fromtimestamp(envelope.received_at / 1000, UTC))}\r\n"
        )


class _Answered(Exception):
    """The mail is refused with this very reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply
