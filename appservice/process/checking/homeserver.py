"""``liaison check``: looks at a live homeserver by its behaviour, and says what to change.

While the hub is not running, its address is borrowed for some seconds: that shows whether the homeserver reaches us,
with which token, and whether it sends key material along. Transactions with events are answered 503: the homeserver
keeps the events and sends them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import web

from appservice.arriving.transactions import parse
from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.client.names import escape
from appservice.process.checking.findings import Finding
from appservice.process.settings import MatrixSettings
from bridge.config import MatrixListenSettings
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
_CLIENT = "/_matrix/client/v3"
_SKEW = 5.0  # seconds that two clocks may differ
_PATIENCE = 5.0  # seconds for a push to arrive
_AGAIN = 0.7  # s between two tries to have news pushed
_PROBE = "0" * 11  # nobody's RPPS number
_BOX = "liaison-check@invalid"  # nobody's mailbox (RFC 2606)


@dataclass(slots=True)
class _Borrowed:
    """What came in at our address. ``ghost`` is who makes news for this check; its events are for nobody else."""

    ghost: str
    tokens: set[str] = field(default_factory=set)
    to_device: bool = False
    extensions: bool = False
    events: bool = False

    async def transaction(self, request: web.Request) -> web.Response:
        """Look at a transaction and leave it to the hub."""
        self._token(request)
        raw = await request.read()
        body = orjson.loads(raw)
        self.to_device |= bool(parse(raw).to_device)
        self.extensions |= any(str(key).startswith("org.matrix.msc3202.") for key in body)
        if all(event.get("sender") == self.ghost for event in body.get("events", [])):
            return web.json_response({})  # bells (the hub reads /sync when it starts) and what this check did itself
        self.events = True
        return web.json_response({"errcode": "M_UNKNOWN", "error": "the hub is being checked"}, status=503)

    async def ping(self, request: web.Request) -> web.Response:
        """Answer a ping."""
        self._token(request)
        return web.json_response({})

    def _token(self, request: web.Request) -> None:
        self.tokens.add(request.headers.get("Authorization", "").removeprefix("Bearer "))


async def check(settings: MatrixSettings, where: MatrixListenSettings | None = None) -> list[Finding]:
    """Look at everything; stops early when the homeserver cannot be reached or does not know us.

    ``where``: the hub's own port, which is borrowed; without it the one of ``matrix.address``.
    """
    port = urlsplit(settings.address).port or 80 if where is None or where.certificate is not None else where.port
    findings = await _reachable(settings)
    if not findings[0].ok:
        return findings
    async with Homeserver(settings.url, settings.read_as_token(), timeout=15.0) as homeserver:
        known = await _known(settings, homeserver)
        findings += known
        if not all(finding.ok for finding in known):
            return findings
        findings.append(await _rooms(settings, homeserver))
        device = "CHECK" + secrets.token_hex(4).upper()
        ghost = settings.names().of_rpps(_PROBE)
        try:
            findings.append(await _device(homeserver, ghost, device))
            findings += await _push(settings, homeserver, ghost, device, port)
        finally:
            await _quietly(homeserver.call("DELETE", f"{_CLIENT}/devices/{device}", {}, user=ghost))
    return findings


async def _reachable(settings: MatrixSettings) -> list[Finding]:
    url = settings.url.rstrip("/") + "/_matrix/client/versions"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session,
            session.get(url) as answer,
        ):
            raw, date = await answer.read(), answer.headers.get("Date")
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        mend = f"check matrix.homeserver and that the homeserver runs ({type(error).__name__})"
        if await _answers(other := _other_scheme(settings.url)):
            mend = f"write {other} in matrix.homeserver: that port speaks {'TLS' if other[4] == 's' else 'no TLS'}"
        return [Finding(False, f"the homeserver answers at {settings.url}", mend)]
    versions = _json(raw)
    if status != 200 or not isinstance(versions, dict) or "versions" not in versions:
        return [Finding(False, "a homeserver answers", f"{url} answered {status}: this is no client-server API")]
    offered = [str(v) for v in versions["versions"]]
    findings = [Finding(True, f"the homeserver answers, up to {offered[-1] if offered else '?'}")]
    features = versions.get("unstable_features", {})
    fields = bool(features.get("uk.tcpip.msc4133.stable")) or "v1.16" in offered
    mend = "update the homeserver: profession and RPPS number are not shown in profiles until then"
    findings.append(Finding(fields, "profiles can hold custom fields (MSC4133)", mend))
    if date is not None:
        skew = abs(parsedate_to_datetime(date).timestamp() - time.time())
        findings.append(
            Finding(skew <= _SKEW, f"clocks agree within {_SKEW:g} s", f"they differ by {skew:.0f} s: use NTP")
        )
    return findings


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return None


def _other_scheme(url: str) -> str:
    return "http" + url[5:] if url.startswith("https") else "https" + url[4:]


async def _answers(url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session,
            session.get(url.rstrip("/") + "/_matrix/client/versions", ssl=False),
        ):
            return True
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def _known(settings: MatrixSettings, homeserver: Homeserver) -> list[Finding]:
    """Does it know our token, and are ghosts ours alone."""
    try:
        me = str((await homeserver.call("GET", f"{_CLIENT}/account/whoami")).get("user_id"))
    except (Refused, Unavailable) as error:
        mend = "put the file of `liaison registration` into app_service_config_files and restart the homeserver"
        return [Finding(False, f"the homeserver knows our as_token ({_words(error)})", mend)]
    findings = [Finding(True, "the homeserver knows our as_token")]
    server = me.partition(":")[2]
    mend = f"matrix.server_name is {settings.server_name}, the homeserver says {server}"
    findings.append(Finding(server == settings.server_name, "server_name is right", mend))
    mend = "choose a random sender_localpart outside of both ghost prefixes: /sync fails for the sender"
    prefixes = settings.ghost_prefix, settings.mail_ghost_prefix
    findings.append(Finding(not me.startswith(tuple(f"@{p}" for p in prefixes)), "the sender is no ghost", mend))
    return [*findings, await _ghosts(settings, homeserver)]


async def _ghosts(settings: MatrixSettings, homeserver: Homeserver) -> Finding:
    """Are both namespaces ours."""
    what = "ghosts can be registered"
    for prefix, name in ((settings.ghost_prefix, _PROBE), (settings.mail_ghost_prefix, escape(_BOX))):
        body = {"type": "m.login.application_service", "username": prefix + name, "inhibit_login": True}
        try:
            await homeserver.call("POST", f"{_CLIENT}/register", body)
        except MatrixRefused as refusal:
            if refusal.errcode != "M_USER_IN_USE":
                mend = f"register the users namespace @{prefix}… for this appservice, and for no other one ({refusal})"
                return Finding(False, what, mend)
        except Unavailable as reason:
            return Finding(False, what, f"the homeserver failed: {reason.code}")
    return Finding(True, what)


async def _rooms(settings: MatrixSettings, homeserver: Homeserver) -> Finding:
    ghost = settings.names().of_rpps(_PROBE)
    try:
        answer = await homeserver.call("GET", f"{_CLIENT}/capabilities", user=ghost)
        offered = answer["capabilities"]["m.room_versions"]["available"]
    except (Refused, Unavailable, KeyError) as error:
        return Finding(False, "room versions are named", f"GET /capabilities failed ({_words(error)})")
    wanted = {settings.room_version} if settings.room_version else {"11", "12"}
    what = f"room version {' or '.join(sorted(wanted))} is offered"
    return Finding(bool(wanted & set(offered)), what, "update the homeserver, or change matrix.room_version")


async def _device(homeserver: Homeserver, ghost: str, device: str) -> Finding:
    """MSC4190 (in Matrix 1.17): a device without a login; and /sync for it, which is where keys come from."""
    what = "ghosts get devices, and can /sync"
    try:
        await homeserver.call("PUT", f"{_CLIENT}/devices/{device}", {"display_name": "liaison check"}, user=ghost)
        query = {"timeout": "0", "set_presence": "offline"}
        await homeserver.call("GET", f"{_CLIENT}/sync", user=ghost, device=device, query=query)
    except (Refused, Unavailable) as error:
        return Finding(False, what, f"set io.element.msc4190: true in the registration ({_words(error)})")
    return Finding(True, what)


# -- from the homeserver to us -----------------------------------------------------------------------------


async def _push(settings: MatrixSettings, homeserver: Homeserver, ghost: str, device: str, port: int) -> list[Finding]:
    try:
        async with _borrow(port, ghost) as borrowed:
            findings = [await _ping(settings, homeserver)]
            if findings[0].ok:
                findings += await _extensions(settings, homeserver, borrowed, ghost, device)
            return findings
    except OSError:  # the hub runs: it answers the ping itself
        return [await _ping(settings, homeserver)]


@contextlib.asynccontextmanager
async def _borrow(port: int, ghost: str) -> AsyncIterator[_Borrowed]:
    borrowed, app = _Borrowed(ghost), web.Application(client_max_size=1 << 26)
    app.router.add_put("/_matrix/app/v1/transactions/{txn}", borrowed.transaction)
    app.router.add_post("/_matrix/app/v1/ping", borrowed.ping)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, None, port).start()
        yield borrowed
    finally:
        await runner.cleanup()


async def _ping(settings: MatrixSettings, homeserver: Homeserver) -> Finding:
    what = f"the homeserver reaches the hub at {settings.address}"
    path = f"/_matrix/client/v1/appservice/{part(settings.id)}/ping"
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            await homeserver.call("POST", path, {"transaction_id": secrets.token_hex(8)})
            return Finding(True, what)
        except (Refused, Unavailable) as error:
            # Synapse 1.163 reached us and says 502 all the same while it sends again what failed before.
            if isinstance(error, Refused) or time.monotonic() > end:
                mend = f"url in the registration, firewall, hs_token or id is wrong ({_words(error)})"
                return Finding(False, what, mend)
        await asyncio.sleep(_AGAIN)


async def _extensions(
    settings: MatrixSettings, homeserver: Homeserver, borrowed: _Borrowed, ghost: str, device: str
) -> list[Finding]:
    ours = settings.read_hs_token()
    token = Finding(borrowed.tokens <= {ours}, "its token is our hs_token", "use the same hs_token in both files")
    await _quietly(_news(borrowed, homeserver, ghost, device))
    if not (borrowed.events or (borrowed.to_device and borrowed.extensions)):
        await _quietly(_wake(homeserver, ghost))
        await asyncio.sleep(_AGAIN)  # it has begun to try again; a ping makes that now
        await _ping(settings, homeserver)
        await _quietly(_news(borrowed, homeserver, ghost, device))
    mend = "set experimental_features.{} in homeserver.yaml and {} in the registration: keys come late without it"
    flags = "msc2409_to_device_messages_enabled: true", "receive_ephemeral: true"
    more = "msc3202_transaction_extensions: true", "org.matrix.msc3202: true"
    if borrowed.events and not borrowed.to_device:
        return [token, Finding(True, "transactions come (key bells not looked at: events wait for the hub)")]
    return [
        token,
        Finding(borrowed.to_device, "transactions ring for new keys", mend.format(*flags)),
        Finding(borrowed.extensions, "transactions tell of changed devices", mend.format(*more)),
    ]


async def _news(borrowed: _Borrowed, homeserver: Homeserver, ghost: str, device: str) -> None:
    """More than once: a homeserver that could not reach us a moment ago drops such news until it has recovered."""
    async with asyncio.timeout(_PATIENCE):
        while not (borrowed.to_device and borrowed.extensions):
            await _make_news(homeserver, ghost, device)
            await asyncio.sleep(_AGAIN)


async def _wake(homeserver: Homeserver, ghost: str) -> None:
    """Synapse that was restarted after it had not reached us pushes nothing before the next event of any room."""
    made = await homeserver.call("POST", f"{_CLIENT}/createRoom", {"preset": "private_chat"}, user=ghost)
    room = f"{_CLIENT}/rooms/{part(str(made['room_id']))}"
    await homeserver.call("POST", f"{room}/leave", {}, user=ghost)
    await homeserver.call("POST", f"{room}/forget", {}, user=ghost)


async def _make_news(homeserver: Homeserver, ghost: str, device: str) -> None:
    """A changed device and a to-device message: both belong into the next transaction."""
    name = {"display_name": f"liaison check {secrets.token_hex(2)}"}
    await homeserver.call("PUT", f"{_CLIENT}/devices/{device}", name, user=ghost)
    path = f"{_CLIENT}/sendToDevice/m.dummy/{secrets.token_hex(8)}"
    body: Json = {"messages": {ghost: {device: {}}}}
    await homeserver.call("PUT", path, body, user=ghost, device=device)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, MatrixRefused) else getattr(error, "code", type(error).__name__)


async def _quietly(call: Awaitable[Any]) -> None:
    with contextlib.suppress(Refused, Unavailable, TimeoutError):
        await call
