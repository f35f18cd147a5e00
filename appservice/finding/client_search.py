"""The search of a Matrix client, answered for the homeserver: its own hits and the directory's as one answer.

The reverse proxy sends these paths here, and everything else to the homeserver. The hub asks the homeserver the same,
with the caller's own token: so the homeserver decides who may search, and the hub learns who searches.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from appservice.client.callers import Answer, Caller, Callers
from appservice.client.names import Names
from appservice.finding.answers import answer, raw, serve
from appservice.finding.finder import Finder
from appservice.finding.hits import limit_of, merge
from bridge.errors import Unavailable

Json = dict[str, Any]
_CLIENT = "/_matrix/client/{version:(?:r0|v3|unstable)}"


class ClientSearch:
    """The routes. ``callers`` reaches the homeserver."""

    def __init__(self, callers: Callers, finder: Finder, names: Names) -> None:
        self._callers = callers
        self._finder = finder
        self._names = names

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        serve(app, "GET", "/health", self._health)
        serve(app, "POST", _CLIENT + "/user_directory/search", self._search)
        serve(app, "GET", _CLIENT + "/profile/{user}", self._profile)
        serve(app, "GET", _CLIENT + "/profile/{user}/{field}", self._profile)

    async def _health(self, request: web.Request) -> web.Response:
        return answer({})

    async def _search(self, request: web.Request) -> web.Response:
        caller, sent = Caller.of(request), await request.read()
        home, user = await asyncio.gather(self._callers.same(caller, "POST", sent), self._callers.who(caller))
        if home.status != 200 or user is None:
            return raw(home.raw, home.status)  # who may not search there does not search here
        asked = Answer(200, sent).json
        words, limit = asked.get("search_term"), limit_of(asked)
        try:
            found = await self._finder.search(words if isinstance(words, str) else "", limit, user)
        except Unavailable:
            return raw(home.raw, home.status)  # the homeserver's own users are found all the same
        return answer(merge(home.json, found, limit))

    async def _profile(self, request: web.Request) -> web.Response:
        """Somebody's profile; the user of a professional who can be reached is made when it is first asked for."""
        caller = Caller.of(request)
        ident = self._names.person(request.match_info["user"])
        if ident is not None and caller.named and (asker := await self._callers.who(caller)) is not None:
            await self._finder.visited(ident, asker)
        home = await self._callers.same(caller, "GET")
        return raw(home.raw, home.status)
