"""Mails to the operators of other domains: where to, over which connection, and what became of each. Never a retry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bridge.errors import Refused, Unavailable
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.kept import KeptPeers
from bridge.networks.mail.smtp.mx import Dns, Host, Resolver
from bridge.networks.mail.smtp.peer import Attempt, Outcome, Peer, Stopped, gravity, same, surely
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.judge import Judge

log = logging.getLogger(__name__)
_MAILS = 100  # over one connection; then others have their turn


class SmtpOut:
    """Sends to other operators; ``judge`` is the trust list, ``resolver`` says where a domain takes its mail.

    ``ours``: see :class:`bridge.networks.mail.smtp.peer.Attempt`.
    """

    def __init__(
        self, settings: SmtpSettings, judge: Judge, resolver: Resolver | None = None,
        ours: Callable[[], Awaitable[None]] = surely,
    ) -> None:  # fmt: skip
        self._settings = settings
        self.ours = ours
        self._judge = judge
        self._resolver = resolver or Dns(settings.sending)
        self._tls = Tls(settings.tls)
        self._all = asyncio.Semaphore(settings.sending.connections)
        self._domains: dict[str, asyncio.Semaphore] = {}
        self.kept = KeptPeers()

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        """One attempt; see :meth:`Session.send`."""
        async with self.session() as session:
            return await session.send(sender, recipients, raw, envid)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Mails for one domain, one after the other over one connection: the last one that was kept, or a new one.

        After the last mail it is kept for a while, where connections are kept (:attr:`kept`).
        """
        session = Session(self)
        try:
            yield session
        except BaseException:
            await session.end(cut=True)
            raise
        await session.end()

    async def hosts(self, domain: str) -> Sequence[Host]:
        """Where a domain takes its mail. Raises Stopped for one to which none may go now."""
        if self._judge.stale:  # before the list is asked: there may be none yet
            raise Stopped(451, "4.7.0", "our trust list is too old or not there yet")
        if not self._judge.knows(domain):
            raise Stopped(550, "5.7.1", "the domain is not in the trust list")
        try:
            return await self._resolver.hosts(domain)
        except Refused as refusal:
            status = "5.1.10" if refusal.code == "null_mx" else "5.1.2"
            raise Stopped(550, status, "the domain takes no mail") from None
        except Unavailable:
            raise Stopped(451, "4.4.3", "DNS does not answer") from None

    async def take_slots(self, domain: str, held: AsyncExitStack) -> None:
        """To be held while there is a connection; one that is only kept gives way."""
        most = self._settings.sending.connections_per_domain
        own = self._domains.setdefault(domain, asyncio.Semaphore(most))
        with self.kept.wanted():
            if own.locked():
                await self.kept.make_room(domain)
            await held.enter_async_context(own)
            if self._all.locked():
                await self.kept.make_room()
            await held.enter_async_context(self._all)

    def trusts(self, peer: Peer, domain: str) -> bool:
        """Whether a connection that was verified a moment ago is still one for this domain."""
        return peer.dn is not None and not self._judge.stale and self._judge.allows(domain, peer.dn)

    async def try_all(self, attempt: Attempt, hosts: Sequence[Host]) -> tuple[list[Outcome], Peer | None]:
        """The first host that goes as far as the mail decides; else the gravest reason of those that did not.

        Gives the connection, too, if it can take another mail.
        """
        left = self._settings.sending.hosts
        reasons: list[tuple[Stopped, str]] = []
        for host in hosts:
            try:
                addresses = await self._resolver.addresses(host)
            except Unavailable:
                reasons.append((Stopped(451, "4.4.3", "DNS does not answer"), str(host)))
                continue
            for address in addresses[:left]:
                left -= 1
                try:
                    return await self._try(attempt, host, address)
                except Stopped as stopped:
                    reasons.append((stopped, str(host)))
                    if not stopped.next:
                        return same(attempt, stopped, str(host)), None
        if not reasons:
            raise Stopped(451, "4.4.3", "the domain's servers have no address")
        reason, name = max(reasons, key=lambda pair: gravity(pair[0]))
        return same(attempt, reason, name), None

    async def _try(self, attempt: Attempt, host: Host, address: str) -> tuple[list[Outcome], Peer]:
        peer = await Peer.reach(self._settings, self._tls, self._judge, host, address, attempt.domain)
        try:
            return await peer.give(attempt), peer
        except BaseException:
            peer.cut()
            raise


class Session:
    """See :meth:`SmtpOut.session`."""

    def __init__(self, out: SmtpOut) -> None:
        self._out = out
        self._peer: Peer | None = None
        self._domain = ""
        self._slots = AsyncExitStack()

    async def send(self, sender: str, recipients: Sequence[str], raw: bytes, envid: str) -> list[Outcome]:
        """One attempt. ``recipients`` are of one domain; ``sender`` is empty for the null sender; ``raw`` has CRLF.

        ``envid`` is the delivery's id: it comes back in reports (RFC 3461, 4.4). Never raises for what a network or a
        peer does; raises ValueError for recipients of several domains, or of another than before.
        """
        domains = {domain_of(each) for each in recipients}
        if len(domains) != 1 or self._domain not in ("", *domains):
            raise ValueError("one session is for the recipients of one domain")
        attempt = Attempt(sender, tuple(recipients), raw, envid, domains.pop(), self._out.ours)
        self._domain = attempt.domain
        try:
            outcomes = await self._again(attempt) or await self._anew(attempt)
        except Stopped as stopped:
            outcomes = same(attempt, stopped, "")
        kinds = ", ".join(f"{each.code} {each.status}" for each in outcomes)
        log.info("delivery %s to %s: %s", envid, attempt.domain, kinds)
        return outcomes

    async def _again(self, attempt: Attempt) -> list[Outcome]:
        """Over the connection of the mail before. Empty: a new one is needed, this mail was not begun."""
        if self._peer is None and (kept := self._out.kept.take(attempt.domain)) is not None:
            self._peer, self._slots = kept
        peer = self._peer
        if peer is None:
            return []
        if not self._out.trusts(peer, attempt.domain) or peer.mails >= _MAILS or not await peer.ready():
            await self._leave()
            return []
        try:
            return await peer.give(attempt)
        except Stopped as stopped:
            await self.end(cut=True)
            return same(attempt, stopped, peer.name) if stopped.begun else []

    async def _anew(self, attempt: Attempt) -> list[Outcome]:
        hosts = await self._out.hosts(attempt.domain)
        try:
            await self._out.take_slots(attempt.domain, self._slots)
            outcomes, self._peer = await self._out.try_all(attempt, hosts)
        finally:
            if self._peer is None:
                await self._slots.aclose()
        return outcomes

    async def end(self, *, cut: bool = False) -> None:
        """Give the connection up: to be kept, or at once (``cut``)."""
        peer = self._peer
        good = not cut and peer is not None and peer.mails < _MAILS
        if good and peer is not None and self._out.kept.put(self._domain, peer, self._slots):
            self._peer, self._slots = None, AsyncExitStack()
        else:
            await self._leave(cut=cut)

    async def _leave(self, *, cut: bool = False) -> None:
        """Politely or not."""
        peer, self._peer = self._peer, None
        try:
            if peer is not None and cut:
                peer.cut()
            elif peer is not None:
                await peer.leave()
        finally:
            await self._slots.aclose()
