"""Notices that the database is not the one with which the hub last spoke: an older copy, a moved one, another one.

What was sent with a database cannot be taken back. A copy that is restored later would use encryption keys a second
time, for other text. So the hub's life has a number that only grows: the database keeps it, and the homeserver keeps it
in the account data of the appservice's own user. A database that is behind is an older copy; its sessions end by
themselves. A database in another place than before (another file, restored tables) is treated likewise, also without
the homeserver.

Before the two numbers were compared nothing is encrypted. While the homeserver is away nothing could be sent anyway.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from appservice.client.homeserver import Homeserver, MatrixRefused, need, part
from appservice.e2ee import Engine
from appservice.process.restored.noticing import CopyKind, Noticing
from bridge.config import BadConfig
from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable
from bridge.hub.hub import now_ms

log = logging.getLogger(__name__)
TYPE = "fr.liaison.life"
_CLIENT = "/_matrix/client/v3"
_FIRST = 3.0  # s that a start waits for the homeserver
_AGAIN = 1.0  # s between two tries to compare
_ALARMS = {
    CopyKind.OLDER: "the database is older than what the hub has sent (a copy was restored): no session that it holds "
    "encrypts again; `liaison restored` says what may happen a second time, and what is lost",
    CopyKind.HOMESERVER: "the homeserver has forgotten what it had confirmed (a copy of its database was restored): "
    "keys "
    "and positions begin anew; `liaison restored` says more",
}
_TAKEN_OVER = (
    "another server has taken the database over, and may lack what was acknowledged last: no session that it holds "
    "encrypts again; with a synchronous replica nothing is lost (docs/failover.md)"
)
_BEHIND = 10  # counts that the homeserver may lack of what it has confirmed: two processes may have passed one another
EVERY = 60.0  # s after which the number has grown, if anything was encrypted: younger copies are not recognised


@dataclass(frozen=True, slots=True)
class Lived:
    """One hub's life. ``place`` says where its database lies."""

    hub: str
    generation: int
    place: str
    at: int = 0  # when it was last counted (ms)
    confirmed: int = 0  # how far the homeserver has said that it knows it


@dataclass(frozen=True, slots=True)
class Theirs:
    """The same as the homeserver knows it. ``at``: ms, 0 if an earlier version has written it."""

    hub: str
    generation: int
    at: int


class OtherLife(Exception):
    """The homeserver knows a hub with another database; ``empty``: ours has never been used."""

    def __init__(self, empty: bool) -> None:
        super().__init__(empty)
        self.empty = empty

    def __str__(self) -> str:
        ours = "it is empty" if self.empty else "this one is of another hub"
        return (
            f"database.url: the homeserver knows this hub with another database, and {ours}: its rooms and devices "
            "would be made a second time. Put the right database there, or begin with this one: `liaison adopt`, once"
        )


