"""One connection to another operator: verified TLS both ways, then mails, one outcome for each recipient.

Nothing of a mail, not even its envelope, is said before the peer's certificate has been found in the trust list under
the very domain.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import aiosmtplib

from bridge.errors import Unavailable
from bridge.networks.mail.smtp.commands import xtext
from bridge.networks.mail.smtp.mx import Host
from bridge.networks.mail.smtp.replies import plain
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.dn import DN
from bridge.networks.mail.trust.judge import Judge
from bridge.parts.failpoint import failpoint

Kind = Literal["accepted", "later", "refused"]

_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})[ \t\n]+")
_LONGEST_TEXT = 200
_QUIT_TIMEOUT = 5.0
_READY_TIMEOUT = 10.0  # s; who takes longer gets a new connection
_JUST = 2.0  # s after a mail that a peer has taken: nothing has to be ended, nobody hangs up so soon


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail for one recipient in one attempt.

    ``code`` and ``status`` are the peer's (RFC 5321, 3463), or what a peer would have said; ``text`` is the peer's,
    shortened and in ASCII; ``peer`` is host:port, empty when nobody was reached. ``ours``: why we ended the attempt.
    """

    recipient: str = field(repr=False)
    code: int
    status: str
    kind: Kind
    text: str = field(default="", repr=False)
    peer: str = ""
    ours: str = ""


class Stopped(Exception):
    """The attempt with this host is over for every recipient.

    ``next`` says whether another host may do better, ``begun`` whether the peer had taken the envelope's sender.
    """

    def __init__(
        self, code: int, status: str, text: str, *, next: bool = True, begun: bool = False, ours: bool = True
    ) -> None:
        """``ours``: the words are the hub's, not the peer's."""
        super().__init__(status)
        self.ours = text if ours else ""
        self.code = code
        self.status = status
        self.text = text
        self.next = next
        self.begun = begun


async def surely() -> None:
    """Nobody else hands the mails of this process over."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A mail that is to be handed over now, for recipients of one domain.

    ``ours`` is asked at the last moment whether it is still this process that hands it over, else raises Unavailable: a
    mail that has left cannot be taken back, and its reader sees it twice when two processes send it.
    """

    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    raw: bytes = field(repr=False)
    envid: str
    domain: str
    ours: Callable[[], Awaitable[None]] = surely

    @property
    def utf8(self) -> bool:
        """Whether the envelope or the header needs SMTPUTF8 (RFC 6531)."""
        addresses = (self.sender, *self.recipients)
        return not all(map(str.isascii, addresses)) or not self.raw.partition(b"\r\n\r\n")[0].isascii()


