"""The ways in and out: to the provider and back (code flow with PKCE), out here and there, and out by its word."""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from appservice.console.frame import VISIT, PageFrame, own_path
from appservice.console.guard import cookie
from appservice.console.login.provider import OpenIdProvider
from appservice.console.login.sessions import ConsoleSessions, NewSession
from appservice.console.login.tokens import LONGEST_LOGOUT, named, read_identity, read_logout, role
from appservice.console.settings import ConsoleSettings
from bridge.errors import Refused
from bridge.parts.bucket import Bucket
from bridge.seal import Seal, SealBroken

_LONGEST_WAY = 600.0  # s from the first click until the provider has sent somebody back
_CONTEXT = "console way"
_RATE, _BURST = 5.0, 50  # ways that lead back, of all browsers: each asks the provider


@dataclass(frozen=True, slots=True)
class _Way:
    """What the browser keeps, sealed, while its person is at the provider."""

    state: str
    nonce: str
    verifier: str
    to: str
    at: float


class LoginWays:
    """``session_cookie``: its name. ``clock`` gives seconds since 1970."""

    def __init__(
        self, settings: ConsoleSettings, sessions: ConsoleSessions, frame: PageFrame, seal: Seal, session_cookie: str,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._settings, self._sessions, self._frame, self._seal = settings, sessions, frame, seal
        self._clock, self._session_cookie = clock, session_cookie
        self._way_cookie = cookie(settings, "console-way")
        self._provider = OpenIdProvider(settings)
        self._bucket = Bucket(_RATE, _BURST)

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        app.router.add_get("/login", self.door, name="login")
        app.router.add_get("/login/start", self.start, name="start")
        app.router.add_get("/login/back", self.back, name="back")
        app.router.add_get("/login/out", self.out, name="out")
        app.router.add_post("/login/ended", self.ended, name="ended")
        app.router.add_post("/logout", self.leave, name="logout")

    # ---- in

    async def door(self, request: web.Request) -> web.Response:
        """The page with the one button."""
        to = own_path(request.query.get("to", "/"))
        if request[VISIT].operator is not None:
            return _to(to)
        return self._frame.page(request, "login", {"to": to, "out": False})

    async def start(self, request: web.Request) -> web.Response:
        """To the provider."""
        way = _Way(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48),
            own_path(request.query.get("to", "/")), self._clock(),
        )  # fmt: skip
        answer = _to(await self._provider.address(way.state, way.nonce, way.verifier))
        self._set(answer, self._way_cookie, self._sealed(way), int(_LONGEST_WAY))
        return answer

    async def back(self, request: web.Request) -> web.Response:
        """From the provider. Whatever comes of it, this way leads nowhere a second time."""
        try:
            answer = await self._back(request)
        except Refused as refused:
            answer = self._frame.problem(request, refused.code, 403, refused.about)
        answer.del_cookie(self._way_cookie, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def _back(self, request: web.Request) -> web.Response:
        query, way = request.query, self._opened(request.cookies.get(self._way_cookie, ""))
        if way is None or not hmac.compare_digest(
            query.get("state", "").encode("utf-8", "replace"), way.state.encode()
        ):
            raise Refused("login_way")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:  # RFC 9207
            raise Refused("login_way")
        if self._bucket.take(time.monotonic()):
            raise Refused("login_busy")
        if await self._sessions.used(way.state):
            raise Refused("login_again")
        if "code" not in query:
            raise Refused("login_not_given")
        new = await self._somebody(query["code"], way)
        secret = await self._sessions.begin(new)
        if before := request.cookies.get(self._session_cookie):
            await self._sessions.replaced(before)
        answer = _to(way.to)
        self._set(answer, self._session_cookie, secret, None)
        return answer

    async def _somebody(self, code: str, way: _Way) -> NewSession:
        """Whom the provider has sent. Raises Refused, which is in the trail."""
        settings = self._settings
        token, access = await self._provider.exchange(code, way.verifier)
        try:
            claims = await read_identity(token, settings, self._provider.key, way.nonce)
            whole = {**await self._provider.more(access, claims["sub"]), **claims}
            acts = role(whole, settings)
        except Refused as refused:
            await self._sessions.refused(refused.code, None, {"why": refused.about} if refused.about else {})
            raise
        sid = claims.get("sid", "")
        return NewSession(
            way.state, claims["sub"], sid if isinstance(sid, str) else "", named(whole, settings), acts, token
        )

    # ---- out

    async def leave(self, request: web.Request) -> web.Response:
        """They log out, here and at the provider."""
        operator = request[VISIT].operator
        assert operator is not None, "the guard lets nobody else"
        token = await self._sessions.end(operator)
        answer = _to(await self._provider.end_address(token) or "/login/out")
        answer.del_cookie(self._session_cookie, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def out(self, request: web.Request) -> web.Response:
        """They are out."""
        return self._frame.page(request, "login", {"to": "/", "out": True})

    async def ended(self, request: web.Request) -> web.Response:
        """The provider says that somebody has logged out there (Back-Channel Logout)."""
        now, form = self._clock(), await request.post()
        try:
            claims = await read_logout(str(form.get("logout_token", "")), self._settings, self._provider.key, now)
            until = int((now + 2 * LONGEST_LOGOUT) * 1000)
            await self._sessions.ended_there(claims["jti"], until, claims.get("sub", ""), claims.get("sid", ""))
        except Refused as refused:
            return web.json_response({"error": "invalid_request", "error_description": refused.about}, status=400)
        return web.Response(status=200)

    # ---- the browser's part

    def _set(self, answer: web.Response, name: str, value: str, lasts: int | None) -> None:
        answer.set_cookie(name, value, max_age=lasts, path="/", secure=True, httponly=True, samesite="Lax")

    def _sealed(self, way: _Way) -> str:
        whole = orjson.dumps([way.state, way.nonce, way.verifier, way.to, way.at])
        return urlsafe_b64encode(self._seal.seal(whole, _CONTEXT)).decode()

    def _opened(self, text: str) -> _Way | None:
        try:
            way = _Way(*orjson.loads(self._seal.open(urlsafe_b64decode(text.encode()), _CONTEXT)))
        except (ValueError, SealBroken, IndexError):
            return None
        return way if 0 <= self._clock() - way.at <= _LONGEST_WAY else None


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
