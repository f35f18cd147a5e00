"""LMTP for sites that keep a mail server of their own in front, which judges the peers' certificates (RFC 2033)."""

from __future__ import annotations

import asyncio
import logging
import stat
import time
from collections.abc import Callable
from pathlib import Path

from bridge.networks.mail.smtp import replies
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.connection import Doorway, SmtpConnection
from bridge.networks.mail.smtp.listening import Listening
from bridge.networks.mail.smtp.reception import Desk, Known, Line, MailTransaction, Take
from bridge.networks.mail.smtp.replies import Reply
from bridge.networks.mail.smtp.settings import LmtpSettings, SmtpSettings
from bridge.networks.mail.trust.judge import Judge
from bridge.workers.entrances import Entrances

log = logging.getLogger(__name__)

_PATIENCE = 4.0


class LmtpIn:
    """Listens for the server in front, on a Unix socket or a port of this machine."""

    def __init__(
        self, settings: SmtpSettings, judge: Judge, take: Take, known: Known, clock: Callable[[], float] = time.time,
        entrances: Entrances | None = None,
    ) -> None:  # fmt: skip
        if settings.lmtp is None:
            raise ValueError("lmtp is not configured")
        self._settings = settings.lmtp
        self._doorway = _LmtpDoorway(Desk(settings, _Front(judge, settings.lmtp), take, known, clock))
        self._listening = Listening("mail.lmtp", entrances or Entrances(), self._wire)
        self._server: asyncio.Server | None = None  # of a Unix socket, which one worker has: the one that works
        self._file: tuple[int, int] | None = None  # which file the socket is

    @property
    def port(self) -> int:
        """The port that it listens on; 0 for a Unix socket."""
        return self._listening.port

    async def start(self) -> None:
        """Begin to listen. Raises OSError when the socket or port is not to be had."""
        loop = asyncio.get_running_loop()
        self._doorway.desk.closing = False
        if self._settings.path is None:
            return await self._listening.start(self._settings.host, self._settings.port or 0)
        _remove_socket(self._settings.path)
        self._server = await loop.create_unix_server(lambda: self._wire(""), str(self._settings.path))
        self._settings.path.chmod(self._settings.mode)
        self._file = _file(self._settings.path)

    async def stop(self) -> None:
        """Take nothing new, finish what is being stored, close: within 5 s."""
        if self._server is None and not self.port:
            return
        self._listening.stop()
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._doorway.close(_PATIENCE)
        if self._settings.path is not None and _file(self._settings.path) == self._file:
            _remove_socket(self._settings.path)  # not that of a worker which has taken over meanwhile

    def _wire(self, peer: str) -> SmtpConnection:
        return _LmtpWire(self._doorway, peer)


class _LmtpDoorway(Doorway):
    protocol = "LMTP"

    def answers(self, mail: MailTransaction, reply: Reply) -> str:
        """One reply for each recipient that was accepted, in their order (RFC 2033, 4.2)."""
        return "\r\n".join([str(reply)] * len(mail.recipients))


class _LmtpWire(SmtpConnection):
    async def smtp_LHLO(self, hostname: str) -> None:
        await super().smtp_EHLO(hostname)

    async def smtp_EHLO(self, hostname: str) -> None:
        await self.push("500 This is LMTP: say LHLO")

    async def smtp_HELO(self, hostname: str) -> None:
        await self.push("500 This is LMTP: say LHLO")


class _Front:
    """Trust by the server in front; the list is asked whether a domain takes part at all."""

    def __init__(self, judge: Judge, settings: LmtpSettings) -> None:
        self._judge = judge
        self._check = settings.check_list

    async def sender(self, line: Line, mail: MailTransaction) -> Reply | None:
        """The sender's domain takes part, or there is no sender."""
        if self._check and self._judge.stale:
            return replies.STALE
        if mail.command.sender:
            return self._unknown(frozenset({domain_of(mail.command.sender)}))
        return None

    def authors(self, mail: MailTransaction, domains: frozenset[str]) -> Reply | None:
        """The author's domain takes part."""
        return self._unknown(domains)

    def _unknown(self, domains: frozenset[str]) -> Reply | None:
        foreign = sorted(domain for domain in domains if self._check and not self._judge.knows(domain))
        return replies.SENDER_UNKNOWN.about(foreign[0]) if foreign else None


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_socket(path: Path) -> None:
    """What an earlier run left; anything but a socket is somebody else's."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
