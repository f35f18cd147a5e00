"""What stands before every page: the console's own name, a session, a role, a form of our own; and strict headers."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from aiohttp import web

from appservice.console.frame import VISIT, PageFrame, Visit, language_of, own_path
from appservice.console.login.sessions import ConsoleSessions, Operator
from appservice.console.settings import ConsoleSettings
from bridge.errors import Refused, Unavailable, where
from bridge.seal import Seal

log = logging.getLogger(__name__)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
LARGEST = 16 * 1024  # bytes of a form
OPEN = frozenset(
    {"/login", "/login/start", "/login/back", "/login/out", "/login/ended", "/language", "/console.css", "/favicon.ico"}
)
"""Whoever has no session may ask for these."""
FROM_THE_PROVIDER = "/login/ended"
_LOOKERS = frozenset({"/logout"})
"""What may be done without the role ``act``."""
_READS = ("GET", "HEAD")


def cookie(settings: ConsoleSettings, name: str) -> str:
    """The name of a cookie: one that only this host, by TLS, can have set."""
    return f"__Host-{name}" if settings.url.startswith("https://") else name


class Guard:
    """``house``: the language of the hub."""

    def __init__(
        self, settings: ConsoleSettings, sessions: ConsoleSessions, frame: PageFrame, seal: Seal, house: str
    ) -> None:
        self._settings, self._sessions, self._frame, self._house = settings, sessions, frame, house
        self._key = seal.derive("console form")
        self.session_cookie = cookie(settings, "console")
        self._headers = _headers(settings)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        """For every request."""
        answer = await self._answer(request, handler)
        for name, value in self._headers.items():
            answer.headers[name] = value
        return answer

    async def _answer(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        request[VISIT] = visit = Visit(language_of(request, self._house))
        if request.host.lower() != self._settings.netloc:
            return self._frame.problem(request, "console_other_host", 421)
        if request.method not in (*_READS, "POST"):
            return self._frame.problem(request, "console_no_page", 405)
        try:
            visit.operator = await self._operator(request)
            if visit.operator is not None:
                visit.csrf = self._csrf(visit.operator)
            elif request.path not in OPEN:
                return self._to_login(request)
            if request.method == "POST" and request.path != FROM_THE_PROVIDER:
                await self._may(request, visit.operator)
            return await handler(request)
        except web.HTTPException as answer:
            return self._frame.problem(request, "console_no_page", answer.status)
        except Refused as refused:
            return self._frame.problem(request, refused.code, 403 if refused.field == "guard" else 400, refused.about)
        except Unavailable as reason:
            log.warning("console: %s", reason.code)
            code = "login_provider" if reason.code == "login_provider" else "console_not_now"
            return self._frame.problem(request, code, 503)
        except Exception as bug:
            log.error("console: %s", where(bug))
            return self._frame.problem(request, "console_not_now", 500)

    async def _operator(self, request: web.Request) -> Operator | None:
        secret = request.cookies.get(self.session_cookie, "")
        return await self._sessions.find(secret) if 0 < len(secret) <= 100 else None

    def _to_login(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            return self._frame.problem(request, "console_logged_out", 403)
        return web.Response(status=303, headers={"Location": f"/login?to={quote(own_path(request.path_qs), safe='/')}"})

    async def _may(self, request: web.Request, who: Operator | None) -> None:
        """Raises Refused: the form is not ours, or who sent it may only look."""
        if who is None:
            raise Refused("console_logged_out", "guard")
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        plain = request.content_type == "application/x-www-form-urlencoded"
        if origin != self._settings.url or site != "same-origin" or not plain:
            await self._noted("console_foreign_form", who, request)
        given = str((await request.post()).get("csrf", ""))
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._csrf(who).encode()):
            await self._noted("console_foreign_form", who, request)
        if not who.acts and request.path not in _LOOKERS:
            await self._noted("console_only_looks", who, request)

    async def _noted(self, code: str, who: Operator, request: web.Request) -> None:
        """Raises Refused, once that is in the trail. Of the path the first part alone: the rest may be anything."""
        await self._sessions.refused(code, who.by, {"page": request.match_info.route.name or "none"})
        raise Refused(code, "guard")

    def _csrf(self, who: Operator) -> str:
        return hmac.digest(self._key, who.session.encode(), "sha256").hex()


def _headers(settings: ConsoleSettings) -> dict[str, str]:
    """``form-action`` has the provider's host, too: a form that logs out leads there, by a redirection."""
    issuer = urlsplit(settings.issuer)
    policy = [
        "default-src 'none'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        f"form-action 'self' {issuer.scheme}://{issuer.netloc}",
    ]  # fmt: skip
    found = {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "X-Robots-Tag": "noindex",
        "Server": "liaison",
    }
    if settings.url.startswith("https://"):
        found["Strict-Transport-Security"] = "max-age=31536000"
    return found
