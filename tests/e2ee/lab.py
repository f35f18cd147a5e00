"""An engine on the stub that can be stopped and started again on the same database, with a clock in our hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from appservice.client.homeserver import Homeserver
from appservice.e2ee import COMPONENT, Callbacks, Decrypted, Engine, Policy, RoomState
from bridge.db import Database, open_database
from tests.e2ee.bench import SEAL, is_ghost
from tests.e2ee.peer import Owner, Peer
from tests.e2ee.stub import Json, Stub

ANNA, BEN, EVE = "@h_anna:home", "@ben:home", "@eve:away"
ROOM = "!room"


async def nobody(room_id: str, user: str) -> bool:
    """Nobody's keys are kept for now."""
    return False


class Lab:
    """The stub, a database, and the engine of the moment."""

    def __init__(self, stub: Stub, url: str) -> None:
        self.stub = stub
        self.url = url
        self.now = 1_700_000_000_000
        self.policy = Policy()
        self.keys: list[tuple[str, str]] = []
        self.waits = nobody
        self.engine: Engine
        self.db: Database
        self.seal = SEAL
        self.opener: Callable[[str], Awaitable[Database]] = lambda url: open_database(url, [COMPONENT])
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """A new process on the old database."""
        self.db = await self.opener(self.url)
        self._open.push_async_callback(self.db.close)
        homeserver = await self._open.enter_async_context(Homeserver(self.stub.url, "token"))
        self.engine = Engine(
            self.db,
            self.seal,
            homeserver,
            is_ghost,
            self.policy,
            clock_ms=lambda: self.now,
            callbacks=Callbacks(lambda *key: self.keys.append(key), lambda *who: self.waits(*who)),
        )
        self._open.push_async_callback(self.engine.close)
        await self.engine.start()

    async def stop(self) -> None:
        """The end of the process."""
        await self._open.aclose()

    async def restart(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()

    def person(
        self, user: str, *names: str, signed: bool = True, one_time: int = 5, fallback: bool = False
    ) -> list[Peer]:
        """A person with published devices, signed by their owner unless said otherwise."""
        owner = Owner(user)
        owner.publish(self.stub)
        mine = owner if signed else None
        return [Peer(self.stub, user, name, mine).publish(one_time, fallback) for name in names]

    def room(self, *members: str, **settings: Any) -> RoomState:
        """A room of Anna's with these people."""
        return RoomState(ROOM, frozenset({ANNA, *members}), **settings)

    async def say(self, room: RoomState, text: str, ghost: str = ANNA, **content: Any) -> Json:
        """Encrypt a text; the content as it would be sent."""
        async with self.engine.outbound(room, ghost) as out, self.db.transaction("test.say") as tx:
            return await out.encrypt(tx, "m.room.message", {"body": text, **content})

    async def withheld(self, room: RoomState) -> list[tuple[str, str, str]]:
        """Who does not get the key, and why."""
        async with self.engine.outbound(room, ANNA) as out:
            return sorted(out.withheld)

    async def read(self, content: Json, sender: str, event_id: str = "$1", room: str = ROOM) -> Decrypted:
        """Decrypt and note an event."""
        got = await self.engine.decrypt(room, sender, event_id, content)
        async with self.db.transaction("test.seen") as tx:
            await got.seen(tx)
        return got

    async def count(self, name: str, *args: Any) -> int:
        """Rows of a statement."""
        return len(await self.db.all(name, *args))


@asynccontextmanager
async def lab(url: str, *, ghost: bool = True) -> AsyncIterator[Lab]:
    """A lab whose ghost Anna has her device."""
    async with Stub().serve() as stub:
        made = Lab(stub, url)
        await made.start()
        try:
            if ghost:
                await made.engine.ensure_device(ANNA)
            yield made
        finally:
            await made.stop()