class Peer:
    """A connection to one host of an operator. Several mails may be given to it, one after the other."""

    def __init__(self, client: aiosmtplib.SMTP, settings: SmtpSettings, name: str) -> None:
        self._client = client
        self._settings = settings
        self.name = name
        self.dn: DN | None = None
        self.mails = 0
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        self._took: float | None = None  # when it took a mail, if that was the last thing said

    @classmethod
    async def reach(cls, settings: SmtpSettings, tls: Tls, judge: Judge, host: Host, address: str, domain: str) -> Peer:
        """Connect, secure, and see who is there. Raises Stopped."""
        client = aiosmtplib.SMTP(
            hostname=address,
            port=host.port,
            local_hostname=settings.hostname,
            source_address=(settings.sending.source, 0) if settings.sending.source else None,
            timeout=settings.timeouts.reply,
            start_tls=False,
        )
        peer = cls(client, settings, str(host))
        try:
            await peer._connect()
            await peer._secure(tls, host)
            await peer._check(judge, domain)
            await peer._hello()
        except BaseException:
            client.close()
            raise
        return peer

    async def _connect(self) -> None:
        try:
            await self._client.connect(timeout=self._settings.timeouts.connect)
            await self._client.ehlo()
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message) from None
        except (aiosmtplib.SMTPException, OSError, ValueError):
            raise Stopped(421, "4.4.1", "no connection") from None

    async def _secure(self, tls: Tls, host: Host) -> None:
        """TLS, verified against the authority. Nothing is said before."""
        if not self._client.supports_extension("starttls"):
            raise Stopped(450, "4.7.10", "the peer offers no STARTTLS")
        try:
            context = tls.client()
        except Unavailable:
            raise Stopped(451, "4.7.0", "our own certificate cannot be used") from None
        handshake = self._settings.timeouts.handshake
        try:
            await self._client.starttls(server_hostname=host.name, tls_context=context, timeout=handshake)
        except aiosmtplib.SMTPResponseException as answer:
            raise Stopped(450, "4.7.10", f"the peer refuses STARTTLS: {answer.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            reason = getattr(failure, "verify_message", "") or "TLS failed"
            raise Stopped(450, "4.7.5", str(reason)) from None

    async def _check(self, judge: Judge, domain: str) -> None:
        """The certificate's subject, against the list."""
        found = self._client.get_transport_info("ssl_object")
        der = found.getpeercert(True) if found is not None else None
        if not der:
            raise Stopped(450, "4.7.5", "the peer shows no certificate")
        verdict = await judge.look_up(der)
        if verdict.code is not None or verdict.dn is None:
            raise Stopped(450, "4.7.5", f"the peer's certificate is refused: {verdict.code}")
        if not judge.allows(domain, verdict.dn):
            raise Stopped(450, "4.7.5", "the peer's certificate is not listed for the domain")
        self.dn = verdict.dn

    async def _hello(self) -> None:
        try:
            await self._client.ehlo()
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message) from None
        except (aiosmtplib.SMTPException, OSError):
            # With TLS 1.3 a peer that does not like our certificate says so only now.
            raise Stopped(450, "4.7.5", "the peer ended the connection after TLS") from None

    async def ready(self) -> bool:
        """Whether it still answers and takes another mail.

        It is not asked a moment after it took one: should it be gone, MAIL shows that before anything is begun.
        """
        if self._took is not None and self._loop.time() - self._took < _JUST:
            return True
        try:
            await self._client.rset(timeout=_READY_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    async def give(self, attempt: Attempt) -> list[Outcome]:
        """The SMTP transaction. Raises Stopped; then the connection is of no use any more."""
        self.mails += 1
        self._took = None
        encoding, begun = "utf-8" if attempt.utf8 else "ascii", False
        try:
            await self._client.mail(attempt.sender, options=_mail_options(self._client, attempt), encoding=encoding)
            begun = True
            refused = await self._recipients(attempt, encoding)
            if len(refused) < len(attempt.recipients):
                final = await self._data(attempt)
                self._took = self._loop.time() if _kind(final[0]) == "accepted" else None
                text, status = _words(*final)
                sure = Outcome("", final[0], status, _kind(final[0]), text, self.name)
                return [refused.get(each) or _for(each, sure) for each in attempt.recipients]
            return [refused[each] for each in attempt.recipients]
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message, next=False, begun=begun) from None
        except (aiosmtplib.SMTPException, OSError):
            raise Stopped(421, "4.4.2", "connection lost", next=False, begun=begun) from None

    async def _recipients(self, attempt: Attempt, encoding: str) -> dict[str, Outcome]:
        refused: dict[str, Outcome] = {}
        for recipient in attempt.recipients:
            options = _rcpt_options(self._client, attempt, recipient)
            try:
                await self._client.rcpt(recipient, options=options, encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as answer:
                text, status = _words(answer.code, answer.message)
                refused[recipient] = Outcome(recipient, answer.code, status, _kind(answer.code), text, self.name)
        return refused

    async def _data(self, attempt: Attempt) -> tuple[int, str]:
        failpoint("mail.data.before")
        try:
            await attempt.ours()
        except Unavailable:
            raise Stopped(451, "4.3.0", "the mail may be another worker's by now", next=False, begun=True) from None
        try:
            answer = await self._client.data(attempt.raw, timeout=self._settings.timeouts.data)
        except aiosmtplib.SMTPResponseException as refusal:
            return refusal.code, refusal.message
        except (aiosmtplib.SMTPException, OSError):
            # It may have been taken: the next attempt carries the same Message-ID.
            text = "no answer to the mail; it may have arrived"
            raise Stopped(421, "4.4.2", text, next=False, begun=True) from None
        failpoint("mail.data.after")
        return answer.code, answer.message

    async def leave(self) -> None:
        """Say goodbye and close."""
        try:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=_QUIT_TIMEOUT)
        finally:
            self._client.close()

    def cut(self) -> None:
        """Close without a word."""
        self._client.close()


