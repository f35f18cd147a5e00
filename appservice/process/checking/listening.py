"""Both ports: certificates, whether they can be had, and whether the homeserver's address leads to ours."""

from __future__ import annotations

import asyncio
import errno
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from appservice.process import examine
from appservice.process.checking.findings import Finding, bad, good, remark
from appservice.process.checking.remedies import fault
from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, ListenSettings

_SOON = timedelta(days=21)
_HERE = {"localhost", "127.0.0.1", "::1"}
_PATIENCE = 3.0


async def findings(name: str, where: ListenSettings) -> list[Finding]:
    """One port. ``name`` is its section."""
    try:
        examine.tls(name, where)
    except BadConfig as problem:
        text = str(problem)
        if "KEY_VALUES_MISMATCH" in text:
            return [bad(f"{name}: key does not belong to certificate", "give the key with which it was requested")]
        return [fault(line) for line in text.splitlines()]
    found = [] if where.certificate is None else _ends(name, where.certificate)
    return [*found, await _port(name, where)]


def _ends(name: str, path: Path) -> list[Finding]:
    """When the first certificate of the chain begins and ends."""
    try:
        [first, *_] = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        return [bad(f"{name}: certificate cannot be read: {error}", "give PEM: the certificate first, then its chain")]
    now, mend = datetime.now(UTC), "renew it, then restart the hub: listeners' certificates are read at start"
    if first.not_valid_after_utc <= now:
        return [bad(f"{name}: certificate has ended on {first.not_valid_after_utc:%Y-%m-%d}", mend)]
    if first.not_valid_before_utc > now:
        begins = f"{name}: certificate is valid from {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only"
        return [bad(begins, "look at this machine's clock, or wait")]
    if first.not_valid_after_utc - now < _SOON:
        return [remark(f"{name}: certificate ends on {first.not_valid_after_utc:%Y-%m-%d}", mend)]
    return [good(f"{name}: certificate is valid until {first.not_valid_after_utc:%Y-%m-%d}")]


async def _port(name: str, where: ListenSettings) -> Finding:
    at = f"{where.host or '*'}:{where.port}"
    try:
        infos = socket.getaddrinfo(where.host or None, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = infos[0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            return good(f"{name}: {at} can be had")
    except socket.gaierror:
        return bad(f"{name}.host: {where.host} is no address", "give an address of this machine, or 0.0.0.0 for all")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return await _taken(name, where, at)
        if error.errno == errno.EACCES:
            return bad(f"{name}.port: {where.port} needs a right", "take one above 1023, and a reverse proxy in front")
        return bad(f"{name}.host: this machine has no address {where.host}", "`ip address` shows those that it has")


async def _taken(name: str, where: ListenSettings, at: str) -> Finding:
    """By a running hub, or by something else."""
    host = where.host if where.host not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    scheme, path = (
        ("http" if where.certificate is None else "https"),
        "connect/v1/openapi.json" if name == "connect_listen" else "health",
    )
    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{scheme}://{host}:{where.port}/{path}", ssl=False) as answer,
        ):
            if answer.status == 200:
                return good(f"{name}: a hub answers at {at}")
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError):
        pass
    return bad(
        f"{name}.port: {where.port} is in use, and no hub answers there",
        f"`ss -ltnp` shows by what: a hub that does not work (see its log), or another program: change {name}.port",
    )


def address(settings: MatrixSettings, where: ListenSettings) -> list[Finding]:
    """Whether ``matrix.address`` leads to ``matrix_listen``, where both are on this machine."""
    parts = urlsplit(settings.address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.hostname not in _HERE or where.port == 0:
        if where.host in _HERE and parts.hostname not in _HERE:
            mend = "change matrix_listen.host, or put a reverse proxy in front"
            return [
                remark(
                    f"matrix_listen: {where.host} is reached by this machine alone, {settings.address} names another",
                    mend,
                )
            ]
        return []
    if port != where.port:
        mend = f"make them the same, also `url` in the registration (unless a proxy of this machine listens at {port})"
        return [bad(f"matrix.address has port {port}, matrix_listen.port is {where.port}", mend)]
    if (parts.scheme == "https") != (where.certificate is not None):
        mend = "write https:// there" if where.certificate is not None else "write http:// there, or give a certificate"
        return [
            bad(f"matrix.address is {parts.scheme}, matrix_listen is not", mend + "; also `url` in the registration")
        ]
    return []
