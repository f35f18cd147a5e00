"""What the homeserver's policy module asks and tells (``homeserver_config/policy``): who somebody is, who is unwanted.

It has a token of its own: whoever has the homeserver's appservice tokens does not need it, and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
from aiohttp import web

from appservice.arriving.module_calls import bears, read_object
from appservice.client.names import Names, server_of
from bridge.db import Database
from bridge.db.pages import pages
from bridge.errors import Unavailable
from bridge.model import FUNCTION, MAIL, MATRIX, Address, Person
from bridge.people.people import People
from bridge.people.trust import is_mxid
from bridge.receiver import Receiver
from bridge.trail.entry import TrailEntry, TrailKind, note_all

Json = dict[str, Any]
_BASE = "/_liaison/policy/v1"
_CODE, _SERVER = re.compile(r"[a-z_]{1,40}"), re.compile(r"[a-z0-9.:\[\]-]{0,255}")
_MOST, _LARGEST = 2_000, 1 << 20  # people, and bytes, of one user's list


class Unwanted:
    """Whose messages users of the homeserver do not want: on disk, and known to the hub, which refuses them everywhere.

    Products' users have the same (``PUT /users/{id}/blocked``): the hub asks one table about both.
    """

    def __init__(self, db: Database, hub: Receiver, clock: Callable[[], int]) -> None:
        self._db = db
        self._hub = hub
        self._clock = clock

    async def load(self) -> None:
        """As it was when the hub ended."""
        async for page in pages(self._db, "matrix.unwanted", ("", ""), ("user_id", "person")):
            for row in page:
                self._hub.block(Address(MATRIX, row["user_id"]), row["person"], True)

    async def note(self, entries: Sequence[TrailEntry]) -> None:
        """Facts that stand by themselves. Raises Unavailable."""
        async with self._db.transaction("matrix.policy-refused") as tx:
            await note_all(tx, entries, self._clock())

    async def replace(self, user: str, people: frozenset[str]) -> None:
        """All those (person ids) of whom a user wants nothing. Again is the same. Raises Unavailable."""
        before = {row["person"] for row in await self._db.all("matrix.unwanted_by", user)}
        async with self._db.transaction("matrix.unwanted") as tx:
            for person in sorted(people - before):
                await tx.run("matrix.unwant", user, person, self._clock())
            for person in sorted(before - people):
                await tx.run("matrix.want", user, person)
        for person in people ^ before:
            self._hub.block(Address(MATRIX, user), person, person in people)


class Policies:
    """The routes. Without a token there are none."""

    def __init__(self, token: str | None, people: People, names: Names, unwanted: Unwanted) -> None:
        self._token = None if token is None else token.encode()
        self._people = people
        self._names = names
        self._unwanted = unwanted

    async def load(self) -> None:
        """Whom users did not want when the hub ended."""
        await self._unwanted.load()

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        if self._token is not None:
            app.router.add_get(_BASE + "/people/{user}", self._person)
            app.router.add_put(_BASE + "/users/{user}/blocked", self._blocked)
            app.router.add_post(_BASE + "/refused", self._refused)

    async def _person(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return web.Response(status=403)
        try:
            found = await self._behind(request.match_info["user"])
        except Unavailable:
            return web.Response(status=503)
        if found is None:
            return web.Response(status=404)
        known = {name: sorted(set(some)) for name, some in self._known(found)}
        return web.Response(body=orjson.dumps(known), content_type="application/json")

    async def _blocked(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return web.Response(status=403)
        user, others = request.match_info["user"], _users(await read_object(request, _LARGEST))
        if others is None or not is_mxid(user) or server_of(user) != self._names.server:
            return web.Response(status=400)
        try:
            await self._unwanted.replace(user, frozenset([await self._id(one) for one in others]))
        except Unavailable:
            return web.Response(status=503)
        return web.Response(body=b"{}", content_type="application/json")

    async def _refused(self, request: web.Request) -> web.Response:
        """What the module has refused, counted, for the trail."""
        if not self._allowed(request):
            return web.Response(status=403)
        asked = await read_object(request, _LARGEST)
        counted = asked.get("refused") if asked is not None else None
        entries = [_entry(one) for one in counted] if isinstance(counted, list) and len(counted) <= _MOST else [None]
        good = [one for one in entries if one is not None]
        if len(good) < len(entries):
            return web.Response(status=400)
        try:
            await self._unwanted.note(good)
        except Unavailable:
            return web.Response(status=503)
        return web.Response(body=b"{}", content_type="application/json")

    async def _id(self, user: str) -> str:
        """The person id behind a user; one whom nobody knows yet has that of their address."""
        found = await self._behind(user)
        return f"{MATRIX}:{user}" if found is None else found.id

    async def _behind(self, user: str) -> Person | None:
        ident = self._names.person(user)
        if ident is not None:
            return await self._people.get(ident)
        return await self._people.behind(Address(MATRIX, user)) if is_mxid(user) else None

    def _known(self, person: Person) -> Iterator[tuple[str, list[str]]]:
        """Everything that a person is known by, for rules about users, servers and groups."""
        kind = person.id.partition(":")[0]
        users = [one.id for one in person.addresses if one.network == MATRIX]
        mailboxes = [one.id for one in person.addresses if one.network == MAIL]
        ghost = self._names.of(person.id)
        yield "users", [*users, *([ghost] if ghost is not None else [])]
        yield "servers", [server_of(one) for one in users] + [one.rpartition("@")[2].lower() for one in mailboxes]
        groups = [f"network:{one.network}" for one in person.addresses]
        groups += [person.id] if kind == FUNCTION else []
        groups += [f"profession:{person.profession.lower()}"] if person.profession else []
        yield "groups", groups

    def _allowed(self, request: web.Request) -> bool:
        assert self._token is not None
        return bears(request, self._token)


def _users(asked: Json | None) -> list[str] | None:
    """The users of a list; None for anything else."""
    users = None if asked is None else asked.get("users")
    if not isinstance(users, list) or len(users) > _MOST or not all(isinstance(one, str) for one in users):
        return None
    return [one for one in users if is_mxid(one)]


def _entry(counted: Any) -> TrailEntry | None:
    """A count of the module as a row of the trail: a reason and a server, nobody's name."""
    if not isinstance(counted, dict):
        return None
    code, server, count = (counted.get(name) for name in ("code", "server", "count"))
    if not (isinstance(code, str) and _CODE.fullmatch(code) and isinstance(server, str) and _SERVER.fullmatch(server)):
        return None
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 2**31:
        return None
    details: dict[str, str | int] = {"count": count, **({"domain": server} if server else {})}
    return TrailEntry(TrailKind.POLICY_REFUSED, actor="homeserver", result=code, details=details)
