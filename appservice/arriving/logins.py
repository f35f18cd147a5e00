"""What the homeserver's login module asks (``homeserver_config/login``): who is active, and how they are called.

It has a token of its own: whoever has the homeserver's appservice tokens does not need it, and the other way round.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from appservice.arriving.module_calls import bears, read_object
from appservice.client.names import Names
from appservice.rooms.ghosts import display_name
from bridge.db import Database
from bridge.errors import Refused, Unavailable
from bridge.hub.following import Following
from bridge.model import MATRIX, Address
from bridge.people.people import People
from bridge.people.revocations import Why
from bridge.people.trust import is_rpps
from bridge.trail.entry import TrailEntry, TrailKind, note_all

log = logging.getLogger(__name__)
Json = dict[str, Any]
_BASE = "/_liaison/login/v1"
_MOST, _LARGEST = 500, 256 * 1024  # accounts, and bytes, of one question
_CODE = re.compile(r"[a-z_]{1,40}")
_UNKNOWN: Json = {"state": "unknown", "shown": ""}


class Logins:
    """The routes. Without a token there are none."""

    def __init__(
        self, token: str | None, db: Database, people: People, following: Following, names: Names,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        """``clock`` in ms since 1970."""
        self._token = None if token is None else token.encode()
        self._db, self._people, self._following = db, people, following
        self._names = names
        self._clock = clock

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        if self._token is not None:
            app.router.add_post(_BASE + "/refused", self._refused)
            app.router.add_post(_BASE + "/ended", self._ended)
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
        asked = await read_object(request, _LARGEST)
        accounts = None if asked is None else _accounts(asked)
        if asked is None or accounts is None:
            return web.Response(status=400)
        try:
            login = asked.get("login") is True
            found = {user: await self._account(user, rpps, login) for user, rpps in accounts.items()}
            if login:
                await self._note([_opened(user, rpps) for user, rpps in accounts.items() if _is(found[user], "active")])
            return _answer({"accounts": found})
        except Unavailable:
            return web.Response(status=503)

    async def _refused(self, request: web.Request) -> web.Response:
        """A login that opened nothing, for the trail."""
        if not self._allowed(request):
            return web.Response(status=403)
        asked = await read_object(request, _LARGEST)
        code, rpps = (asked or {}).get("code"), (asked or {}).get("rpps")
        if not isinstance(code, str) or not _CODE.fullmatch(code) or not (rpps is None or isinstance(rpps, str)):
            return web.Response(status=400)
        subject = f"rpps:{rpps}" if rpps is not None and is_rpps(rpps) else None
        try:
            await self._note([TrailEntry(TrailKind.LOGIN, subject=subject, result=code)])
        except Unavailable:
            return web.Response(status=503)
        return _answer({})

    async def _ended(self, request: web.Request) -> web.Response:
        """An account was deactivated: its person is reached by the next way, and by it again after a new login."""
        if not self._allowed(request):
            return web.Response(status=403)
        user = (await read_object(request, _LARGEST) or {}).get("account")
        if not isinstance(user, str):
            return web.Response(status=400)
        account = Address(MATRIX, user)
        person = self._people.accounts.person(account)
        try:
            if person is not None:
                await self._following.ended(account, person)
        except Unavailable:
            return web.Response(status=503)
        return _answer({})

    async def _note(self, entries: Sequence[TrailEntry]) -> None:
        async with self._db.transaction("login.noted") as tx:
            await note_all(tx, entries, self._clock())

    async def _account(self, user: str, rpps: str, login: bool) -> Json:
        """What a closure took back is given back by a login, and not by an account that is only there."""
        about = await self._about(rpps)
        if not is_rpps(rpps) or user != self._names.account(rpps):
            log.error("ALARM the login module names an account that is not its number's: it is not believed")
            return _UNKNOWN
        address = Address(MATRIX, user)
        closed = self._people.accounts.revoked.of(address, f"rpps:{rpps}") is not None
        if _is(about, "active") and (login or not closed):
            try:
                await self._following.logged_in(address, rpps)
            except Refused as refused:
                log.warning("%s is not taken as its professional's: %s", user, refused.code)
        return about

    async def _about(self, rpps: str) -> Json:
        """Raises Unavailable."""
        if not is_rpps(rpps):
            return _UNKNOWN
        person = f"rpps:{rpps}"
        entry = await self._people.entry(person) or self._people.gone.of(person)
        if entry is None:
            return _UNKNOWN
        taken = self._people.accounts.revoked.of(Address(MATRIX, self._names.account(rpps)), person)
        revoked = taken is not None and taken.why is Why.OPERATOR
        state = "struck_off" if not entry.active else "revoked" if revoked else "active"
        return {"state": state, "shown": display_name(entry)}

    def _allowed(self, request: web.Request) -> bool:
        assert self._token is not None
        return bears(request, self._token)


def _is(about: Json, state: str) -> bool:
    return bool(about["state"] == state)


def _opened(user: str, rpps: str) -> TrailEntry:
    return TrailEntry(TrailKind.LOGIN, subject=f"rpps:{rpps}", object=f"{MATRIX}:{user}", result="opened")


def _accounts(asked: Json) -> dict[str, str] | None:
    accounts = asked.get("accounts")
    if not isinstance(accounts, dict) or len(accounts) > _MOST:
        return None
    return accounts if all(isinstance(one, str) for one in accounts.values()) else None


def _answer(body: Json) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
