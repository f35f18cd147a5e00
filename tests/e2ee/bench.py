"""A hub's engine on a real homeserver, without the rest of the hub."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.e2ee import COMPONENT, Callbacks, Decrypted, Engine, Policy, RoomState
from bridge.db import Database, open_database
from bridge.seal import Seal
from deploy.world.client import RustClient
from deploy.world.synapse import Synapse

AS_TOKEN = "as-secret-of-the-tests"
SEAL = Seal({"k1": bytes(range(32))}, "k1")


def registration(server: Synapse) -> dict[str, Any]:
    """What Synapse is told about us. ``url`` is null: nothing is pushed."""
    return {
        "id": "e2ee",
        "url": None,
        "as_token": AS_TOKEN,
        "hs_token": "hs-secret-of-the-tests",
        "sender_localpart": "h_unused",
        "rate_limited": False,
        "io.element.msc4190": True,
        "namespaces": {"users": [{"exclusive": True, "regex": "@h_.*"}], "aliases": [], "rooms": []},
    }


def is_ghost(user: str) -> bool:
    """Ours begin with ``@h_``."""
    return user.startswith("@h_")


@dataclass(slots=True)
class Bench:
    """An engine, the calls it makes, and the few things that the rest of a hub does around it."""

    engine: Engine
    homeserver: Homeserver
    db: Database
    name: str
    keys: list[tuple[str, str]] = field(default_factory=list)

    async def ghost(self, name: str) -> str:
        """Register a ghost and make its device."""
        localpart = f"h_{name}_{secrets.token_hex(4)}"
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        await self.homeserver.call("POST", "/_matrix/client/v3/register", body)
        user = f"@{localpart}:{self.name}"
        await self.engine.ensure_device(user)
        return user

    async def join(self, ghost: str, room: str) -> None:
        """Take an invitation."""
        await self.homeserver.call("POST", f"/_matrix/client/v3/rooms/{part(room)}/join", {}, user=ghost)

    async def room(self, ghost: str, room: str, **settings: Any) -> RoomState:
        """The room as a hub would know it."""
        path = f"/_matrix/client/v3/rooms/{part(room)}/members"
        answer = await self.homeserver.call("GET", path, user=ghost)
        states = ("join", "invite")
        members = frozenset(e["state_key"] for e in answer["chunk"] if e["content"]["membership"] in states)
        return RoomState(room, members, **settings)

    async def say(self, ghost: str, room: RoomState, text: str) -> tuple[str, list[tuple[str, str, str]]]:
        """Send a text as a ghost; returns the event id and who did not get the key."""
        content = {"msgtype": "m.text", "body": text}
        async with self.engine.outbound(room, ghost) as out, self.db.transaction("test.say") as tx:
            encrypted = await out.encrypt(tx, "m.room.message", content)
            withheld = out.withheld
        path = f"/_matrix/client/v3/rooms/{part(room.room_id)}/send/m.room.encrypted/{secrets.token_hex(8)}"
        device = self.engine.device_of(ghost)
        answer = await self.homeserver.call("PUT", path, encrypted, user=ghost, device=device)
        return answer["event_id"], withheld

    async def event(self, ghost: str, room: str, event_id: str) -> dict[str, Any]:
        """An event as the ghost gets it; one from another server may still be on its way."""
        path = f"/_matrix/client/v3/rooms/{part(room)}/event/{part(event_id)}"
        for _ in range(100):
            with suppress(MatrixRefused):
                return await self.homeserver.call("GET", path, user=ghost)
            await asyncio.sleep(0.1)
        raise AssertionError(f"{event_id} did not arrive")

    async def read(self, ghost: str, room: str, event_id: str, rings: int = 1) -> Decrypted:
        """Ring for the key, at most so many times, then decrypt an event, and note that it was seen."""
        event = await self.event(ghost, room, event_id)
        for ring in range(rings):
            await asyncio.sleep(0.1 if ring else 0)
            await self.engine.ring([ghost])
            if await self.db.all("e2ee.in-elsewhere", event["content"]["session_id"]):
                break
        got = await self.engine.decrypt(room, event["sender"], event_id, event["content"])
        async with self.db.transaction("test.seen") as tx:
            await got.seen(tx)
        return got


@asynccontextmanager
async def hub(server: Synapse, url: str, policy: Policy | None = None, **options: Any) -> AsyncIterator[Bench]:
    """An engine of this database on this homeserver."""
    db = await open_database(url, [COMPONENT])
    keys: list[tuple[str, str]] = []
    try:
        async with Homeserver(server.url, AS_TOKEN) as homeserver:
            engine = Engine(
                db,
                SEAL,
                homeserver,
                is_ghost,
                policy or Policy(),
                callbacks=Callbacks(lambda *k: keys.append(k)),
                **options,
            )
            await engine.start()
            try:
                yield Bench(engine, homeserver, db, server.name, keys)
            finally:
                await engine.close()
    finally:
        await db.close()


async def invited(bench: Bench, client: RustClient, *ghosts: str, **options: Any) -> str:
    """A room of a person with ghosts in it."""
    room = await client.create_room(invite=list(ghosts), **options)
    for ghost in ghosts:
        await bench.join(ghost, room)
        await client.wait_member(room, ghost)
    for ghost in ghosts:
        await client.wait_devices(ghost)
    return room
