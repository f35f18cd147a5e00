"""Far ends for tests: two federated homeservers, one of them with a hub if need be, and people with real clients."""

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from deploy.world.certificates import Authority
from deploy.world.client import RustClient
from deploy.world.postgres import memory
from deploy.world.synapse import Options, Synapse, start_all

PASSWORD = "correct horse"

# Makes the registration of an appservice for a server, whose name is known before it starts.
Registration = Callable[[Synapse], Mapping[str, Any]]


class NewClient(Protocol):
    """Starts a client for a new user; it ends with the test."""

    async def __call__(self, server: Synapse, name: str, **options: Any) -> RustClient: ...


@contextlib.asynccontextmanager
async def federation(
    registration: Registration | None = None, options: Options | None = None
) -> AsyncIterator[tuple[Synapse, Synapse]]:
    """Run two homeservers that federate; the first gets the appservice registration and the options."""
    with tempfile.TemporaryDirectory(prefix="liaison-world-", dir=memory()) as folder:
        directory = Path(folder)
        authority = Authority(directory)
        home = Synapse(directory / "home", authority, options=options or Options())
        away = Synapse(directory / "away", authority)
        if registration:
            path = directory / "registration.yaml"
            path.write_text(yaml.safe_dump(dict(registration(home))))
            home.registrations.append(path)
        try:
            await start_all(home, away)
            yield home, away
        finally:
            await asyncio.gather(home.kill(), away.kill())


async def new_user(server: Synapse, name: str) -> str:
    """Register somebody under a name that no other test has; give back the user id."""
    user = await server.register_user(f"{name}_{secrets.token_hex(4)}", PASSWORD, displayname=name.title())
    return user["user_id"]


async def rust_client(server: Synapse, name: str, **options: Any) -> RustClient:
    """Register somebody and start their client; the caller stops it."""
    return await RustClient.start(server.url, await new_user(server, name), PASSWORD, **options)


@contextlib.asynccontextmanager
async def clients() -> AsyncIterator[NewClient]:
    """Give a function that starts clients, and stop them all at the end."""
    started: list[RustClient] = []

    async def new_client(server: Synapse, name: str, **options: Any) -> RustClient:
        client = await rust_client(server, name, **options)
        started.append(client)
        return client

    try:
        yield new_client
    finally:
        await asyncio.gather(*(client.stop() for client in started))


async def meet(host: RustClient, guest: RustClient, **options: Any) -> str:
    """Have two clients in one new encrypted room, each knowing the other's devices; give back its id."""
    room = await host.create_room(invite=[guest.user_id], **options)
    await guest.wait_room(lambda found: bool(found["room_id"] == room))
    await guest.join(room)
    await host.wait_member(room, guest.user_id)
    await asyncio.gather(host.devices(guest.user_id), guest.devices(host.user_id))
    return room
