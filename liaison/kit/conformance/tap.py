"""What stands between the kit's hub and the product's webhook: it passes on, keeps, repeats, loses and forges."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from liaison.connect.webhooks import sign

Json = dict[str, Any]
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook and the product's answer. ``status`` 0: none. ``took`` in seconds. ``forged``: not the hub's."""

    id: str
    event: Json = field(repr=False)
    status: int
    answer: Any = field(repr=False)
    took: float
    forged: bool

    @property
    def type(self) -> str:
        """The event's."""
        return str(self.event.get("type", ""))

    @property
    def data(self) -> Json:
        """What the event says."""
        found: Json = self.event.get("data", {})
        return found

    @property
    def taken(self) -> bool:
        """Whether the product says that it has it."""
        return 200 <= self.status < 300

    @property
    def given(self) -> str:
        """The product's id of the message: what it answered, else the ``webhook-id``."""
        ident = self.answer.get("id") if isinstance(self.answer, dict) else None
        return ident if isinstance(ident, str) else self.id


class Tap:
    """The product's webhook. ``secrets`` are those that sign; ``lose`` names what the hub is not told the answer of.

    While ``away`` nothing is passed on: ``kept_out`` counts it.
    """

    def __init__(self, *secrets: str, timeout: float) -> None:
        self.url = ""
        self.secrets: Sequence[str] = secrets
        self.lose: Callable[[Json], bool] = lambda event: False
        self.away = False
        self.kept_out = 0
        self.calls: list[Call] = []
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def application(self) -> web.Application:
        """Where the hub sends its webhooks."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/webhook", self._pass)
        return app

    def found(self, match: Callable[[Call], bool]) -> list[Call]:
        """Calls of the hub itself that match, in order."""
        return [call for call in self.calls if not call.forged and match(call)]

    async def _pass(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        if self.away:
            self.kept_out += 1
            return web.Response(status=503)
        call = await self._send(request.headers.get("webhook-id", ""), event, forged=False)
        if not call.status:
            return web.Response(status=502)
        if self.lose(event):
            self.lose = lambda event: False
            return web.Response(status=504)
        return web.json_response(call.answer, status=call.status)

    async def forge(
        self, ident: str, event: Json, *, secrets: Sequence[str] | None = None, skew: int = 0, tampered: bool = False
    ) -> Call:
        """Send something that the hub did not. No ``secrets``: unsigned. ``skew``: seconds that its clock is off."""
        return await self._send(ident, event, forged=True, secrets=secrets, skew=skew, tampered=tampered)

    async def _send(
        self, ident: str, event: Json, *, forged: bool, secrets: Sequence[str] | None = None, skew: int = 0,
        tampered: bool = False,
    ) -> Call:  # fmt: skip
        assert self._session is not None, "use `async with`"
        at, body = int(time.time()) + skew, json.dumps(event, ensure_ascii=False).encode()
        signed = body + b" " if tampered else body
        signatures = [sign(one, ident, at, signed) for one in (self.secrets if secrets is None else secrets)]
        headers = {"Content-Type": "application/json", "webhook-id": ident, "webhook-timestamp": f"{at}"}
        headers |= {"webhook-signature": " ".join(signatures)} if signatures else {}
        begun = time.monotonic()
        status, said = 0, b""
        try:
            async with self._session.post(self.url, data=body, headers=headers, allow_redirects=False) as answer:
                status, said = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        call = Call(ident, event, status, _answer(said), time.monotonic() - begun, forged)
        self.calls.append(call)
        return call


def _answer(said: bytes) -> Any:
    try:
        return json.loads(said) if said else {}
    except ValueError:
        return {}
