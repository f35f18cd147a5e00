"""What the trials share: a strict client in a conversation with cleo, and what counts as having arrived."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.world.client import Event, RustClient
from deploy.world.product import ProductClient
from deploy.world.synapse import Synapse
from deploy.world.world import World
from tests.peers.world import PASSWORD, new_user


@asynccontextmanager
async def strict(server: Synapse, name: str) -> AsyncIterator[RustClient]:
    """A new user with a cross-signed Rust-crypto client that refuses unsigned devices."""
    async with await RustClient.start(server.url, await new_user(server, name), PASSWORD, auto_join=True) as client:
        yield client


@dataclass
class Talk:
    """cleo in PandaLab and a Matrix client in one conversation."""

    panda: ProductClient
    client: RustClient
    conversation: str
    room: str


async def talk(world: World, client: RustClient, *more: str) -> Talk:
    """cleo writes first; the client joins the room that the hub makes."""
    panda = world.products["pandalab"]
    hello = f"Bonjour {secrets.token_hex(4)}"
    sent = await panda.write("cleo", hello, to=[f"matrix:{client.user_id}", *more])
    room = await client.wait_room()
    await client.wait_text(room, hello)
    return Talk(panda, client, sent["conversation"], room)


def bodies(events: list[Event], sender: str | None = None) -> list[str]:
    """The texts of a timeline in order, of one sender or all."""
    messages = [e for e in events if e["type"] == "m.room.message" and sender in (None, e["sender"])]
    return [str(e["content"].get("body")) for e in messages]


def assert_clean(events: list[Event]) -> None:
    """Every message was encrypted, could be read, and came from a device that its owner signed."""
    for event in events:
        assert event["type"] != "m.room.encrypted", (event["event_id"], event["decryption_failure"])
        if event["type"] == "m.room.message":
            assert event["encrypted"], event["event_id"]
            assert not event["shield_colour"], (event["event_id"], event["shield_reason"])


async def settled(seconds: float = 1.5) -> None:
    """Time for a second copy to appear, were there one."""
    await asyncio.sleep(seconds)
