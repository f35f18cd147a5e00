"""Calls to the homeserver with the token of whoever calls us: it goes there and nowhere else, and is not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from bridge.errors import Unavailable

Json = dict[str, Any]
_PASSED = ("Authorization", "User-Agent", "Content-Type")  # what the homeserver may know of a caller
_AWAY = (TimeoutError, aiohttp.ClientError, ConnectionError)
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Caller:
    """One request of a client, without its body. Its token is in no repr."""

    headers: dict[str, str] = field(repr=False)
    query: str = field(repr=False)  # old clients give their token there
    path: str = field(repr=False)  # as it was sent, quoted

    @classmethod
    def of(cls, request: web.Request) -> Caller:
        """Who calls, by which proxies."""
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        came = [request.headers.get("X-Forwarded-For", ""), request.remote or ""]
        headers["X-Forwarded-For"] = ", ".join(part for part in came if part)
        return cls(headers, request.rel_url.raw_query_string, request.rel_url.raw_path)

    @property
    def named(self) -> bool:
        """Whether a token is there at all."""
        return "Authorization" in self.headers or "access_token=" in self.query


@dataclass(frozen=True, slots=True)
class Answer:
    """What the homeserver said."""

    status: int
    raw: bytes = field(repr=False)

    @property
    def json(self) -> Json:
        """Its object; empty if it is none."""
        try:
            said = orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            return {}
        return said if isinstance(said, dict) else {}


class Callers:
    """The homeserver, asked in the name of its own users. Raises Unavailable (homeserver_away)."""

    def __init__(self, url: str, connections: int = 64) -> None:
        self._base = url.rstrip("/")
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def same(self, caller: Caller, method: str, body: bytes | None = None) -> Answer:
        """Ask the homeserver just what the caller has asked us."""
        return await self._ask(method, f"{caller.path}?{caller.query}" if caller.query else caller.path, caller, body)

    async def who(self, caller: Caller) -> str | None:
        """The Matrix user of a caller (specification, "whoami"); None for a token that is nobody's."""
        path = "/_matrix/client/v3/account/whoami"
        asked = f"{path}?{caller.query}" if "access_token=" in caller.query else path
        said = (await self._ask("GET", asked, caller, None)).json
        user = said.get("user_id")
        return user if isinstance(user, str) and not said.get("is_guest") else None

    async def openid(self, token: str) -> str | None:
        """Whose OpenID token this is (server-server API, "OpenID"); None: nobody's."""
        path = URL("/_matrix/federation/v1/openid/userinfo").with_query(access_token=token)
        said = await self._ask("GET", str(path), Caller({}, "", ""), None)
        if said.status >= 500:
            raise Unavailable("homeserver_error")
        user = said.json.get("sub")
        return user if said.status == 200 and isinstance(user, str) else None

    async def _ask(self, method: str, path: str, caller: Caller, body: bytes | None) -> Answer:
        assert self._session is not None, "use `async with Callers(…)`"
        url = URL(self._base + path, encoded=True)
        try:
            async with self._session.request(
                method, url, data=body, headers=caller.headers, allow_redirects=False
            ) as answer:
                return Answer(answer.status, await answer.read())
        except _AWAY:
            raise Unavailable("homeserver_away") from None  # the cause may hold the address with its token
