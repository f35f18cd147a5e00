"""One SMTP connection: the library reads commands and starts TLS, the desk judges, bounds are kept here.

Beyond aiosmtpd: parameters of DSN, enhanced status everywhere, nothing pipelined before TLS, bounded floods and
silences, and no line of a mail in a log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import cast

from aiosmtpd.smtp import SMTP, TLSSetupException

from bridge.errors import Unavailable, where
from bridge.networks.mail.smtp import commands, replies
from bridge.networks.mail.smtp.commands import BadCommand
from bridge.networks.mail.smtp.mail_data import Unfit, read_mail
from bridge.networks.mail.smtp.reception import Desk, Line, MailTransaction
from bridge.networks.mail.smtp.tls import Tls

log = logging.getLogger(__name__)

# The library logs envelopes and, at DEBUG, every line of every mail.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)

_LONGEST_COMMAND = 2048  # with SMTPUTF8 and the parameters of DSN (RFC 3461, 5.1; RFC 6531, 3.4)
_ABORT_AFTER = 5.0  # seconds that a closing connection has to take our last words


class Doorway:
    """What a connection asks of its server: may it come in, is TLS wanted, how are its replies multiplied."""

    tls: Tls | None = None
    protocol = "ESMTP"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.wires: set[SmtpConnection] = set()
        self._per_peer: defaultdict[str, int] = defaultdict(int)

    def admit(self, wire: SmtpConnection) -> bool:
        """Count a connection; False when there are too many."""
        limits, peer = self.desk.settings.limits, wire.peer
        if self.desk.closing or len(self.wires) >= limits.sessions or self._per_peer[peer] >= limits.sessions_per_peer:
            return False
        self.wires.add(wire)
        self._per_peer[peer] += 1
        return True

    def leave(self, wire: SmtpConnection) -> None:
        """The connection is over."""
        if wire in self.wires:
            self.wires.discard(wire)
            self._per_peer[wire.peer] -= 1
        if not self._per_peer[wire.peer]:
            del self._per_peer[wire.peer]

    def answers(self, mail: MailTransaction, reply: replies.Reply) -> str:
        """What is said after DATA: once in SMTP."""
        return str(reply)

    def __dir__(self) -> Iterable[str]:
        """The library looks for what it may ask among all names, anew with every connection."""
        return ("handle_exception",)

    async def handle_exception(self, bug: Exception) -> str:
        """The library lets a bug of ours end here: the peer comes again."""
        log.error("SMTP session: %s", where(bug))
        return str(replies.LATER)

    async def close(self, patience: float) -> None:
        """Say goodbye to those who wait, let those finish who are handing in a mail."""
        self.desk.closing = True
        for wire in list(self.wires):
            wire.say_goodbye()
        await self.desk.finish(patience)
        await asyncio.sleep(0)  # their 250 is written before the connection is cut
        for wire in list(self.wires):
            wire.hang_up()


class SmtpConnection(SMTP):
    """One connection; ``peer`` has made it, where another worker has handed it on."""

    def __init__(self, doorway: Doorway, peer: str = "") -> None:
        settings = doorway.desk.settings
        self.line_length_limit = settings.limits.line
        super().__init__(
            doorway,
            data_size_limit=settings.limits.size,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            ident="ESMTP Liaison",
            timeout=settings.timeouts.command,
            command_call_limit=_budgets(settings.limits.mails_per_session, settings.limits.idle_commands),
            loop=asyncio.get_running_loop(),
        )
        self.command_size_limits = defaultdict(lambda: _LONGEST_COMMAND)
        self.require_starttls = doorway.tls is not None
        self.peer, self._made_by = "?", peer
        self._doorway = doorway
        self._desk = doorway.desk
        self._mail: MailTransaction | None = None
        self._errors = 0
        self._busy = False

    def __dir__(self) -> Iterable[str]:
        """The commands only: the library looks for them among all names, anew with every connection."""
        return _commands(cast(Hashable, type(self)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there, or TLS."""
        name = transport.get_extra_info("peername")
        self.peer = self._made_by or (str(name[0]) if isinstance(name, tuple) and name else "local")
        super().connection_made(transport)

    async def _handle_client(self) -> None:
        try:
            if self._doorway.admit(self):
                await super()._handle_client()
            else:
                await self.push(str(replies.CLOSING if self._desk.closing else replies.TOO_MANY_SESSIONS))
                self.hang_up()
        finally:
            self._doorway.leave(self)

    async def push(self, status: str | bytes) -> None:
        """Answer. Too many refusals end the connection."""
        line = replies.enhanced(status).encode("utf-8") if isinstance(status, str) else status
        self._errors += line.startswith(b"5")
        await super().push(line)
        if self._errors > self._desk.settings.limits.errors:
            await super().push(str(replies.TOO_MANY_ERRORS).encode("ascii"))
            self.hang_up()

    def hang_up(self) -> None:
        """Close, and cut if the peer does not take our last words."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.close()
            self.loop.call_later(_ABORT_AFTER, self.transport.abort)

    def say_goodbye(self) -> None:
        """The server stops: at once, unless a mail is being stored."""
        if not self._busy:
            self._last_words(replies.CLOSING)

    def _timeout_cb(self) -> None:
        self._last_words(replies.TIMED_OUT)

    def _last_words(self, reply: replies.Reply) -> None:
        if isinstance(self.transport, asyncio.WriteTransport) and not self.transport.is_closing():
            self.transport.write(f"{reply}\r\n".encode("ascii"))
        self.hang_up()

    # --- greeting and TLS ---

    async def smtp_EHLO(self, hostname: str) -> None:
        """Say what we can; DSN and PIPELINING only when there is nothing left to do but send."""
        if not hostname:
            await self.push("501 Syntax: EHLO hostname")
            return
        self._set_rset_state()
        assert self.session is not None
        self.session.extended_smtp, self.session.host_name = True, hostname
        words = [self.hostname, f"SIZE {self.data_size_limit}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        words += ["STARTTLS"] if self._needs_tls else ["PIPELINING", "DSN"]
        lines = [f"250{' ' if word is words[-1] else '-'}{word}" for word in words]
        await self.push("\r\n".join(lines).encode("ascii"))

    async def smtp_STARTTLS(self, arg: str) -> None:
        """RFC 3207. What was sent in the clear after the command would be taken as protected: the connection ends."""
        if not self._needs_tls:
            await self.push(str(replies.TLS_ACTIVE if self._doorway.tls else "502 STARTTLS is not for this port"))
        elif self._reader._buffer:  # type: ignore[attr-defined]
            await self.push(str(replies.PIPELINED))
            self.hang_up()
        elif self._doorway.tls:
            await self._start_tls(self._doorway.tls, arg)

    async def _start_tls(self, tls: Tls, arg: str) -> None:
        try:
            self.tls_context = tls.server()
        except Unavailable:
            log.error("TLS cannot be used: certificate, key or authority is missing or unreadable")
            await self.push(str(replies.TLS_UNAVAILABLE))
            return
        reason = "connection lost"
        try:
            await super().smtp_STARTTLS(arg)
        except TLSSetupException as failure:
            reason = str(getattr(failure.__cause__, "verify_message", "") or getattr(failure.__cause__, "reason", ""))
        assert self.session is not None
        if self._tls_protocol is not None and self.session.ssl is None:
            log.warning("TLS with %s failed: %s", self.peer, replies.plain(reason) or "handshake not finished")
            self.connection_lost(None)

    @property
    def _needs_tls(self) -> bool:
        return bool(self.require_starttls) and self._tls_protocol is None

    def _line(self) -> Line:
        assert self.session is not None
        helo = self.session.host_name or ""
        protocol = self._doorway.protocol
        if not self.session.ssl:
            return Line(self.peer, helo, protocol=protocol)
        found = self.session.ssl["ssl_object"]
        tls = f"{found.version()} with cipher {found.cipher()[0]}"
        return Line(self.peer, helo, tls, protocol + "S", found.getpeercert(True))

    # --- a mail ---

    def _set_rset_state(self) -> None:
        super()._set_rset_state()  # type: ignore[no-untyped-call]
        self._mail = None

    def _set_post_data_state(self) -> None:
        super()._set_post_data_state()  # type: ignore[no-untyped-call]
        self._mail = None

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Who sends."""
        if await self.check_helo_needed():
            return
        if self._mail is not None:
            await self.push(str(replies.NESTED_MAIL))
            return
        try:
            mail = MailTransaction(commands.mail(arg))
        except BadCommand as bad:
            await self.push(str(bad.reply))
            return
        reply = await self._desk.sender(self._line(), mail)
        if reply.code == 250:
            self._mail = mail
        await self.push(str(reply))

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Who receives."""
        if await self.check_helo_needed():
            return
        if self._mail is None:
            await self.push(str(replies.NEED_MAIL))
            return
        try:
            command = commands.rcpt(arg, utf8=self._mail.command.utf8, postmaster=self._desk.postmaster)
        except BadCommand as bad:
            await self.push(str(bad.reply))
            return
        await self.push(str(await self._desk.recipient(self._mail, command)))

    async def smtp_DATA(self, arg: str) -> None:
        """The mail itself; it may take longer than a command, but not for ever."""
        if await self.check_helo_needed():
            return
        if self._mail is None or not self._mail.recipients:
            await self.push("503 Error: need RCPT command")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        self._reset_timeout(self._desk.settings.timeouts.data)
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        limits = self._desk.settings.limits
        try:
            reply = await self._finish(self._mail, await read_mail(self._reader, limits.line, limits.size))
        except Unfit as unfit:
            reply = str(unfit)
        self._set_post_data_state()
        await self.push(reply)
        self._reset_timeout()

    async def _finish(self, mail: MailTransaction, content: bytes) -> str:
        """Hand the mail over; what is said to the peer."""
        self._reset_timeout(self._desk.settings.timeouts.data)
        self._busy = True
        try:
            reply = await self._desk.message(self._line(), mail, content)
        finally:
            self._busy = False
        return self._doorway.answers(mail, reply)

    # --- what is not for servers ---

    async def smtp_AUTH(self, arg: str) -> None:
        """Servers are known by their certificate."""
        await self.push(str(replies.NO_AUTH))

    async def smtp_VRFY(self, arg: str) -> None:
        """Tells nothing."""
        await self.push(str(replies.NO_VRFY))

    async def smtp_EXPN(self, arg: str) -> None:
        """Tells nothing."""
        await self.push(str(replies.NO_EXPN))

    async def smtp_HELP(self, arg: str) -> None:
        """Where to read on."""
        await self.push(str(replies.HELP))


@cache
def _commands(connection: Hashable) -> Sequence[str]:
    return tuple(name for name in dir(connection) if name.startswith(("smtp_", "auth_")))


def _budgets(mails: int, idle: int) -> dict[str, int]:
    """How often each command may come in one connection."""
    rare = ("NOOP", "EHLO", "HELO", "LHLO", "VRFY", "EXPN", "HELP", "AUTH", "STARTTLS")
    return {**dict.fromkeys(rare, idle), "RSET": mails + idle, "MAIL": mails, "DATA": mails, "*": 1_000_000}
