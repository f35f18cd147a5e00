"""One attempt to hand a mail to the operator of one domain: verified TLS both ways, one outcome for each recipient.

Nothing of the mail, not even its envelope, is said before the peer's certificate has been found in the trust list
under that very domain. Retrying is the courier's.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import aiosmtplib

from bridge.errors import Refused, Unavailable
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.commands import xtext
from bridge.networks.mail.smtp.mx import Dns, Host, Resolver
from bridge.networks.mail.smtp.replies import plain
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.judge import Judge
from bridge.parts.failpoint import failpoint

log = logging.getLogger(__name__)

Kind = Literal["accepted", "later", "refused"]

_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})[ \t\n]+")
_LONGEST_TEXT = 200
_QUIT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail for one recipient in one attempt.

    ``code`` and ``status`` are the peer's (RFC 5321, 3463), or what a peer would have said; ``text`` is the peer's,
    shortened and in ASCII; ``peer`` is host:port, empty when nobody was reached.
    """

    recipient: str = field(repr=False)
    code: int
    status: str
    kind: Kind
    text: str = field(default="", repr=False)
    peer: str = ""


class _Stopped(Exception):
    """The attempt with this host is over for every recipient. ``next`` says whether another host may do better."""

    def __init__(self, code: int, status: str, text: str, *, next: bool = True) -> None:
        super().__init__(status)
        self.code = code
        self.status = status
        self.text = text
        self.next = next


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What is to be handed over."""

    sender: str = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    raw: bytes = field(repr=False)
    envid: str
    domain: str

    @property
    def utf8(self) -> bool:
        """Whether the envelope or the header needs SMTPUTF8 (RFC 6531)."""
        addresses = (self.sender, *self.recipients)
        return not all(map(str.isascii, addresses)) or not self.raw.partition(b"\r\n\r\n")[0].isascii()


class SmtpOut:
    """Sends to other operators; ``judge`` is the trust list, ``resolver`` says where a domain takes its mail."""

    def __init__(self, settings: SmtpSettings, judge: Judge, resolver: Resolver | None = None) -> None:
        self._settings = settings
        self._judge = judge
        self._resolver = resolver or Dns(settings.sending)
        self._tls = Tls(settings.tls)
        self._all = asyncio.Semaphore(settings.sending.connections)
        self._domains: dict[str, asyncio.Semaphore] = {}

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        """One attempt. ``recipients`` are of one domain; ``sender`` is empty for the null sender; ``raw`` has CRLF.

        ``envid`` is the delivery's id: it comes back in reports (RFC 3461, 4.4). Never raises for what a network or a
        peer does; raises ValueError for recipients of several domains.
        """
        domains = {domain_of(each) for each in recipients}
        if len(domains) != 1:
            raise ValueError("one attempt is for the recipients of one domain")
        parcel = _Parcel(sender, tuple(recipients), raw, envid, domains.pop())
        try:
            outcomes = await self._send(parcel)
        except _Stopped as stopped:
            outcomes = _same(parcel, stopped, "")
        kinds = ", ".join(f"{each.code} {each.status}" for each in outcomes)
        log.info("delivery %s to %s: %s", envid, parcel.domain, kinds)
        return outcomes

    async def _send(self, parcel: _Parcel) -> list[Outcome]:
        if self._judge.stale:  # before the list is asked: there may be none yet
            raise _Stopped(451, "4.7.0", "our trust list is too old or not there yet")
        if not self._judge.knows(parcel.domain):
            raise _Stopped(550, "5.7.1", "the domain is not in the trust list")
        hosts = await self._hosts(parcel.domain)
        slot = self._domains.setdefault(parcel.domain, asyncio.Semaphore(self._settings.sending.connections_per_domain))
        async with slot, self._all:
            return await self._try(parcel, hosts)

    async def _hosts(self, domain: str) -> Sequence[Host]:
        try:
            return await self._resolver.hosts(domain)
        except Refused as refusal:
            status = "5.1.10" if refusal.code == "null_mx" else "5.1.2"
            raise _Stopped(550, status, "the domain takes no mail") from None
        except Unavailable:
            raise _Stopped(451, "4.4.3", "DNS does not answer") from None

    async def _try(self, parcel: _Parcel, hosts: Sequence[Host]) -> list[Outcome]:
        """The first host that goes as far as the mail decides; else the gravest reason of those that did not."""
        left = self._settings.sending.hosts
        reasons: list[tuple[_Stopped, str]] = []
        for host in hosts:
            try:
                addresses = await self._resolver.addresses(host)
            except Unavailable:
                reasons.append((_Stopped(451, "4.4.3", "DNS does not answer"), str(host)))
                continue
            for address in addresses[:left]:
                left -= 1
                try:
                    return await self._attempt(parcel, host, address)
                except _Stopped as stopped:
                    reasons.append((stopped, str(host)))
                    if not stopped.next:
                        return _same(parcel, stopped, str(host))
        if not reasons:
            raise _Stopped(451, "4.4.3", "the domain's servers have no address")
        reason, peer = max(reasons, key=lambda pair: _gravity(pair[0]))
        return _same(parcel, reason, peer)

    async def _attempt(self, parcel: _Parcel, host: Host, address: str) -> list[Outcome]:
        client = aiosmtplib.SMTP(
            hostname=address,
            port=host.port,
            local_hostname=self._settings.hostname,
            source_address=(self._settings.sending.source, 0) if self._settings.sending.source else None,
            timeout=self._settings.timeouts.reply,
            start_tls=False,
        )
        try:
            await self._connect(client)
            await self._secure(client, host, parcel.domain)
            outcomes = await self._hand_over(client, parcel, str(host))
            await _leave(client)
            return outcomes
        finally:
            client.close()

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect(timeout=self._settings.timeouts.connect)
            await client.ehlo()
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message) from None
        except (aiosmtplib.SMTPException, OSError, ValueError):
            raise _Stopped(421, "4.4.1", "no connection") from None

    async def _secure(self, client: aiosmtplib.SMTP, host: Host, domain: str) -> None:
        """TLS, verified against the authority; then the subject, against the list. Nothing is said before."""
        if not client.supports_extension("starttls"):
            raise _Stopped(450, "4.7.10", "the peer offers no STARTTLS")
        try:
            context = self._tls.client()
        except Unavailable:
            raise _Stopped(451, "4.7.0", "our own certificate cannot be used") from None
        try:
            await client.starttls(
                server_hostname=host.name, tls_context=context, timeout=self._settings.timeouts.handshake
            )
        except aiosmtplib.SMTPResponseException as answer:
            raise _Stopped(450, "4.7.10", f"the peer refuses STARTTLS: {answer.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            reason = getattr(failure, "verify_message", "") or "TLS failed"
            raise _Stopped(450, "4.7.5", str(reason)) from None
        await self._check(client, domain)
        try:
            await client.ehlo()
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message) from None
        except (aiosmtplib.SMTPException, OSError):
            # With TLS 1.3 a peer that does not like our certificate says so only now.
            raise _Stopped(450, "4.7.5", "the peer ended the connection after TLS") from None

    async def _check(self, client: aiosmtplib.SMTP, domain: str) -> None:
        found = client.get_transport_info("ssl_object")
        der = found.getpeercert(True) if found is not None else None
        if not der:
            raise _Stopped(450, "4.7.5", "the peer shows no certificate")
        verdict = await self._judge.look_up(der)
        if verdict.code is not None or verdict.dn is None:
            raise _Stopped(450, "4.7.5", f"the peer's certificate is refused: {verdict.code}")
        if not self._judge.allows(domain, verdict.dn):
            raise _Stopped(450, "4.7.5", "the peer's certificate is not listed for the domain")

    async def _hand_over(self, client: aiosmtplib.SMTP, parcel: _Parcel, peer: str) -> list[Outcome]:
        """The SMTP transaction."""
        encoding = "utf-8" if parcel.utf8 else "ascii"
        try:
            await client.mail(parcel.sender, options=_mail_options(client, parcel), encoding=encoding)
            refused = await self._recipients(client, parcel, peer, encoding)
            if len(refused) < len(parcel.recipients):
                final = await self._data(client, parcel)
                text, status = _words(*final)
                sure = Outcome("", final[0], status, _kind(final[0]), text, peer)
                return [refused.get(each) or _for(each, sure) for each in parcel.recipients]
            return [refused[each] for each in parcel.recipients]
        except aiosmtplib.SMTPResponseException as answer:
            raise _answered(answer.code, answer.message, next=False) from None
        except (aiosmtplib.SMTPException, OSError):
            raise _Stopped(421, "4.4.2", "connection lost", next=False) from None

    async def _recipients(
        self, client: aiosmtplib.SMTP, parcel: _Parcel, peer: str, encoding: str
    ) -> dict[str, Outcome]:
        refused: dict[str, Outcome] = {}
        for recipient in parcel.recipients:
            try:
                await client.rcpt(recipient, options=_rcpt_options(client, parcel, recipient), encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as answer:
                text, status = _words(answer.code, answer.message)
                refused[recipient] = Outcome(recipient, answer.code, status, _kind(answer.code), text, peer)
        return refused

    async def _data(self, client: aiosmtplib.SMTP, parcel: _Parcel) -> tuple[int, str]:
        failpoint("mail.data.before")
        try:
            answer = await client.data(parcel.raw, timeout=self._settings.timeouts.data)
        except aiosmtplib.SMTPResponseException as refusal:
            return refusal.code, refusal.message
        except (aiosmtplib.SMTPException, OSError):
            # It may have been taken: the next attempt carries the same Message-ID.
            raise _Stopped(421, "4.4.2", "no answer to the mail; it may have arrived", next=False) from None
        failpoint("mail.data.after")
        return answer.code, answer.message


async def _leave(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT_TIMEOUT)


def _mail_options(client: aiosmtplib.SMTP, parcel: _Parcel) -> list[str]:
    """Raises _Stopped when the peer cannot take this mail at all."""
    options = []
    most = client.esmtp_extensions.get("size", "").strip()
    if client.supports_extension("size"):
        if most.isdigit() and 0 < int(most) < len(parcel.raw):
            raise _Stopped(552, "5.3.4", f"the peer takes no more than {most[:20]} bytes", next=False)
        options.append(f"SIZE={len(parcel.raw)}")
    if not parcel.raw.isascii():
        if not client.supports_extension("8bitmime"):
            raise _Stopped(554, "5.6.3", "the peer takes no 8-bit mail", next=False)
        options.append("BODY=8BITMIME")
    if parcel.utf8:
        if not client.supports_extension("smtputf8"):
            raise _Stopped(553, "5.6.7", "the peer takes no addresses or headers outside ASCII", next=False)
        options.append("SMTPUTF8")
    if client.supports_extension("dsn"):
        options += ["RET=HDRS", f"ENVID={xtext(parcel.envid)}"]
    return options


def _rcpt_options(client: aiosmtplib.SMTP, parcel: _Parcel, recipient: str) -> list[str]:
    """Reports are wanted, but never about mail that has no sender (RFC 3461, 5.2.1)."""
    if not client.supports_extension("dsn"):
        return []
    kind = "rfc822" if recipient.isascii() else "utf-8"
    notify = "SUCCESS,FAILURE,DELAY" if parcel.sender else "NEVER"
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


def _answered(code: int, message: str, *, next: bool = True) -> _Stopped:
    """What a peer said instead of going on; what is no SMTP counts as a lost connection."""
    if not 400 <= code < 600:
        return _Stopped(421, "4.5.0", "the peer does not speak SMTP", next=next)
    text, status = _words(code, message)
    return _Stopped(code, status, text, next=next)


def _gravity(stopped: _Stopped) -> tuple[bool, bool]:
    """Of several hosts: something that may pass before something final; trust before reachability."""
    return stopped.code < 500, stopped.status.startswith("4.7.")


def _for(recipient: str, outcome: Outcome) -> Outcome:
    return Outcome(recipient, outcome.code, outcome.status, outcome.kind, outcome.text, outcome.peer)


def _same(parcel: _Parcel, stopped: _Stopped, peer: str) -> list[Outcome]:
    kind = _kind(stopped.code)
    return [Outcome(each, stopped.code, stopped.status, kind, stopped.text, peer) for each in parcel.recipients]
