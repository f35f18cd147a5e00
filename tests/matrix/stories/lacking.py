"""A proxy in front of a real Synapse that takes abilities away: in place of a homeserver of another make."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

Json = dict[str, Any]
_LEFT = {"host", "content-length", "transfer-encoding", "content-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Lack:
    """What is done otherwise to calls whose ``METHOD path`` matches."""

    calls: str
    status: int = 0  # answered by the proxy, nothing is done
    body: Json | None = None
    asked: Callable[[str], str] = str  # what becomes of the address
    answer: Callable[[Json], None] = lambda _: None  # … and of the answer
    told: Callable[[Json], None] = lambda _: None  # … and of what the homeserver pushes

    def of(self, called: str) -> bool:
        """Whether a call is one of these."""
        return bool(re.search(self.calls, called))


def unknown(calls: str) -> Lack:
    """Calls that another make does not know."""
    return Lack(calls, 404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"})


def without(calls: str, *names: str) -> Lack:
    """Answers that do not hold something."""
    return Lack(calls, answer=lambda answer: _drop(answer, names))


def untold(*names: str) -> Lack:
    """Transactions that do not hold something."""
    return Lack("PUT .*/transactions/", told=lambda body: _drop(body, names))


def _drop(value: Json, names: tuple[str, ...]) -> None:
    for name in [one for one in value if any(part in one for part in names)]:
        del value[name]


def another_id(url: str) -> str:
    """A transaction id that nobody remembers."""
    return re.sub(r"(/send/[^/]+/)[^/?]+", lambda match: match[1] + secrets.token_hex(8), url)


def no_device(url: str) -> str:
    """Without the device that a ghost speaks as."""
    return re.sub(r"[?&]device_id=[^&]*", "", url)


class Lacking:
    """`async with Lacking(lacks, homeserver, address, hub)`: the hub calls :attr:`url`, which lacks something.

    ``address`` is where the homeserver calls the hub: the proxy listens there and hands on to ``hub``.
    """

    def __init__(self, lacks: Sequence[Lack], homeserver: str, address: str, hub: str) -> None:
        self._lacks, self._homeserver, self._address, self._hub = lacks, homeserver, address, hub
        self._runners: list[web.AppRunner] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=True)
        [port] = await self._serve(self._to_homeserver, 0)
        await self._serve(self._to_hub, int(self._address.rpartition(":")[2]))
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self._runners:
            await runner.cleanup()
        await self._session.close()

    async def _serve(self, handler: Callable[[web.Request], Any], port: int) -> list[int]:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return [address[1] for address in runner.addresses]

    async def _to_homeserver(self, request: web.Request) -> web.Response:
        ours = [lack for lack in self._lacks if lack.of(f"{request.method} {request.path_qs}")]
        for lack in ours:
            if lack.status:
                return web.json_response(lack.body, status=lack.status)
        path = request.rel_url.raw_path_qs
        for lack in ours:
            path = lack.asked(path)
        status, answer = await self._hand_on(request, self._homeserver + path, await request.read())
        for lack in ours if isinstance(answer, dict) else ():
            lack.answer(answer)
        return web.json_response(answer, status=status)

    async def _to_hub(self, request: web.Request) -> web.Response:
        raw = await request.read()
        for lack in self._lacks:
            if raw and lack.of(f"{request.method} {request.path_qs}"):
                told = orjson.loads(raw)
                lack.told(told)
                raw = orjson.dumps(told)
        status, answer = await self._hand_on(request, self._hub + request.rel_url.raw_path_qs, raw)
        return web.json_response(answer, status=status)

    async def _hand_on(self, request: web.Request, url: str, raw: bytes) -> tuple[int, Any]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _LEFT}
        address = URL(url, encoded=True)
        try:
            async with self._session.request(request.method, address, data=raw or None, headers=headers) as answer:
                return answer.status, orjson.loads(await answer.read() or b"{}")
        except aiohttp.ClientError:
            return 502, {}
