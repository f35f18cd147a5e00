"""A small trust space for the tests of the SMTP edges: certificates, a list in memory, a shelf for taken mail.

`StubJudge` is a stub of the trust list: the same answers, from rows that a test may change at any time.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from bridge.networks.mail.smtp.reception import Envelope
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.trust import dn
from deploy.world.trust import Authority, Issued, subject
from deploy.world.waiting import PATIENCE

HUB = "liaison.mss.example"
HUB_HOST = "mx.liaison.example"


@dataclass(frozen=True, slots=True)
class StubVerdict:
    dn: dn.DN | None
    domains: frozenset[str]
    code: str | None
    later: bool = False


class StubJudge:
    """A stub of the trust list and its revocation lists."""

    def __init__(self) -> None:
        self.rows: set[tuple[str, dn.DN]] = set()
        self.revoked: set[int] = set()
        self.stale = False

    def list(self, domain: str, text: str) -> None:
        self.rows.add((domain, dn.parse(text)))

    def unlist(self, domain: str) -> None:
        self.rows = {row for row in self.rows if row[0] != domain}

    def knows(self, domain: str) -> bool:
        return any(row[0] == domain for row in self.rows)

    def allows(self, domain: str, name: dn.DN) -> bool:
        return (domain, name) in self.rows

    async def look_up(self, der: bytes) -> StubVerdict:
        certificate = x509.load_der_x509_certificate(der)
        name = dn.of(certificate)
        domains = frozenset(domain for domain, listed in self.rows if listed == name)
        code = None if domains else "dn_not_listed"
        if certificate.serial_number in self.revoked:
            code = "certificate_revoked"
        return StubVerdict(name, domains, code)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with a certificate."""

    dn: str
    issued: Issued
    certificate: Path
    key: Path


class Space:
    """Authority, list and certificates of one test."""

    def __init__(self) -> None:
        # Readable for the mail servers' own users, which pytest's folders are not.
        self.directory = Path(tempfile.mkdtemp(prefix="liaison-space-"))
        self.directory.chmod(0o755)
        weakref.finalize(self, shutil.rmtree, self.directory, True)
        self.authority = Authority(key="ec")
        self.stranger = Authority(root_cn="AC INCONNUE", issuer_cn="AC INCONNUE ORG", key="ec")
        self.bundle = self.directory / "authority.pem"
        self.bundle.write_bytes(self.authority.bundle)
        self.judge = StubJudge()
        self.hub = self.party(HUB_HOST, HUB)

    def party(self, cn: str, *domains: str, **how: Any) -> Party:
        """Somebody with a good certificate, listed for these domains."""
        return self.write(self.authority.issue(subject(cn), hosts=[cn], key="ec", **how), subject(cn), *domains)

    def write(self, issued: Issued, text: str, *domains: str) -> Party:
        """List a certificate and write it to files."""
        for domain in domains:
            self.judge.list(domain, text)
        stem = f"{issued.certificate.serial_number:x}"[:16]
        certificate, key = issued.write(self.directory, stem)
        return Party(text, issued, certificate, key)

    def settings(self, **changes: Any) -> SmtpSettings:
        """The hub's settings, on a free port."""
        tls = {"certificate": self.hub.certificate, "key": self.hub.key, "authority": self.bundle}
        basis = {"hostname": HUB_HOST, "domains": [HUB], "tls": tls, "host": "127.0.0.1", "port": 0}
        return SmtpSettings.model_validate({**basis, **changes})

    def client_context(self, party: Party | None) -> ssl.SSLContext:
        """What a peer uses to speak to the hub."""
        context = ssl.create_default_context(cafile=str(self.bundle))
        context.check_hostname = False
        if party:
            context.load_cert_chain(party.certificate, party.key)
        return context

    def server_context(self, party: Party, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
        """What a peer uses to be spoken to by the hub: it demands a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = minimum
        context.load_cert_chain(party.certificate, party.key)
        context.load_verify_locations(self.bundle)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


@dataclass(slots=True)
class Shelf:
    """Where taken mail ends; a test may put something into the way."""

    mails: list[tuple[Envelope, bytes]] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None
    boxes: dict[str, str] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, envelope: Envelope, raw: bytes) -> None:
        if self.before:
            await self.before()
        self.mails.append((envelope, raw))
        self.arrived.set()

    async def known(self, address: str) -> str:
        return self.boxes.get(address.partition("@")[0], "ok")

    async def next(self) -> tuple[Envelope, bytes]:
        async with asyncio.timeout(PATIENCE):
            while not self.mails:
                self.arrived.clear()
                await self.arrived.wait()
        return self.mails.pop(0)
