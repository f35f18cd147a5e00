"""What anybody may ask of a homeserver: the calls of `homeserver check`, made as a stranger makes them."""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import AF_INET, AF_UNSPEC
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from appservice.process.conforming.choices import Site

_PATIENCE = 15.0  # s
_DAY = 86_400.0
CLIENT = "/_matrix/client"
SEARCH = f"{CLIENT}/v3/user_directory/search"


@dataclass(frozen=True, slots=True)
class OutsideAnswer:
    """What came: 0 is nothing at all, then ``error`` says why."""

    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that a stranger sees: the answers by the name of their call, and the certificate."""

    answers: Mapping[str, OutsideAnswer]
    certificate_error: str = ""
    days: float = 365.0
    old_tls: bool = False


def calls(site: Site) -> dict[str, tuple[str, str]]:
    """Name → method and address."""
    here, domain = site.public_url, f"https://{site.domain}"
    asked = {
        "versions": ("GET", f"{here}{CLIENT}/versions"),
        "profile": ("GET", f"{here}{CLIENT}/v3/profile/@rpps_00000000000:{site.domain}"),
        "registration": ("POST", f"{here}{CLIENT}/v3/register"),
        "guest": ("POST", f"{here}{CLIENT}/v3/register?kind=guest"),
        "rooms": ("GET", f"{here}{CLIENT}/v3/publicRooms"),
        "login": ("GET", f"{here}{CLIENT}/v3/login"),
        "federation": ("GET", f"{here}/_matrix/federation/v1/version"),
        "key": ("GET", f"{here}/_matrix/key/v2/server"),
        "admin": ("GET", f"{here}/_synapse/admin/v1/server_version"),
        "metrics": ("GET", f"{here}/_synapse/metrics"),
        "ready": ("GET", f"{here}/ready"),
        "search": ("OPTIONS", f"{here}{SEARCH}"),
        "connect": ("GET", f"{here}/connect/v1/openapi.json"),
    }
    asked |= {name: ("GET", f"{domain}/.well-known/matrix/{name}") for name in ("client", "server", "support")}
    if site.element:
        asked["element"] = ("GET", f"https://{site.element}/config.json")
    return asked


async def look(site: Site, at: str = "") -> Outside:
    """Make every call. ``at`` (host:port): where the proxy is, if its name leads elsewhere from here."""
    context = ssl.create_default_context()
    if site.federation_ca:
        context.load_verify_locations(site.federation_ca)
    error, days = await _certificate(site, context, at)
    resolver = _There(at) if at else None
    connector = aiohttp.TCPConnector(ssl=context, resolver=resolver, ttl_dns_cache=0)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        asked = calls(site)
        answers = await asyncio.gather(*(_ask(session, *call) for call in asked.values()))
    return Outside(dict(zip(asked, answers, strict=True)), error, days, await _old_tls(site, at))


class _There(AbstractResolver):
    """Every name leads to one address, as with ``curl --connect-to``."""

    def __init__(self, at: str) -> None:
        self._host, _, port = at.rpartition(":")
        self._port = int(port)

    async def resolve(self, host: str, port: int = 0, family: int = AF_INET) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, family=AF_UNSPEC)
        kind, _, protocol, _, address = found[0]
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=self._port, family=kind, proto=protocol, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _ask(session: aiohttp.ClientSession, method: str, url: str) -> OutsideAnswer:
    body: Any = {} if method == "POST" else None
    try:
        async with session.request(method, url, json=body, allow_redirects=False) as answer:
            raw = await answer.read()
            return OutsideAnswer(answer.status, _json(raw), dict(answer.headers))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return OutsideAnswer(error=type(error).__name__)


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return None


def _place(site: Site, at: str) -> tuple[str, int, str]:
    """Host and port to connect to, and the name that the certificate must hold."""
    name, _, port = site.host.partition(":")
    if at:
        host, _, port = at.rpartition(":")
        return host, int(port), name
    return name, int(port or 443), name


async def _certificate(site: Site, context: ssl.SSLContext, at: str) -> tuple[str, float]:
    """What is wrong with it (empty: nothing, or nobody is there), and for how many days it holds."""
    host, port, name = _place(site, at)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    except ssl.SSLError as error:
        return str(getattr(error, "verify_message", "") or error.reason or "TLS"), 365.0
    except (OSError, TimeoutError):
        return "", 365.0
    found = writer.get_extra_info("peercert") or {}
    writer.transport.abort()
    return "", (ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) / _DAY


async def _old_tls(site: Site, at: str) -> bool:
    """Whether TLS 1.1 is agreed on, by a client that would take anything."""
    host, port, name = _place(site, at)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
