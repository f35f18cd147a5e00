"""A user of a product wants no messages of somebody."""

from __future__ import annotations

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Person
from bridge.networks.connect import translate
from bridge.networks.connect.calls.call import Call, known_id
from bridge.networks.connect.listed import DEFAULT, MOST, from_cursor, to_cursor
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.users.blocking import Blocking


class BlockCalls:
    """Without ``kept`` nobody is blocked."""

    def __init__(self, kept: Blocking | None) -> None:
        self._kept = kept

    async def block(self, call: Call) -> web.Response:
        """PUT /users/{id}/blocked/{person}."""
        user, person = await self._both(call)
        me = await call.hub.facts.identify(user, "id")
        if me.id == person.id:
            raise Refused("own_account", "person")
        await self._stored.block(call.hub, user, person.id)
        return web.Response(status=204)

    async def unblock(self, call: Call) -> web.Response:
        """DELETE /users/{id}/blocked/{person}."""
        user, person = await self._both(call)
        await self._stored.unblock(call.hub, user, person.id)
        return web.Response(status=204)

    async def blocked(self, call: Call) -> web.Response:
        """GET /users/{id}/blocked."""
        user = Address(call.network, call.id)
        await call.declared(user.id, "id")
        limit, after = call.number("limit", DEFAULT, (1, MOST)), from_cursor(call.request.query.get("cursor"))
        found = await self._stored.of(user, after, limit)
        people = [translate.to_person(await call.hub.facts.person(ident)) for ident in found]
        return json_answer({"items": people, "next": to_cursor(found[-1]) if len(found) == limit else None})

    async def _both(self, call: Call) -> tuple[Address, Person]:
        """Raises Refused (unknown_sender, unknown_recipient)."""
        user = Address(call.network, call.id)
        await call.declared(user.id, "id")
        handle = known_id(call.request.match_info["person"], "person")
        return user, await call.hub.facts.person(handle)

    @property
    def _stored(self) -> Blocking:
        if self._kept is None:
            raise Unavailable("not_ready", 2)
        return self._kept
