"""``python -m deploy.bench.libolm URL TOKEN USER``: sends as a bridge on mautrix-python makes them, with libolm.

It takes the same jobs as :mod:`deploy.bench.put`. For each PUT it encrypts the body and puts the ciphertext with the
library's own HTTP client, to the same place as the bare PUT. With ``"stored": true`` in the job it stores the advanced
session in SQLite, as mautrix-python does. It receives nothing, and tells nobody what became of a message.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from mautrix.api import Method
from mautrix.client import Client
from mautrix.client.state_store import MemoryStateStore
from mautrix.crypto import OlmMachine
from mautrix.crypto.store import CryptoStore, MemoryCryptoStore, PgCryptoStore, StateStore
from mautrix.types import DeviceID, EncryptionAlgorithm, EventType, RoomEncryptionStateEventContent, RoomID, UserID
from mautrix.util.async_db import Database

from deploy.bench.put import path_of

Json = dict[str, Any]
_MANY = 1_000_000_000  # messages of one session: none is shared again while the clock runs


class _Rooms(MemoryStateStore):
    """What the key machine asks of rooms."""

    async def find_shared_rooms(self, _: UserID) -> list[RoomID]:
        """Nobody else is there."""
        return []


class _Sends:
    """A client with a device of its own, and a session for each line."""

    def __init__(self, homeserver: str, token: str, user: str) -> None:
        self._url = path_of(user)
        self._client = Client(
            UserID(user), DeviceID("LIBOLM"), base_url=homeserver, token=token, as_user_id=UserID(user)
        )
        self._rooms = _Rooms()
        self._numbers = itertools.count()

    async def start(self, folder: Path, stack: AsyncExitStack) -> None:
        """Make the account."""
        kept = Database.create(f"sqlite:///{folder}/mautrix.db", upgrade_table=PgCryptoStore.upgrade_table)
        await kept.start()
        stack.push_async_callback(kept.stop)
        stack.push_async_callback(self._client.api.session.close)
        whose = (str(self._client.mxid), "bench")
        self._machines = {
            False: await self._machine(MemoryCryptoStore(*whose)),
            True: await self._machine(PgCryptoStore(*whose, kept)),
        }

    async def _machine(self, store: CryptoStore) -> OlmMachine:
        machine = OlmMachine(self._client, store, cast(StateStore, self._rooms))
        await machine.load()
        assert machine.account is not None
        await store.put_account(machine.account)
        return machine

    async def run(self, job: Json) -> float:
        """Milliseconds of processor time for each send."""
        machine = self._machines[job.get("stored", False)]
        rooms = [RoomID(f"!line{n}.{next(self._numbers)}:bench") for n in range(job["lines"])]
        for room in rooms:
            rule = RoomEncryptionStateEventContent(EncryptionAlgorithm.MEGOLM_V1, rotation_period_msgs=_MANY)
            await self._rooms.set_encryption_info(room, rule)
            await machine.share_group_session(room, [])
        each: int = job["count"] // job["lines"]
        begun = time.process_time()
        await asyncio.gather(*(self._line(machine, room, job["body"], each) for room in rooms))
        return (time.process_time() - begun) * 1000 / (each * len(rooms))

    async def _line(self, machine: OlmMachine, room: RoomID, body: Json, count: int) -> None:
        for _ in range(count):
            made = await machine.encrypt_megolm_event(room, EventType.ROOM_MESSAGE, body)
            await self._client.api.request(Method.PUT, f"{self._url}.{next(self._numbers)}", made.serialize())


async def _main(homeserver: str, token: str, user: str) -> None:
    async with AsyncExitStack() as stack:
        sends = _Sends(homeserver, token, user)
        await sends.start(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await sends.run(json.loads(line)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
