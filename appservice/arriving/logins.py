"""What the homeserver's login module asks (``homeserver_config/login``): who is active, and how they are called.

It has a token of its own: whoever has the homeserver's appservice tokens does not need it, and the other way round.
"""

from __future__ import annotations

import hmac
import logging
from typing import Any, Protocol

import orjson
from aiohttp import web

from appservice.client.names import Names
from appservice.rooms.ghosts import display_name
from bridge.errors import Refused, Unavailable
from bridge.model import MATRIX, Address, Person
from bridge.people.people import People
from bridge.people.trust import is_rpps

log = logging.getLogger(__name__)
Json = dict[str, Any]
_BASE = "/_liaison/login/v1"
_MOST, _LARGEST = 500, 256 * 1024  # accounts, and bytes, of one question
_UNKNOWN: Json = {"state": "unknown", "shown": ""}


class Follows(Protocol):
    """What is asked of :class:`bridge.hub.following.Following`."""

    async def logged_in(self, account: Address, rpps: str) -> None:
        """Somebody has proven who they are."""


class Logins:
    """The routes. Without a token there are none."""

    def __init__(self, token: str | None, people: People, following: Follows, names: Names) -> None:
        self._token = None if token is None else token.encode()
        self._people = people
        self._following = following
        self._names = names

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        if self._token is not None:
            app.router.add_get(_BASE + "/professionals/{rpps}", self._professional)
            app.router.add_post(_BASE + "/accounts", self._accounts)

    async def _professional(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return web.Response(status=403)
        try:
            return _answer(await self._about(request.match_info["rpps"]))
        except Unavailable:
            return web.Response(status=503)

    async def _accounts(self, request: web.Request) -> web.Response:
        """Accounts that a login has opened (user id: number); each is noted, and answered like a number."""
        if not self._allowed(request):
            return web.Response(status=403)
        accounts = await _read(request)
        if accounts is None:
            return web.Response(status=400)
        try:
            return _answer({"accounts": {user: await self._account(user, rpps) for user, rpps in accounts.items()}})
        except Unavailable:
            return web.Response(status=503)

    async def _account(self, user: str, rpps: str) -> Json:
        about = await self._about(rpps)
        if not is_rpps(rpps) or user != self._names.account(rpps):
            log.error("ALARM the login module names an account that is not its number's: it is not believed")
            return _UNKNOWN
        if about["state"] == "active":
            try:
                await self._following.logged_in(Address(MATRIX, user), rpps)
            except Refused as refused:
                log.warning("%s is not taken as its professional's: %s", user, refused.code)
        return about

    async def _about(self, rpps: str) -> Json:
        """Raises Unavailable."""
        if not is_rpps(rpps):
            return _UNKNOWN
        person = f"rpps:{rpps}"
        entry = await self._people.entry(person) or self._people.gone.of(person)
        return _UNKNOWN if entry is None else _shown(entry)

    def _allowed(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        assert self._token is not None
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode("utf-8", "replace"), self._token)


def _shown(entry: Person) -> Json:
    return {"state": "active" if entry.active else "struck_off", "shown": display_name(entry)}


async def _read(request: web.Request) -> dict[str, str] | None:
    """The accounts of a question; None for anything else."""
    body = bytearray()
    async for piece in request.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > _LARGEST:
            return None
    try:
        accounts = orjson.loads(body)["accounts"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if (
        not isinstance(accounts, dict)
        or len(accounts) > _MOST
        or not all(isinstance(v, str) for v in accounts.values())
    ):
        return None
    return accounts


def _answer(body: Json) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
