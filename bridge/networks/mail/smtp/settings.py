"""Settings of the SMTP and LMTP edges of the mail leg."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bridge.networks.mail.smtp.address import a_label
from bridge.networks.mail.trust.settings import Seconds


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _domain(value: str) -> str:
    if (name := a_label(value)) is None:
        raise ValueError("a domain name such as mail.example")
    return name


def _route(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError("host:port")
    return value


DomainName = Annotated[str, AfterValidator(_domain)]
Route = Annotated[str, AfterValidator(_route)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class TlsSettings(_Section):
    """The operator's certificate, and the authorities whose certificates count; files are read again when they change.

    ``client_certificate`` is shown when sending, where that is another one than ``certificate``.
    """

    certificate: Path
    key: Path
    authority: Path
    client_certificate: Path | None = None
    client_key: Path | None = None
    ciphers: str | None = Field(default=None, description="for TLS 1.2, as OpenSSL writes them")

    @model_validator(mode="after")
    def _both_or_none(self) -> TlsSettings:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key belong together")
        return self


class LimitSettings(_Section):
    """What a peer may ask of us. Sizes in bytes."""

    size: int = Field(default=25_000_000, ge=65_536, le=1_000_000_000)
    line: int = Field(default=65_536, ge=1001, le=1_048_576)
    header: int = Field(default=262_144, ge=4096, le=4_194_304)
    recipients: int = Field(default=100, ge=1, le=10_000)
    received: int = Field(default=30, ge=5, le=200, description="Received lines before a mail counts as a loop")
    sessions: int = Field(default=500, ge=1, le=100_000)
    sessions_per_peer: int = Field(default=50, ge=1, le=100_000)
    mails_per_session: int = Field(default=1000, ge=1)
    mails_per_minute: int = Field(default=3000, ge=1, description="from one certificate")
    idle_commands: int = Field(default=100, ge=5, description="NOOP, RSET, VRFY and the like in one session")
    errors: int = Field(default=100, ge=5, description="refused commands in one session")


class TimeoutSettings(_Section):
    """How long a peer may take (RFC 5321, 4.5.3.2)."""

    command: Seconds = 300.0
    data: Seconds = 600.0
    handshake: Seconds = 30.0
    connect: Seconds = 30.0
    reply: Seconds = 300.0


class LmtpSettings(_Section):
    """LMTP behind a mail server of the site, on a Unix socket or a port of this machine.

    ``judged_by_front`` must be said: the certificates are that server's business then, the hub never sees them.
    """

    judged_by_front: Literal[True]
    path: Path | None = None
    mode: int = Field(default=0o660, ge=0, le=0o777)
    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"
    port: Port | None = None
    check_list: bool = Field(default=True, description="senders' domains must be in the trust list")

    @model_validator(mode="after")
    def _one_place(self) -> LmtpSettings:
        if (self.path is None) == (self.port is None):
            raise ValueError("give either path or port")
        return self


class SendingSettings(_Section):
    """How mail leaves. ``routes`` replaces the MX look-up for single domains; ``dns`` replaces the system's servers."""

    port: Port = 25
    routes: dict[DomainName, Route] = {}
    dns: list[Route] = []
    dns_timeout: Seconds = 10.0
    connections: int = Field(default=32, ge=1, le=1000)
    connections_per_domain: int = Field(default=4, ge=1, le=100)
    hosts: int = Field(default=5, ge=1, le=20, description="addresses tried in one attempt")
    source: str | None = Field(default=None, description="the local address to send from")


class SmtpSettings(_Section):
    """The hub as an operator of the secure-mail space: its domains, its certificate, its limits."""

    hostname: DomainName
    domains: list[DomainName] = Field(min_length=1)
    tls: TlsSettings
    host: str = "0.0.0.0"  # noqa: S104 - an operator port is public
    port: Port = 25
    header_from_check: bool = True
    refuse_citizens: bool = Field(default=True, description="their mail is refused, and nobody writes to them")
    citizen_domains: list[DomainName] = ["patient.mssante.fr"]
    limits: LimitSettings = LimitSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    lmtp: LmtpSettings | None = None
    sending: SendingSettings = SendingSettings()

    @property
    def refused_citizens(self) -> frozenset[str]:
        """The domains of citizens' mailboxes with which nothing is exchanged; empty if that is allowed."""
        return frozenset(self.citizen_domains if self.refuse_citizens else ())
