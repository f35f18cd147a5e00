"""What stands before the kit's hub: it sees every request of the product, and plays a hub that is away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

_KEPT = ("Authorization", "Content-Type", "Content-Disposition", "Range", "Accept")
_SHOWN = ("Retry-After", "Content-Type", "Content-Disposition", "Content-Range")
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the product. ``status`` 0: it was given no answer. ``at`` in seconds that only grow."""

    method: str
    path: str
    body: Any = field(repr=False)
    at: float
    wall: float  # seconds since 1970
    status: int = 0
    answer: Any = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The idempotency key, empty for what has none."""
        return str(self.body.get("id", "")) if isinstance(self.body, dict) else ""

    def has(self, **said: Any) -> bool:
        """Whether the body says this."""
        return isinstance(self.body, dict) and all(self.body.get(key) == value for key, value in said.items())


@dataclass(slots=True)
class Fault:
    """What the next ``times`` requests that ``match`` get: a status, or their connection closed once they are done."""

    match: Callable[[Request], bool]
    status: int = 0
    retry_after: int | None = None
    times: int = 1


class Front:
    """A small reverse proxy. ``requests`` are all that were answered, or not answered on purpose."""

    def __init__(self, hub: str) -> None:
        self._hub = hub
        self._session: aiohttp.ClientSession | None = None
        self._faults: list[Fault] = []
        self.requests: list[Request] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def play(self, fault: Fault) -> None:
        """From now on."""
        self._faults.append(fault)

    def application(self) -> web.Application:
        """Everything goes to the hub."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{rest:.*}", self._pass)
        return app

    def found(self, match: Callable[[Request], bool]) -> list[Request]:
        """The requests that match, in order."""
        return [one for one in self.requests if match(one)]

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        asked = Request(request.method, request.path, _parsed(data), time.monotonic(), time.time())
        fault = next((one for one in self._faults if one.times and one.match(asked)), None)
        if fault is not None:
            fault.times -= 1
            if fault.status:
                return self._failing(asked, fault)
        answer = await self._ask(request, data)
        if fault is not None:
            self._keep(asked, 0, None)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # goes nowhere
        body = answer.body if isinstance(answer.body, bytes) else b""
        self._keep(asked, answer.status, _parsed(body))
        return answer

    def _failing(self, asked: Request, fault: Fault) -> web.Response:
        self._keep(asked, fault.status, None)
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after}"}
        problem = {"type": "about:blank", "title": "fault of the kit", "status": fault.status, "code": "kit_fault"}
        return web.json_response(problem, status=fault.status, headers=headers)

    async def _ask(self, request: web.Request, data: bytes) -> web.Response:
        assert self._session is not None, "use `async with`"
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        try:
            async with self._session.request(
                request.method, self._hub + request.raw_path, data=data or None, headers=headers
            ) as answer:
                shown = {name: answer.headers[name] for name in _SHOWN if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=shown)
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
            return web.Response(status=502)

    def _keep(self, asked: Request, status: int, answer: Any) -> None:
        kept = Request(asked.method, asked.path, asked.body, asked.at, asked.wall, status, answer)
        self.requests.append(kept)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
