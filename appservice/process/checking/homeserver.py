"""Looks at a live homeserver by its behaviour: does it know us, are the ghosts ours, what can it do."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.client.names import escape
from appservice.process.checking import abilities, behaviour, pushes
from appservice.process.checking.findings import Finding, judged
from appservice.process.checking.probe import Probe
from appservice.process.settings import MatrixSettings
from bridge.config import ListenSettings, MatrixListenSettings
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
CLIENT = "/_matrix/client/v3"
_SKEW = 5.0  # seconds that two clocks may differ
_ANSWER = 15.0  # s
_HANDSHAKE = 5.0  # s
_PROBE = "0" * 11  # nobody's RPPS number
_BOX = "liaison-check@invalid"  # nobody's mailbox (RFC 2606)
_MOST = 40  # servers that are asked
_REGISTER = (
    "put the file of `liaison registration` into app_service_config_files and restart the homeserver (one that has no "
    "application services carries no hub)"
)


async def check(
    settings: MatrixSettings, listen: ListenSettings | None = None, trusted: Sequence[str] = ()
) -> list[Finding]:
    """Look at everything; stops early when the homeserver cannot be reached or does not know us.

    ``listen`` is where the hub will listen (None: the port of ``matrix.address``), ``trusted`` the servers that the
    homeserver should reach.
    """
    findings = await _reachable(settings)
    if not findings[0].ok:
        return findings
    async with Homeserver(settings.url, settings.read_as_token(), timeout=_ANSWER) as homeserver:
        known = await _known(settings, homeserver)
        findings += known
        if not all(finding.ok for finding in known):
            return findings
        findings.append(await _rooms(settings, homeserver))
        async with _probe(settings, homeserver) as probe:
            device = await _device(homeserver, probe)
            findings += [device, *(await abilities.look(homeserver, probe) if device.ok else [])]
            way = pushes.Way(settings, homeserver, listen or _of_address(settings), probe)
            async with pushes.borrow(way) as borrowed:
                pushed = await pushes.look(way, borrowed)
                findings += pushed
                findings += await behaviour.look(settings, homeserver, probe)
                if borrowed is not None and pushed[0].ok:
                    findings += await behaviour.look_at_a_room(homeserver, probe)
                    await borrowed.over()
        findings += await _others(homeserver, probe.ghost, trusted)
    return findings


def _of_address(settings: MatrixSettings) -> ListenSettings:
    return MatrixListenSettings(host="", port=pushes.port_of(settings.address))


@contextlib.asynccontextmanager
async def _probe(settings: MatrixSettings, homeserver: Homeserver) -> AsyncIterator[Probe]:
    """A ghost of nobody with a device for a moment."""
    device = "CHECK" + secrets.token_hex(4).upper()
    probe = Probe(settings.names().of_rpps(_PROBE), device, box(settings))
    try:
        yield probe
    finally:
        await _quietly(homeserver.call("DELETE", f"{CLIENT}/devices/{device}", {}, user=probe.ghost))


def box(settings: MatrixSettings) -> str:
    """The ghost of a mailbox of nobody."""
    return f"@{settings.mail_ghost_prefix}{escape(_BOX)}:{settings.server_name}"


async def _reachable(settings: MatrixSettings) -> list[Finding]:
    url = settings.url.rstrip("/") + "/_matrix/client/versions"
    try:
        status, raw, date = await _get(url)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return [Finding(False, f"the homeserver answers at {settings.url}", await _why(settings.url, error))]
    versions = _json(raw)
    if status != 200 or not isinstance(versions, dict) or "versions" not in versions:
        mend = f"{url} answered {status}: this is no client-server API: set matrix.homeserver to its address"
        return [Finding(False, "a homeserver answers", mend)]
    offered = [str(v) for v in versions["versions"]]
    findings = [Finding(True, f"the homeserver answers, up to {offered[-1] if offered else '?'}")]
    features = versions.get("unstable_features", {})
    fields = bool(features.get("uk.tcpip.msc4133.stable")) or "v1.16" in offered
    mend = "update the homeserver: profession and RPPS number are not shown in profiles until then"
    findings.append(judged(fields, "profiles can hold custom fields (MSC4133)", mend))
    return [*findings, *_clock(date)]


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return None


def _clock(date: str | None) -> list[Finding]:
    if date is None:
        return []
    skew = abs(parsedate_to_datetime(date).timestamp() - time.time())
    return [judged(skew <= _SKEW, f"clocks agree within {_SKEW:g} s", f"they differ by {skew:.0f} s: use NTP")]


async def _get(url: str) -> tuple[int, bytes, str | None]:
    timeout = aiohttp.ClientTimeout(total=_ANSWER, sock_connect=_HANDSHAKE)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status, await answer.read(), answer.headers.get("Date")


async def _why(url: str, error: Exception) -> str:
    """What to change where nothing answers: often the other scheme is spoken there."""
    scheme, _, rest = url.partition("://")
    other = {"https": "http", "http": "https"}[scheme]
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate does not hold for this name: name it as the certificate does, or renew it"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host of matrix.homeserver is unknown: correct the name, or this machine's DNS"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return "nobody listens there: start the homeserver, or correct host and port of matrix.homeserver"
    if await _speaks(f"{other}://{rest}"):
        return f"{scheme} is not spoken there, {other} is: write {other}://{rest} in matrix.homeserver"
    return f"check matrix.homeserver and that the homeserver runs ({type(error).__name__})"


async def _speaks(url: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=_HANDSHAKE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url.rstrip("/") + "/_matrix/client/versions", ssl=False) as answer,
        ):
            return answer.status > 0
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def _known(settings: MatrixSettings, homeserver: Homeserver) -> list[Finding]:
    """Does it know our token, and are ghosts ours alone."""
    try:
        me = str((await homeserver.call("GET", f"{CLIENT}/account/whoami")).get("user_id"))
    except (Refused, Unavailable) as error:
        return [Finding(False, f"the homeserver knows our as_token ({words(error)})", _REGISTER)]
    findings = [Finding(True, "the homeserver knows our as_token")]
    server = me.partition(":")[2]
    mend = f"matrix.server_name is {settings.server_name}, the homeserver says {server}: write that, and register anew"
    findings.append(judged(server == settings.server_name, "server_name is right", mend))
    ghost = me.startswith(tuple(f"@{p}" for p in (settings.ghost_prefix, settings.mail_ghost_prefix)))
    mend = "choose a random sender_localpart outside of both ghost prefixes: /sync fails for the sender"
    findings.append(judged(not ghost, "the sender is no ghost", mend))
    return [*findings, await _ghosts(settings, homeserver)]


async def _ghosts(settings: MatrixSettings, homeserver: Homeserver) -> Finding:
    """Are both namespaces ours."""
    what = "ghosts can be registered"
    for prefix, name in ((settings.ghost_prefix, _PROBE), (settings.mail_ghost_prefix, escape(_BOX))):
        body = {"type": "m.login.application_service", "username": prefix + name, "inhibit_login": True}
        try:
            await homeserver.call("POST", f"{CLIENT}/register", body)
        except MatrixRefused as refusal:
            if refusal.errcode != "M_USER_IN_USE":
                return Finding(False, f"{what}: @{prefix}… is refused ({refusal})", _claimed(prefix, refusal))
        except Unavailable as reason:
            return Finding(False, what, f"the homeserver failed: {reason.code}")
    return Finding(True, what)


def _claimed(prefix: str, refusal: MatrixRefused) -> str:
    """Synapse says in words which of the two it is; the code is the same."""
    if "reserved by an application service" in str(refusal.answer.get("error", "")):
        return (
            f"another appservice claims @{prefix}… for itself: look for it in the other files of "
            "app_service_config_files, and take it out there (or choose another ghost_prefix for a new hub)"
        )
    return (
        f"the registration has no users namespace @{prefix}… for this appservice: bring the homeserver a new "
        "`liaison registration` and restart it"
    )


async def _rooms(settings: MatrixSettings, homeserver: Homeserver) -> Finding:
    ghost = settings.names().of_rpps(_PROBE)
    try:
        answer = await homeserver.call("GET", f"{CLIENT}/capabilities", user=ghost)
        offered = answer["capabilities"]["m.room_versions"]["available"]
    except (Refused, Unavailable, KeyError) as error:
        return Finding(
            False, f"room versions are named (GET /capabilities failed: {words(error)})", "update the homeserver"
        )
    wanted = {settings.room_version} if settings.room_version else {"11", "12"}
    what = f"room version {' or '.join(sorted(wanted))} is offered"
    return judged(bool(wanted & set(offered)), what, "update the homeserver, or change matrix.room_version")


async def _device(homeserver: Homeserver, probe: Probe) -> Finding:
    """MSC4190 (in Matrix 1.17): a device without a login; and /sync for it, which is where keys come from."""
    what = "ghosts get devices, and can /sync"
    try:
        path = f"{CLIENT}/devices/{probe.device}"
        await homeserver.call("PUT", path, {"display_name": "liaison check"}, user=probe.ghost)
        query = {"timeout": "0", "set_presence": "offline"}
        await homeserver.call("GET", f"{CLIENT}/sync", user=probe.ghost, device=probe.device, query=query)
    except (Refused, Unavailable) as error:
        mend = (
            "set io.element.msc4190: true in the registration; a homeserver without MSC4190 carries no ghosts with keys"
        )
        return Finding(False, what, f"{mend} ({words(error)})")
    return Finding(True, what)


async def _others(homeserver: Homeserver, ghost: str, trusted: Sequence[str]) -> list[Finding]:
    """Whether the homeserver reaches those whom the hub trusts."""
    names = [one for one in trusted if "*" not in one]
    return list(await asyncio.gather(*(_other(homeserver, ghost, one) for one in names[:_MOST])))


async def _other(homeserver: Homeserver, ghost: str, server: str) -> Finding:
    """A profile of nobody there: the homeserver has to ask that server."""
    what = f"trust.matrix_servers: the homeserver reaches {server}"
    try:
        await homeserver.call("GET", f"{CLIENT}/profile/{part(f'@liaison-check:{server}')}", user=ghost)
    except MatrixRefused as refusal:
        if "denied" in str(refusal.answer.get("error", "")).lower():
            return Finding(False, what, f"add {server} to federation_domain_whitelist in homeserver.yaml")
    except Unavailable as reason:
        mend = "is it the server's name (the part of user ids after the colon), does it run, does it federate?"
        return Finding(False, f"{what} not ({reason.code})", mend)
    return Finding(True, what)


def words(error: Exception) -> str:
    """What the homeserver said, as codes only."""
    return str(error) if isinstance(error, MatrixRefused) else getattr(error, "code", type(error).__name__)


async def _quietly(call: Awaitable[Any]) -> None:
    with contextlib.suppress(Refused, Unavailable, TimeoutError):
        await call
