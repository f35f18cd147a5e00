"""From the homeserver to the hub: does it reach us, with which token, does it send key material along.

While the hub is not running, its address is borrowed for some seconds. Transactions with events are answered 503: the
homeserver keeps the events and sends them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import web

from appservice.arriving.transactions import parse
from appservice.client.homeserver import Homeserver, part
from appservice.process import examine
from appservice.process.checking.findings import Finding, judged
from appservice.process.checking.probe import Probe
from appservice.process.settings import MatrixSettings
from bridge.config import ListenSettings
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
_CLIENT = "/_matrix/client/v3"
_PATIENCE = 5.0  # seconds for a push to arrive
_AGAIN = 0.7  # s between two tries to have news pushed
_ANSWER = 15.0  # s
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_AWAY = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class Way:
    """Who asks whom, and where the hub listens."""

    settings: MatrixSettings
    homeserver: Homeserver
    listen: ListenSettings
    probe: Probe


@dataclass(slots=True)
class Borrowed:
    """What came in at our address. ``ghost`` is who makes news for this check; its events are for nobody else."""

    ghost: str
    tokens: set[str] = field(default_factory=set)
    to_device: bool = False
    extensions: bool = False
    events: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def transaction(self, request: web.Request) -> web.Response:
        """Look at a transaction and leave it to the hub."""
        self._token(request)
        raw = await request.read()
        body = orjson.loads(raw)
        self.to_device |= bool(parse(raw).to_device)
        self.extensions |= any(str(key).startswith("org.matrix.msc3202.") for key in body)
        events = body.get("events", [])
        if any(event.get("content", {}).get("membership") == "leave" for event in events):
            self.left.set()
        if all(event.get("sender") == self.ghost for event in events):
            return web.json_response({})  # bells (the hub reads /sync when it starts) and what this check did itself
        self.events = True
        return web.json_response({"errcode": "M_UNKNOWN", "error": "the hub is being checked"}, status=503)

    async def ping(self, request: web.Request) -> web.Response:
        """Answer a ping."""
        self._token(request)
        return web.json_response({})

    async def over(self) -> None:
        """Until the last room of this check was pushed: the hub need not see it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.left.wait()

    def _token(self, request: web.Request) -> None:
        self.tokens.add(request.headers.get("Authorization", "").removeprefix("Bearer "))


def port_of(address: str) -> int:
    """The port of a web address, written or not."""
    parts = urlsplit(address)
    return parts.port or {"https": 443}.get(parts.scheme, 80)


@contextlib.asynccontextmanager
async def borrow(way: Way) -> AsyncIterator[Borrowed | None]:
    """Listen where the hub will listen; None if it does so already, or another program."""
    borrowed, app = Borrowed(way.probe.ghost), web.Application(client_max_size=1 << 26)
    app.router.add_put("/_matrix/app/v1/transactions/{txn}", borrowed.transaction)
    app.router.add_post("/_matrix/app/v1/ping", borrowed.ping)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    tls = examine.tls("matrix_listen", way.listen)
    try:
        try:
            await web.TCPSite(runner, way.listen.host or None, way.listen.port, ssl_context=tls).start()
        except OSError:
            yield None
        else:
            yield borrowed
    finally:
        await runner.cleanup()


async def look(way: Way, borrowed: Borrowed | None) -> list[Finding]:
    """The way from the homeserver to us; the first finding says whether there is one."""
    if borrowed is None:  # the hub runs: it answers the ping itself
        return [await _ping(way, None)]
    findings = [await _ping(way, borrowed)]
    if findings[0].ok:
        findings += await _extensions(way, borrowed)
    return findings


async def _ping(way: Way, borrowed: Borrowed | None) -> Finding:
    """Asked again for a while: Synapse 1.163 says 502 while it sends again what failed before."""
    end = time.monotonic() + _PATIENCE
    while True:
        status, answer = await _ask(way)
        if status == 200:
            return Finding(True, f"the homeserver reaches the hub at {way.settings.address}")
        if 400 <= status < 500 or time.monotonic() > end:
            code = str(answer.get("errcode", "")) or "no answer"
            what = f"the homeserver reaches the hub at {way.settings.address}: no ({status} {code})"
            return Finding(False, what, _unreached(way, borrowed, code, answer))
        await asyncio.sleep(_AGAIN)


async def _ask(way: Way) -> tuple[int, Json]:
    """The status and the answer, whatever they are."""
    url = f"{way.settings.url.rstrip('/')}/_matrix/client/v1/appservice/{part(way.settings.id)}/ping"
    headers = {"Authorization": f"Bearer {way.settings.read_as_token()}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER), headers=headers) as session,
            session.post(url, json={"transaction_id": secrets.token_hex(8)}) as response,
        ):
            answer = orjson.loads(await response.read())
            return response.status, answer if isinstance(answer, dict) else {}
    except _AWAY:
        return 0, {}


