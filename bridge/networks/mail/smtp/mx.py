"""Which servers take mail for a domain: MX records by dnspython, or a fixed route (RFC 5321, 5.1; RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from bridge.errors import Refused, Unavailable
from bridge.networks.mail.smtp.settings import SendingSettings

_MOST_RECORDS = 20


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server: its name, and the port it listens on."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


class Resolver(Protocol):
    """Where mail goes, and at which addresses."""

    async def hosts(self, domain: str) -> Sequence[Host]:
        """The servers of a domain, best first. Raises Refused (no_mx, null_mx) or Unavailable (dns)."""

    async def addresses(self, host: Host) -> Sequence[str]:
        """The IP addresses of a server. Raises Unavailable (dns)."""


class Dns:
    """By DNS, with the servers of the system or those of the settings."""

    def __init__(self, settings: SendingSettings) -> None:
        self._port = settings.port
        self._routes = {domain: _route(text) for domain, text in settings.routes.items()}
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._settings = settings

    async def hosts(self, domain: str) -> Sequence[Host]:
        """The route of the settings, else the MX records; a domain without MX takes no mail here."""
        if domain in self._routes:
            return (self._routes[domain],)
        try:
            answer = await self._ask().resolve(f"{domain}.", "MX", lifetime=self._settings.dns_timeout)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            raise Refused("no_mx", about=domain) from None
        except (dns.exception.DNSException, OSError):
            raise Unavailable("dns") from None
        found = sorted((record.preference, random.random(), record.exchange) for record in answer)
        names = [name for _, _, name in found if name != dns.name.root]
        if not names:
            raise Refused("null_mx", about=domain)
        return [Host(name.to_text(omit_final_dot=True).lower(), self._port) for name in names[:_MOST_RECORDS]]

    async def addresses(self, host: Host) -> Sequence[str]:
        """An address stands for itself; ``localhost`` needs no DNS."""
        if dns.inet.is_address(host.name):
            return (host.name,)
        if host.name == "localhost":
            return ("127.0.0.1",)
        try:
            found = await self._ask().resolve_name(f"{host.name}.", lifetime=self._settings.dns_timeout)
        except (dns.exception.DNSException, OSError):
            raise Unavailable("dns") from None
        return list(found.addresses())

    def _ask(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            servers: Mapping[str, int] = dict(map(_server, self._settings.dns))
            resolver = dns.asyncresolver.Resolver(configure=not servers)
            if servers:
                resolver.nameservers = list(servers)
                resolver.nameserver_ports = dict(servers)
            self._resolver = resolver
        return self._resolver


def _server(text: str) -> tuple[str, int]:
    host = _route(text)
    return host.name, host.port


def _route(text: str) -> Host:
    name, _, port = text.rpartition(":")
    return Host(name.strip("[]"), int(port))