class Life:
    """Of one hub. The engine encrypts nothing before :meth:`begin` or :meth:`run` has compared the two numbers."""

    def __init__(
        self, db: Database, homeserver: Homeserver, engine: Engine, noticing: Noticing | None = None,
        every: float = EVERY, clock: Callable[[], int] = now_ms,
    ) -> None:  # fmt: skip
        """``noticing`` writes what an older copy means; without it only sessions end."""
        self._db, self._homeserver, self._engine, self._every = db, homeserver, engine, every
        self._noticing, self._clock = noticing, clock
        self._record: Lived | None = None
        self._elsewhere = False
        self._compared = False
        self._me = ""
        self.trouble = ""  # why nothing can be encrypted, in English

    async def begin(self) -> None:
        """At a start, before anything is encrypted. Raises BadConfig if the homeserver knows another database."""
        self._engine.hold()
        await self._read()
        try:
            async with asyncio.timeout(_FIRST):
                await self._compare()
        except OtherLife as other:
            raise BadConfig(str(other)) from None
        except (Unavailable, Refused, TimeoutError) as reason:
            log.info("whether the database is an older copy is found out once the homeserver answers (%s)", reason)

    async def run(self) -> None:
        """Compare if that could not be done yet; then count, for ever."""
        await self._until_compared()
        spoken = -1
        while True:
            await asyncio.sleep(self._every)
            if spoken != self._engine.spoken:
                spoken = self._engine.spoken
                try:
                    await self._go_on(0)
                except (Unavailable, Refused) as reason:
                    log.info("the hub's life is not counted: %s", reason)

    async def _until_compared(self) -> None:
        while not self._compared:
            await asyncio.sleep(_AGAIN)
            await self._compare_later()

    async def moved(self, place: str, whole: bool) -> None:
        """Another server has taken the database over. ``whole``: it has all that was acknowledged."""
        assert self._record is not None
        if whole:
            log.info("another server has taken the database over; it has all that was acknowledged")
            self._record = replace(self._record, place=place)
        else:
            log.error("ALARM %s", _TAKEN_OVER)
            self._engine.hold()
            self._record, self._elsewhere, self._compared = replace(self._record, place=place), True, False
            await self._until_compared()
        async with self._db.transaction("process.life") as tx:
            await tx.run("process.life-placed", place)

    async def adopt(self) -> None:
        """This database is the hub's from now on. Raises Unavailable, Refused."""
        await self._read()
        theirs = await self._theirs()
        await self._went_back(CopyKind.MOVED, theirs)
        await self._go_on(theirs.generation if theirs else 0)

    # ---- the two numbers

    async def _read(self) -> None:
        place = await self._db.place()
        row = await self._db.one("process.life")
        if row is None:
            self._record = Lived(secrets.token_hex(16), 0, place)
            async with self._db.transaction("process.life") as tx:
                await tx.run("process.life-begin", self._record.hub, place)
            return
        self._record = Lived(row["hub"], row["generation"], place, row["at"], row["confirmed"])
        self._elsewhere = row["place"] != place
        if self._elsewhere:
            log.warning("the database lies in another place than before: no session that it holds encrypts again")

    async def _compare_later(self) -> None:
        try:
            await self._compare()
        except OtherLife as other:
            if not self.trouble:
                self.trouble = str(other)
                log.error("ALARM %s", other)
        except (Unavailable, Refused) as reason:
            log.debug("the hub's life is not compared yet: %s", reason)

    async def _compare(self) -> None:
        assert self._record is not None
        theirs = await self._theirs()
        if theirs is not None and theirs.hub != self._record.hub:
            raise OtherLife(await self._db.one("process.any-ghost") is None)
        if (kind := self._kind(0 if theirs is None else theirs.generation)) is not None:
            if kind is not CopyKind.MOVED:
                log.error("ALARM %s", _ALARMS[kind])
            await self._went_back(kind, theirs)
            self._elsewhere = False
        await self._go_on(theirs.generation if theirs else 0)
        self._compared, self.trouble = True, ""
        self._engine.release()

    def _kind(self, theirs: int) -> CopyKind | None:
        assert self._record is not None
        if theirs > self._record.generation:
            return CopyKind.OLDER
        if theirs + _BEHIND < self._record.confirmed:
            return CopyKind.HOMESERVER
        return CopyKind.MOVED if self._elsewhere else None

    async def _went_back(self, kind: CopyKind, theirs: Theirs | None) -> None:
        record, noticing = self._record, self._noticing
        assert record is not None
        homeserver = kind is CopyKind.HOMESERVER
        if noticing is None:
            await self._engine.went_back(homeserver=homeserver)
            return
        waiting = await noticing.waiting()
        since, until = (
            (theirs.at if theirs else 0, record.at) if homeserver else (record.at, theirs.at if theirs else 0)
        )

        async def also(tx: Tx) -> None:
            await noticing.write(tx, kind, since, max(since, until), waiting)

        await self._engine.went_back(also, homeserver=homeserver)

    async def _theirs(self) -> Theirs | None:
        return await lives(self._homeserver, await self._own_user())

    async def _go_on(self, at_least: int) -> None:
        """One more, first in the database: a crash in between leaves the homeserver behind, which means nothing."""
        assert self._record is not None
        at = self._clock()
        record = self._record = replace(
            self._record, generation=max(self._record.generation, at_least) + 1, at=at, confirmed=self._record.confirmed
        )
        async with self._db.transaction("process.life") as tx:
            await tx.run("process.life-goes-on", record.hub, record.generation, record.place, at)
        body: dict[str, Any] = {"hub": record.hub, "generation": record.generation, "at": at}
        try:
            await self._homeserver.call("PUT", await self._path(), body)
        except MatrixRefused as refused:
            if refused.status not in (403, 404):
                raise
            await self._register()
            await self._homeserver.call("PUT", await self._path(), body)
        self._record = replace(self._record, confirmed=record.generation)
        async with self._db.transaction("process.life") as tx:
            await tx.run("process.life-confirmed", record.hub, record.generation)

    async def _path(self) -> str:
        return _path(await self._own_user())

    async def _own_user(self) -> str:
        if not self._me:
            self._me = await own_user(self._homeserver)
        return self._me

    async def _register(self) -> None:
        """The appservice's own user exists from its first use on."""
        name = (await self._own_user())[1:].partition(":")[0]
        body = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
        try:
            await self._homeserver.call("POST", f"{_CLIENT}/register", body)
        except MatrixRefused as refused:
            if refused.errcode != "M_USER_IN_USE":
                raise


async def lives(homeserver: Homeserver, me: str) -> Theirs | None:
    """Which hub the homeserver knows, and how far its life has come. Raises Unavailable, Refused."""
    try:
        known = await homeserver.call("GET", _path(me))
    except MatrixRefused as none:
        if none.status not in (403, 404):
            raise
        return None
    hub, generation, at = known.get("hub"), known.get("generation"), known.get("at")
    if not isinstance(hub, str) or not isinstance(generation, int):
        return None
    return Theirs(hub, generation, at if isinstance(at, int) else 0)


async def own_user(homeserver: Homeserver) -> str:
    """The appservice's own user. Raises Unavailable, Refused."""
    return need(await homeserver.call("GET", f"{_CLIENT}/account/whoami"), "user_id", str)


def _path(me: str) -> str:
    return f"{_CLIENT}/user/{part(me)}/account_data/{TYPE}"