def _unreached(way: Way, borrowed: Borrowed | None, code: str, answer: Json) -> str:
    """One remedy instead of a guess, from what the homeserver said (MSC2659) and what we know of both addresses."""
    address, listen = way.settings.address, way.listen
    again = "bring the homeserver a new `liaison registration` and restart it"
    if code == "M_FORBIDDEN":
        return f"matrix.id is {way.settings.id}, the registration has another id: {again}"
    if code == "M_UNRECOGNIZED":
        return (
            "it knows no ping of an application service (MSC2659, Matrix 1.7): after an outage messages come only when "
            "it tries again by itself, and the hub takes it for away: use a homeserver that has it"
        )
    if code.endswith("URL_NOT_SET"):
        return f"the registration has no url: {again}"
    if code.endswith("BAD_STATUS"):
        said = answer.get("status", "an error")
        return (
            f"another program answers ({said}) at the url of the registration (the port of connect_listen?): "
            f"it must be {address}: {again}"
        )
    if borrowed is not None and listen.port != port_of(address):
        return (
            f"matrix_listen.port is {listen.port}, matrix.address names port {port_of(address)}: make them equal "
            f"(or have a proxy forward the one to the other); after a change of address, {again}"
        )
    if listen.host in _LOOPBACK and urlsplit(address).hostname not in _LOOPBACK:
        return f"matrix_listen.host is {listen.host}, which only this machine reaches: set it to 0.0.0.0 or one address"
    return f"the url of the registration is not {address} (then {again}), or a firewall stands between"


async def _extensions(way: Way, borrowed: Borrowed) -> list[Finding]:
    ours = way.settings.read_hs_token()
    token = judged(borrowed.tokens <= {ours}, "its token is our hs_token", "use the same hs_token in both files")
    await _quietly(_news(way, borrowed))
    if not (borrowed.events or (borrowed.to_device and borrowed.extensions)):
        await _quietly(_wake(way))
        await asyncio.sleep(_AGAIN)  # it has begun to try again; a ping makes that now
        await _ping(way, borrowed)
        await _quietly(_news(way, borrowed))
    mend = "set experimental_features.{} in homeserver.yaml and {} in the registration: keys come late without it"
    flags = "msc2409_to_device_messages_enabled: true", "receive_ephemeral: true"
    more = "msc3202_transaction_extensions: true", "org.matrix.msc3202: true"
    if borrowed.events and not borrowed.to_device:
        return [token, Finding(True, "transactions come (key bells not looked at: events wait for the hub)")]
    return [
        token,
        judged(borrowed.to_device, "transactions ring for new keys", mend.format(*flags)),
        judged(borrowed.extensions, "transactions tell of changed devices", mend.format(*more)),
    ]


async def _news(way: Way, borrowed: Borrowed) -> None:
    """More than once: a homeserver that could not reach us a moment ago drops such news until it has recovered."""
    async with asyncio.timeout(_PATIENCE):
        while not (borrowed.to_device and borrowed.extensions):
            await _make_news(way.homeserver, way.probe)
            await asyncio.sleep(_AGAIN)


async def _wake(way: Way) -> None:
    """Synapse that was restarted after it had not reached us pushes nothing before the next event of any room."""
    made = await way.homeserver.call("POST", f"{_CLIENT}/createRoom", {"preset": "private_chat"}, user=way.probe.ghost)
    await leave(way.homeserver, way.probe, str(made["room_id"]))


async def leave(homeserver: Homeserver, probe: Probe, room_id: str) -> None:
    """Nobody is left in a room of this check."""
    room = f"{_CLIENT}/rooms/{part(room_id)}"
    await homeserver.call("POST", f"{room}/leave", {}, user=probe.ghost)
    await homeserver.call("POST", f"{room}/forget", {}, user=probe.ghost)


async def _make_news(homeserver: Homeserver, probe: Probe) -> None:
    """A changed device and a to-device message: both belong into the next transaction."""
    name = {"display_name": f"liaison check {secrets.token_hex(2)}"}
    await homeserver.call("PUT", f"{_CLIENT}/devices/{probe.device}", name, user=probe.ghost)
    path = f"{_CLIENT}/sendToDevice/m.dummy/{secrets.token_hex(8)}"
    body: Json = {"messages": {probe.ghost: {probe.device: {}}}}
    await homeserver.call("PUT", path, body, user=probe.ghost, device=probe.device)


async def _quietly(call: Awaitable[Any]) -> None:
    with contextlib.suppress(Refused, Unavailable, TimeoutError):
        await call
