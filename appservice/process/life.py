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
from dataclasses import dataclass, replace
from typing import Any

from appservice.client.homeserver import Homeserver, MatrixRefused, need, part
from appservice.e2ee import Engine
from bridge.config import BadConfig
from bridge.db import Database
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)
TYPE = "fr.liaison.life"
_CLIENT = "/_matrix/client/v3"
_FIRST = 3.0  # s that a start waits for the homeserver
_AGAIN = 1.0  # s between two tries to compare
EVERY = 60.0  # s after which the number has grown, if anything was encrypted: younger copies are not recognised


@dataclass(frozen=True, slots=True)
class Lived:
    """One hub's life. ``place`` says where its database lies."""

    hub: str
    generation: int
    place: str


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

    def __init__(self, db: Database, homeserver: Homeserver, engine: Engine, every: float = EVERY) -> None:
        self._db, self._homeserver, self._engine, self._every = db, homeserver, engine, every
        self._record: Lived | None = None
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
        while not self._compared:
            await asyncio.sleep(_AGAIN)
            await self._compare_later()
        spoken = -1
        while True:
            await asyncio.sleep(self._every)
            if spoken != self._engine.spoken:
                spoken = self._engine.spoken
                try:
                    await self._go_on(0)
                except (Unavailable, Refused) as reason:
                    log.info("the hub's life is not counted: %s", reason)

    async def adopt(self) -> None:
        """This database is the hub's from now on. Raises Unavailable, Refused."""
        await self._read()
        theirs = await self._theirs()
        await self._engine.went_back()
        await self._go_on(theirs[1] if theirs else 0)

    # ---- the two numbers

    async def _read(self) -> None:
        place = await self._db.place()
        row = await self._db.one("process.life")
        if row is None:
            self._record = Lived(secrets.token_hex(16), 0, place)
            async with self._db.transaction("process.life") as tx:
                await tx.run("process.life-begin", self._record.hub, place)
            return
        self._record = Lived(row["hub"], row["generation"], place)
        if row["place"] != place:
            log.warning("the database lies in another place than before: no session that it holds encrypts again")
            await self._engine.went_back()

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
        if theirs is not None and theirs[0] != self._record.hub:
            raise OtherLife(await self._db.one("process.any-ghost") is None)
        if theirs is not None and theirs[1] > self._record.generation:
            log.error(
                "ALARM the database is older than what the hub has sent (a copy was restored): no session that it "
                "holds encrypts again; what was learnt since the copy is unknown, see README"
            )
            await self._engine.went_back()
        await self._go_on(theirs[1] if theirs else 0)
        self._compared, self.trouble = True, ""
        self._engine.release()

    async def _theirs(self) -> tuple[str, int] | None:
        return await lives(self._homeserver, await self._own_user())

    async def _go_on(self, at_least: int) -> None:
        """One more, first in the database: a crash in between leaves the homeserver behind, which means nothing."""
        assert self._record is not None
        record = self._record = replace(self._record, generation=max(self._record.generation, at_least) + 1)
        async with self._db.transaction("process.life") as tx:
            await tx.run("process.life-goes-on", record.hub, record.generation, record.place)
        body: dict[str, Any] = {"hub": record.hub, "generation": record.generation}
        try:
            await self._homeserver.call("PUT", await self._path(), body)
        except MatrixRefused as refused:
            if refused.status not in (403, 404):
                raise
            await self._register()
            await self._homeserver.call("PUT", await self._path(), body)

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


async def lives(homeserver: Homeserver, me: str) -> tuple[str, int] | None:
    """Which hub the homeserver knows, and how far its life has come. Raises Unavailable, Refused."""
    try:
        known = await homeserver.call("GET", _path(me))
    except MatrixRefused as none:
        if none.status not in (403, 404):
            raise
        return None
    hub, generation = known.get("hub"), known.get("generation")
    return (hub, generation) if isinstance(hub, str) and isinstance(generation, int) else None


async def own_user(homeserver: Homeserver) -> str:
    """The appservice's own user. Raises Unavailable, Refused."""
    return need(await homeserver.call("GET", f"{_CLIENT}/account/whoami"), "user_id", str)


def _path(me: str) -> str:
    return f"{_CLIENT}/user/{part(me)}/account_data/{TYPE}"
