"""Lists that a product reads through: its conversations, its users, members, what was said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from bridge.errors import Refused
from bridge.model import Account, Address
from bridge.networks.connect import listed, problems, translate
from bridge.networks.connect.calls.call import Call, known_id
from bridge.networks.connect.listed import from_cursor, to_cursor
from bridge.networks.connect.problems import json_answer


class ListCalls:
    """``user``: an account as products see it."""

    def __init__(self, user: Callable[[Account], dict[str, Any]]) -> None:
        self._user = user

    async def list_conversations(self, call: Call) -> web.Response:
        """GET /conversations."""
        limit, after, user = _limit(call), _after(call), call.request.query.get("user")
        if user is None:
            found, place = await call.hub.lists.conversations(call.network, after, limit)
        else:
            if after and not re.fullmatch(r"[0-9]{1,18}\.[!-~]{1,255}", after):
                raise Refused("unknown_cursor", "cursor")
            address = Address(call.network, known_id(user, "user"))
            await call.declared(address.id)
            found, place = await call.hub.lists.conversations_of(address, after, limit)
        return _page([listed.to_listed(chat) for chat in found], place)

    async def list_users(self, call: Call) -> web.Response:
        """GET /users."""
        found, place = await call.hub.lists.users(call.network, _after(call), _limit(call))
        return _page([self._user(account) for account in found], place)

    async def list_members(self, call: Call) -> web.Response:
        """GET /conversations/{id}/members."""
        limit, after = _limit(call), _after(call)
        chat = await call.own_chat(call.id)
        members = sorted((m for m in chat.members if m.person.id > after), key=lambda m: m.person.id)
        place = members[limit - 1].person.id if len(members) > limit else None
        return _page([translate.to_member(m) for m in members[:limit]], place)

    async def list_messages(self, call: Call) -> web.Response:
        """GET /conversations/{id}/messages."""
        limit, after = _limit(call), _after(call)
        if after and not re.fullmatch("[1-9][0-9]{0,17}", after):
            raise Refused("unknown_cursor", "cursor")
        chat = await call.own_chat(call.id)
        said = await call.hub.lists.said(chat.conversation, call.network, int(after) if after else None, limit)
        place = str(said[-1].order) if len(said) == limit else None
        return _page([listed.to_said(one, problems.words) for one in said if one.visible], place)

    async def history(self, call: Call) -> web.Response:
        """GET /conversations/{id}/history."""
        limit, before = call.number("limit", listed.PAGE, (1, listed.PAGE)), _after(call)
        reader = Address(call.network, known_id(call.request.query.get("user", ""), "user"))
        chat = await call.own_chat(call.id)
        found, place = await call.hub.lists.history(chat.conversation, reader, before, limit)
        return _page([listed.to_past(one) for one in found], place)


def _limit(call: Call) -> int:
    return call.number("limit", listed.DEFAULT, (1, listed.MOST))


def _after(call: Call) -> str:
    return from_cursor(call.request.query.get("cursor"))


def _page(items: Sequence[dict[str, Any]], place: str | None) -> web.Response:
    return json_answer({"items": list(items), "next": to_cursor(place)})
