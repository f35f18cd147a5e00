"""The operator port: other operators of the secure-mail space hand in their mail by SMTP with mutual certificates."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bridge.networks.mail.smtp import replies
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.connection import Doorway, SmtpConnection
from bridge.networks.mail.smtp.listening import Listening
from bridge.networks.mail.smtp.reception import Desk, Envelope, Known, Line, MailTransaction, Take
from bridge.networks.mail.smtp.replies import Reply
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.dn import DN, show
from bridge.networks.mail.trust.judge import Judge
from bridge.parts.bucket import Bucket
from bridge.workers.entrances import Entrances

__all__ = ["Envelope", "Known", "SmtpIn", "Take"]

log = logging.getLogger(__name__)

_PATIENCE = 4.0  # seconds for mails that are being stored when the hub stops


class SmtpIn:
    """Listens for other operators. ``take`` and ``known`` are the hub's; ``judge`` is the trust list."""

    def __init__(
        self, settings: SmtpSettings, judge: Judge, take: Take, known: Known, clock: Callable[[], float] = time.time,
        entrances: Entrances | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._doorway = Doorway(Desk(settings, _Certificates(judge, settings, clock), take, known, clock))
        self._doorway.tls = Tls(settings.tls)
        self._listening = Listening("mail.smtp", entrances or Entrances(), self._wire)

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the start."""
        return self._listening.port

    @property
    def sessions(self) -> int:
        """Connections that are open now."""
        return len(self._doorway.wires)

    async def start(self) -> None:
        """Begin to listen. Raises OSError when the port is not to be had."""
        self._doorway.desk.closing = False
        await self._listening.start(self._settings.host, self._settings.port)
        log.info("taking mail for %s on port %d", ", ".join(self._settings.domains), self.port)

    async def stop(self) -> None:
        """Take nothing new, finish what is being stored, close: within 5 s."""
        if self.port:
            self._listening.stop()
            await self._doorway.close(_PATIENCE)

    def _wire(self, peer: str) -> SmtpConnection:
        return SmtpConnection(self._doorway, peer)


class _Certificates:
    """Trust by client certificate: its subject must be listed with the domain of the sender and of the author."""

    def __init__(self, judge: Judge, settings: SmtpSettings, clock: Callable[[], float]) -> None:
        self._judge = judge
        self._most, self._clock = settings.limits.mails_per_minute, clock
        self._buckets: dict[DN, Bucket] = {}  # only of listed certificates, so there are few

    async def sender(self, line: Line, mail: MailTransaction) -> Reply | None:
        """Judged anew for every mail: a domain taken off the list is refused on an open connection, too."""
        if self._judge.stale:
            return replies.STALE
        if line.certificate is None:
            return replies.NO_CERTIFICATE
        verdict = await self._judge.look_up(line.certificate)
        if verdict.later:
            return replies.STALE
        if verdict.code is not None or verdict.dn is None:
            return replies.of_verdict(verdict.code or "certificate_unreadable", show(verdict.dn or frozenset()))
        mail.domains, mail.dn = verdict.domains, verdict.dn
        if mail.command.sender:
            domain = domain_of(mail.command.sender)
            if not self._judge.allows(domain, mail.dn):
                return replies.SENDER_REFUSED.about(domain)
        bucket = self._buckets.setdefault(mail.dn, Bucket(self._most / 60, self._most))
        return replies.TOO_OFTEN if bucket.take(self._clock()) else None

    def authors(self, mail: MailTransaction, domains: frozenset[str]) -> Reply | None:
        """The From header may name domains of this certificate only."""
        foreign = sorted(domain for domain in domains if not self._judge.allows(domain, mail.dn))
        return replies.AUTHOR_REFUSED.about(foreign[0]) if foreign else None