def _mail_options(client: aiosmtplib.SMTP, attempt: Attempt) -> list[str]:
    """Raises Stopped when the peer cannot take this mail at all."""
    options = []
    most = client.esmtp_extensions.get("size", "").strip()
    if client.supports_extension("size"):
        if most.isdigit() and 0 < int(most) < len(attempt.raw):
            raise Stopped(552, "5.3.4", f"the peer takes no more than {most[:20]} bytes", next=False)
        options.append(f"SIZE={len(attempt.raw)}")
    if not attempt.raw.isascii():
        if not client.supports_extension("8bitmime"):
            raise Stopped(554, "5.6.3", "the peer takes no 8-bit mail", next=False)
        options.append("BODY=8BITMIME")
    if attempt.utf8:
        if not client.supports_extension("smtputf8"):
            raise Stopped(553, "5.6.7", "the peer takes no addresses or headers outside ASCII", next=False)
        options.append("SMTPUTF8")
    if client.supports_extension("dsn"):
        options += ["RET=HDRS", f"ENVID={xtext(attempt.envid)}"]
    return options


def _rcpt_options(client: aiosmtplib.SMTP, attempt: Attempt, recipient: str) -> list[str]:
    """Reports are wanted, but never about mail that has no sender (RFC 3461, 5.2.1)."""
    if not client.supports_extension("dsn"):
        return []
    kind = "rfc822" if recipient.isascii() else "utf-8"
    notify = "SUCCESS,FAILURE,DELAY" if attempt.sender else "NEVER"
    return [f"NOTIFY={notify}", f"ORCPT={kind};{xtext(recipient)}"]


def _words(code: int, message: str) -> tuple[str, str]:
    """The text and the enhanced status of a reply; a status that contradicts the code is not believed."""
    match = _STATUS.match(message)
    status = match[1] if match else ""
    text = re.sub(r"(?m)^[245]\.[0-9]{1,3}\.[0-9]{1,3}[ \t]+", "", message)
    if not status.startswith(f"{code // 100}."):
        status = f"{code // 100 if code // 100 in (2, 4, 5) else 4}.0.0"
    return plain(text)[:_LONGEST_TEXT], status


def _kind(code: int) -> Kind:
    return "accepted" if 200 <= code < 300 else "refused" if 500 <= code < 600 else "later"


def _answered(code: int, message: str, *, next: bool = True, begun: bool = False) -> Stopped:
    """What a peer said instead of going on; what is no SMTP counts as a lost connection."""
    if not 400 <= code < 600:
        return Stopped(421, "4.5.0", "the peer does not speak SMTP", next=next, begun=begun)
    text, status = _words(code, message)
    return Stopped(code, status, text, next=next, begun=begun, ours=False)


def gravity(stopped: Stopped) -> tuple[bool, bool]:
    """Of several hosts: something that may pass before something final; trust before reachability."""
    return stopped.code < 500, stopped.status.startswith("4.7.")


def _for(recipient: str, outcome: Outcome) -> Outcome:
    return Outcome(recipient, outcome.code, outcome.status, outcome.kind, outcome.text, outcome.peer)


def same(attempt: Attempt, stopped: Stopped, peer: str) -> list[Outcome]:
    """The outcome for every recipient of an attempt that stopped."""
    kind = _kind(stopped.code)
    return [
        Outcome(each, stopped.code, stopped.status, kind, stopped.text, peer, stopped.ours)
        for each in attempt.recipients
    ]
