"""A message followed over all legs by any of its names, and a conversation: ids, states and times, never a text."""

from __future__ import annotations

import time

from aiohttp import web

from appservice.console.pages.page import ConsolePage, asked, to
from bridge.errors import Refused


class MessagesPage(ConsolePage):
    """What `liaison trace` knows."""

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_get("/messages", self.search, name="messages")
        app.router.add_get("/message/{id}", self.message, name="message")
        app.router.add_get("/conversation/{id}", self.conversation, name="conversation")

    async def search(self, request: web.Request) -> web.Response:
        """The form; with a name: where it leads."""
        name = asked(request, "id")
        if not name:
            return self._page(request, "messages", id="", missing=False, inside=())
        try:
            found = await self._doing.see("trace", name=name)
        except Refused:
            return self._page(request, "messages", id=name, missing=True, inside=())
        if "inside" in found:
            return self._page(request, "messages", id=name, missing=False, inside=found["inside"], now=time.time())
        kind = "message" if "message" in found else "conversation"
        return to(kind, found[kind]["id"])

    async def message(self, request: web.Request) -> web.Response:
        """One message."""
        found = await self._doing.see("trace", name=request.match_info["id"])
        if "message" not in found:
            raise Refused("nothing_by_this_name")
        return self._page(request, "message", one=found["message"], now=time.time())

    async def conversation(self, request: web.Request) -> web.Response:
        """One conversation."""
        found = await self._doing.see("trace", name=request.match_info["id"])
        if "conversation" not in found:
            raise Refused("nothing_by_this_name")
        return self._page(request, "conversation", one=found["conversation"], now=time.time())
