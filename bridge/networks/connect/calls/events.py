"""The log of a product's webhooks: read by a cursor, sent again, tried out."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.networks.connect import translate
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.log.answers import to_page
from bridge.networks.connect.log.event_log import MOST_EVENTS, Event, EventLog
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.products import Product

LONGEST_WAIT = 60  # s
_READERS = 4  # requests of one product that wait for an event; more are answered at once
_DEFAULT = 100


class EventCalls:
    """``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    async def events(self, call: Call) -> web.Response:
        """GET /events."""
        log = _log(call.product)
        text = call.request.query.get("after")
        after = None if text is None else call.number("after", 0, (0, 10**15))
        limit = call.number("limit", _DEFAULT, (1, MOST_EVENTS))
        wait = call.number("wait", 0, (0, LONGEST_WAIT))
        if after is not None:
            await log.check(after)
            await log.passed(call.hub, after)
        page = await log.read(after, limit, wait if log.readers < _READERS else 0)
        no_store = {"Cache-Control": "no-store"}
        return web.Response(body=to_page(page), content_type="application/json", headers=no_store)

    async def replay(self, call: Call) -> web.Response:
        """POST /events/{id}/replay."""
        log, ident = _log(call.product), call.id
        one = await log.one(ident)
        if one is None:
            raise Refused("unknown_event", "id")
        out = call.product.out
        if out is None or out.webhook is None:
            raise Refused("no_webhook")
        if one.waits and out.resending is not None:
            try:
                await out.resending.send(ident)
            except Unavailable as reason:
                return _attempted(ident, "failed", reason.code)
            return _attempted(ident, "delivered")
        return await self._post(call, one.event)

    async def try_webhook(self, call: Call) -> web.Response:
        """POST /webhook/test."""
        body = translate.event("webhook.test", int(self._clock() * 1000), {})
        event = Event("test_" + secrets.token_hex(12), "tests", None, body)
        out = call.product.out
        if out is None:
            raise Refused("no_webhook")
        if out.webhook is None and out.events is not None:
            await out.events.add(event, waits=True)
            return _attempted(event.id, "logged")
        return await self._post(call, event)

    async def _post(self, call: Call, event: Event) -> web.Response:
        """One attempt at once, whatever waits."""
        out = call.product.out
        assert out is not None
        assert out.webhook is not None
        try:
            await out.webhook.post(event.id, event.body)
        except Refused as refusal:
            return _attempted(event.id, "refused", refusal.code)
        except Unavailable as reason:
            return _attempted(event.id, "failed", reason.code)
        return _attempted(event.id, "delivered")


def _attempted(ident: str, outcome: str, code: str | None = None) -> web.Response:
    return json_answer({"id": ident, "outcome": outcome, "code": code})


def _log(product: Product) -> EventLog:
    if product.out is None or product.out.events is None:
        raise Refused("no_event_log")
    return product.out.events
