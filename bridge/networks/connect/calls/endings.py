"""The end of a user, and what a product can have of them before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.model import Account, Address
from bridge.networks.connect import listed
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fields import time_text
from bridge.networks.connect.listed import from_cursor, to_cursor
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.users.endings import Endings

_PAGE = 100


class EndCalls:
    """``user``: an account as products see it."""

    def __init__(self, endings: Endings | None, user: Callable[[Account], dict[str, Any]]) -> None:
        self._endings = endings
        self._user = user

    async def end_user(self, call: Call) -> web.Response:
        """DELETE /users/{id}."""
        if self._endings is None:
            raise Unavailable("not_ready", 2)
        ended = await self._endings.end(call.product, call.id)
        done = None if ended.done is None else time_text(ended.done)
        state = "ending" if done is None else "ended"
        return json_answer({"id": call.id, "state": state, "since": time_text(ended.at), "ended_at": done}, 202)

    async def export_user(self, call: Call) -> web.Response:
        """GET /users/{id}/export."""
        address, after = Address(call.network, call.id), from_cursor(call.request.query.get("cursor"))
        if after and not re.fullmatch(r"[0-9]{1,18}\.[!-~]{1,255}", after):
            raise Refused("unknown_cursor", "cursor")
        account = await call.hub.facts.account(address)
        if account is None:
            raise Refused("unknown_user", "id")
        found, place = await call.hub.lists.conversations_of(address, after, _PAGE)
        conversations = [listed.to_listed(chat) for chat in found]
        return json_answer({"user": self._user(account), "conversations": conversations, "next": to_cursor(place)})
