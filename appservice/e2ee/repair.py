"""Broken Olm sessions: a new one is made and announced, at most hourly for each device.

Source: client-server API, "Recovering from undecryptable messages": claim a key, send ``m.dummy`` over the new session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.devices import Devices
from appservice.e2ee.ghost_devices import Ghost, GhostDevices
from appservice.e2ee.model import Device, Json
from appservice.e2ee.olm import Olm, OlmChanges
from appservice.e2ee.todevice import ToDevice
from bridge.db import Database, Tx

log = logging.getLogger(__name__)

_HOUR_MS = 3_600_000


class Repair:
    """Makes new Olm sessions in place of broken ones, and sends single Olm messages."""

    def __init__(
        self,
        db: Database,
        ghosts: GhostDevices,
        devices: Devices,
        olm: Olm,
        claims: KeyClaims,
        todevice: ToDevice,
        clock_ms: Callable[[], int],
    ) -> None:
        self._db = db
        self._ghosts = ghosts
        self._devices = devices
        self._olm = olm
        self._claims = claims
        self._todevice = todevice
        self._clock = clock_ms
        self._turn = asyncio.Lock()

    async def note(self, tx: Tx, ghost: Ghost, wedged: Iterable[tuple[str, str]]) -> None:
        """Remember broken sessions in the transaction that stores the sync; those repaired within the hour are left."""
        now = self._clock()
        await tx.many("e2ee.wedged", [(ghost.user, user, curve, now, now - _HOUR_MS) for user, curve in wedged])

    async def run(self) -> None:
        """Repair what was noted. Raises Unavailable; the rest stays noted."""
        async with self._turn:
            after = ("", "", "")
            while rows := await self._db.all("e2ee.wedged-todo", *after):
                for row in rows:
                    after = (row["ghost"], row["user_id"], row["curve"])
                    await self._repair(*after)

    async def _repair(self, user: str, of: str, curve: str) -> None:
        ghost = self._ghosts.get(user)
        if ghost is None or not ghost.ready or not await self._waits(ghost, of, curve):
            async with self._db.transaction("e2ee.repaired") as tx:
                await tx.run("e2ee.wedged-done", user, of, curve)

    async def _waits(self, ghost: Ghost, user: str, curve: str) -> bool:
        """Make a new session and announce it; True if the device cannot be known yet."""
        stale = await self._devices.fresh([user], ghost.user)
        device = await self._devices.by_curve(user, curve)
        if device is None:
            log.info("a broken Olm session is of a device of %s that is not known", user)
            return bool(stale)
        if not await self._claims.ensure(ghost, [device], anew=True):
            await self.send(ghost, device, "m.dummy", {})
        return False

    async def send(self, ghost: Ghost, device: Device, kind: str, content: Json) -> bool:
        """Send one Olm message; False without a session. Raises Unavailable: then it is saved and goes later."""
        async with ghost.lock:
            changes = OlmChanges()
            try:
                encrypted = await self._olm.encrypt(ghost, device, kind, content, changes)
                if encrypted is None:
                    return False
                async with self._db.transaction("e2ee.olm-send") as tx:
                    await self._olm.save(tx, ghost, changes, None)
                    messages = [(device.user, device.id, encrypted)]
                    txn = await self._todevice.put(tx, ghost.user, "m.room.encrypted", messages)
            except BaseException:
                self._olm.forget(ghost)
                raise
        await self._todevice.send(txn)
        return True
