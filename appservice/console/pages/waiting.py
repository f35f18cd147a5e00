"""What waits and why, by network, product, domain and conversation; tried again, or given up."""

from __future__ import annotations

import time

from aiohttp import web

from appservice.console.pages.page import ConsolePage, asked, number, operator, said, to
from bridge.hub.operating.waiting import DROPPED, MOST

_PAGE = 50


class WaitingPage(ConsolePage):
    """The queue."""

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_get("/waiting", self.show, name="waiting")
        app.router.add_get("/delivery/{id}", self.one, name="delivery")
        app.router.add_post("/network/retry", self.retry_all, name="retry_all")
        app.router.add_post("/delivery/{id}/retry", self.retry, name="retry")
        app.router.add_post("/delivery/{id}/drop", self.drop, name="drop")

    async def show(self, request: web.Request) -> web.Response:
        """All networks, or a page of one of them; or of one conversation."""
        network, conversation = asked(request, "network") or None, asked(request, "conversation") or None
        after, see = number(request, "after", -1), self._doing.see
        stand = await see("status")
        # one more than is shown says whether there is a next page
        found = await see("queue", network=network, conversation=conversation, limit=_PAGE + 1, after=after)
        waiting, more = found["waiting"][:_PAGE], len(found["waiting"]) > _PAGE
        turn = more and network is not None and conversation is None
        inside = [one for one in stand["queues"] if one["waiting"] and network in (None, one["network"])]
        inside = [] if conversation is not None else inside
        return self._page(
            request, "waiting", traffic=stand["traffic"], network=network, conversation=conversation, waiting=waiting,
            next=waiting[-1]["pos"] if turn else None, more=more and not turn, first=after < 0, inside=inside,
            now=time.time(), most=MOST,
        )  # fmt: skip

    async def one(self, request: web.Request) -> web.Response:
        """One delivery, and what its writer would be told."""
        found = await self._doing.see("queue-show", delivery=request.match_info["id"])
        return self._page(request, "delivery", one=found, now=time.time(), dropped=DROPPED)

    async def retry_all(self, request: web.Request) -> web.Response:
        """Everything of a network, now."""
        [network] = await said(request, "network")
        await self._doing.do(operator(request), "queue-retry", f"network {network}", network=network, delivery=None)
        return to("waiting", network=network, done="retried")

    async def retry(self, request: web.Request) -> web.Response:
        """One, now."""
        delivery = request.match_info["id"]
        found = await self._doing.do(operator(request), "queue-retry", delivery, network=None, delivery=delivery)
        return to("message", found["message"], done="retried")

    async def drop(self, request: web.Request) -> web.Response:
        """One, never again: its writer is told. The form says that this is meant."""
        delivery = request.match_info["id"]
        await said(request, "sure")
        found = await self._doing.do(operator(request), "queue-drop", delivery, delivery=delivery)
        return to("message", found["message"], done="dropped")
