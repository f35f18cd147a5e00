"""The console as an application: the pages, the ways in and out, the guard before all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from appservice.console.doing import Doing
from appservice.console.frame import LANGUAGE_COOKIE, LANGUAGES, PageFrame, own_path
from appservice.console.guard import LARGEST, Guard
from appservice.console.login.sessions import ConsoleSessions
from appservice.console.pages.audit import AuditPage
from appservice.console.pages.messages import MessagesPage
from appservice.console.pages.overview import OverviewPage
from appservice.console.pages.people import PeoplePage
from appservice.console.pages.products import ProductsPage
from appservice.console.pages.supply import SupplyPage
from appservice.console.pages.waiting import WaitingPage
from appservice.console.settings import ConsoleSettings
from appservice.console.ways import LoginWays
from appservice.operating.door import Act
from bridge.db import Database
from bridge.seal import Seal

_STYLE = Path(__file__).parent / "pages/console.css"
_YEAR = 31_536_000  # s


class Console:
    """``acts``: what operators may ask; ``late``: ``delivery.late``; ``house``: the hub's language.

    ``clock`` gives milliseconds since 1970.
    """

    def __init__(
        self, settings: ConsoleSettings, db: Database, seal: Seal, acts: Mapping[str, Act], late: float, house: str,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:  # fmt: skip
        frame = PageFrame()
        sessions = ConsoleSessions(db, seal, settings, clock)
        guard = Guard(settings, sessions, frame, seal, house)
        doing = Doing(acts, db, clock)
        self.application = app = web.Application(client_max_size=LARGEST, middlewares=[guard.middleware])
        ways = LoginWays(settings, sessions, frame, seal, guard.session_cookie, lambda: clock() / 1000)
        ways.routes(app)
        OverviewPage(doing, frame, late).routes(app)
        ProductsPage(doing, frame, seal).routes(app)
        for page in (WaitingPage, MessagesPage, PeoplePage, SupplyPage, AuditPage):
            page(doing, frame).routes(app)
        app.router.add_get("/language", self._language, name="language")
        app.router.add_get("/console.css", self._style, name="style")
        app.router.add_get("/favicon.ico", self._no_icon, name="icon")
        self._css, self._secure = _STYLE.read_text("utf-8"), settings.url.startswith("https://")

    async def _language(self, request: web.Request) -> web.Response:
        """Another language, and back."""
        answer = web.Response(status=303, headers={"Location": own_path(request.query.get("to", "/"))})
        if (wanted := request.query.get("is")) in LANGUAGES:
            answer.set_cookie(
                LANGUAGE_COOKIE, wanted, max_age=_YEAR, path="/", secure=self._secure, httponly=True, samesite="Lax"
            )
        return answer

    async def _no_icon(self, request: web.Request) -> web.Response:
        """Browsers ask for one by themselves."""
        return web.Response(status=204)

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(text=self._css, content_type="text/css")
