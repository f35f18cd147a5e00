"""Signs that products give: delivered, read, somebody writes; and what they say that they are able to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Ref
from bridge.networks.connect import abilities
from bridge.networks.connect.abilities import Declared
from bridge.networks.connect.calls import call as looks
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.wire import Receipt, TypingSign, milliseconds


class SignCalls:
    """Without ``declared`` no product can declare what it is able to. ``clock`` gives seconds since 1970."""

    def __init__(self, declared: Declared | None, clock: Callable[[], float]) -> None:
        self._declared = declared
        self._clock = clock

    async def abilities(self, call: Call) -> web.Response:
        """GET /capabilities."""
        return json_answer(abilities.to_view(call.product.capabilities, call.product.version))

    async def declare_abilities(self, call: Call) -> web.Response:
        """PUT /capabilities."""
        said = call.parse(abilities.Abilities)
        if self._declared is None:
            raise Unavailable("not_ready", 2)
        await self._declared.declare(call.product, said, int(self._clock() * 1000))
        return await self.abilities(call)

    async def receipt(self, call: Call) -> web.Response:
        """POST /receipts."""
        receipt = call.parse(Receipt)
        await call.declared(receipt.user)
        network = call.network
        act = call.hub.signs.read if receipt.state == "read" else call.hub.signs.received
        seen = (Ref(network, receipt.message), Address(network, receipt.user), milliseconds(receipt.at))
        for _ in range(looks.LOOKS):
            if await act(*seen, strict=True):
                return web.Response(status=204)
            await asyncio.sleep(looks.WAIT)
        raise Refused("unknown_message", "message")

    async def typing(self, call: Call) -> web.Response:
        """POST /typing."""
        sign = call.parse(TypingSign)
        await call.declared(sign.user)
        network = call.network
        await call.hub.signs.typing(network, sign.conversation, Address(network, sign.user), sign.typing)
        return web.Response(status=204)
