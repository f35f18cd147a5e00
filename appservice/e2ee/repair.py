"""What cannot go on is made anew: broken Olm sessions, and everything that an older copy of the database held.

A broken session: a new one is made and announced, at most hourly for each device. Source: client-server API,
"Recovering from undecryptable messages": claim a key, send ``m.dummy`` over the new session.

A copy holds the private halves of one-time keys as they were. Those that the homeserver has got since then are in
nobody's hands: whoever began a session with one would not be read. A homeserver takes no key back, but gives each out
once. So the hub claims its own keys until none is left, then publishes new ones. Source: client-server API "POST
/keys/claim".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from appservice.client.homeserver import Homeserver, may, need
from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.devices import Devices
from appservice.e2ee.ghost_devices import Ghost, GhostDevices
from appservice.e2ee.identity import Identity
from appservice.e2ee.model import Device, Json
from appservice.e2ee.olm import Olm, OlmChanges
from appservice.e2ee.todevice import ToDevice
from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable

log = logging.getLogger(__name__)

_HOUR_MS = 3_600_000
_CLAIM = "/_matrix/client/v3/keys/claim"
_BATCH = 50  # ghosts whose keys are claimed by one call
_MOST = 200  # calls for a batch: more keys than that no hub has published
_AGAIN = 20.0  # s until the next try
_PAUSE = 0.05  # s between two ghosts, and between some sessions and the next ones


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

    async def anew(self, after: tuple[str, str, str]) -> tuple[str, str, str] | None:
        """Make some of the sessions anew that an older copy of the database held, from a place on; None: none is left.

        Whoever writes to a ghost does so by the session that spoke to them last. Raises Unavailable.
        """
        async with self._turn:
            rows = await self._db.all("e2ee.wedged-anew", *after)
            for row in rows:
                after = (row["ghost"], row["user_id"], row["curve"])
                await self._repair(*after)
        return after if rows else None

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


class Renewal:
    """Keys and sessions of every ghost, after a restored copy; safe to be ended and begun again at any point."""

    def __init__(
        self, db: Database, ghosts: GhostDevices, homeserver: Homeserver, identity: Identity, olm: Olm, repair: Repair
    ) -> None:
        self._db, self._ghosts, self._homeserver = db, ghosts, homeserver
        self._identity, self._olm, self._repair = identity, olm, repair
        self._begun = asyncio.Event()
        self._begun.set()

    async def retire(self, tx: Tx, *, homeserver_too: bool) -> None:
        """No session that the database holds encrypts again; they still read. ``homeserver_too``: nor are the positions
        any that the homeserver knows, for it is the one that was restored.
        """
        await tx.run("e2ee.out-retire-all")
        await tx.run("e2ee.olm-anew-all")
        await tx.run("e2ee.olm-retire-all")
        await tx.run("e2ee.ghost-stale-all")
        await tx.run("e2ee.spare-gone-all")
        await tx.run("e2ee.user-outdated-all")
        await tx.run("e2ee.request-now-all")
        if homeserver_too:
            await tx.run("e2ee.ghost-unplaced-all")

    async def retire_one(self, tx: Tx, ghost: Ghost) -> None:
        """The Olm sessions of one ghost encrypt no more, and its one-time keys are made anew; to be followed by
        :meth:`retired_one`."""
        await tx.run("e2ee.olm-anew-ghost", ghost.user)
        await tx.run("e2ee.olm-retire-ghost", ghost.user)
        await tx.run("e2ee.ghost-make-stale", ghost.user)

    def retired_one(self, ghost: Ghost) -> None:
        """It is on disk."""
        self._olm.forget(ghost)
        ghost.stale, ghost.spared = True, False
        self.more()

    def retired(self, *, homeserver_too: bool) -> None:
        """It is on disk."""
        self._ghosts.copied = True
        for ghost in self._ghosts.everyone():
            self._olm.forget(ghost)
            ghost.stale, ghost.spared = True, False
            if homeserver_too:
                ghost.since = ghost.anchor = None
        self.more()

    def more(self) -> None:
        """Somebody's device is ready only now."""
        self._begun.set()

    async def run(self) -> None:
        """Make anew what waits for it, for ever."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            try:
                await self.step()
            except (Unavailable, Refused) as reason:
                log.info("keys are made anew later: %s", reason)
                await asyncio.sleep(_AGAIN)
                self._begun.set()

    async def step(self) -> None:
        """Everything that waits now. Raises Unavailable, Refused."""
        made, user = 0, ""
        while rows := await self._db.all("e2ee.ghost-stale", user, _BATCH):
            user = rows[-1]["user_id"]
            found = (self._ghosts.get(row["user_id"]) for row in rows)
            some = [ghost for ghost in found if ghost is not None and ghost.ready]
            for ghost in some:
                await self._identity.look_back(ghost)
            await self._take_away(some)
            for ghost in some:
                await self._identity.anew(ghost)
                await asyncio.sleep(_PAUSE)
            made += len(some)
        if made:
            log.warning("the one-time keys of %d ghosts are new ones", made)
        after: tuple[str, str, str] | None = ("", "", "")
        while after is not None:
            after = await self._repair.anew(after)
            await asyncio.sleep(_PAUSE)

    async def _take_away(self, ghosts: Sequence[Ghost]) -> None:
        """Claim until nobody of these has a one-time key left; a fallback key is given again and again."""
        left = {ghost.user: ghost for ghost in ghosts}
        for _ in range(_MOST):
            if not left:
                return
            asker = next(iter(left.values()))
            wanted = {ghost.user: {ghost.device: "signed_curve25519"} for ghost in left.values()}
            answer = await self._homeserver.call(
                "POST", _CLAIM, {"one_time_keys": wanted}, user=asker.user, device=asker.device
            )
            given = need(answer, "one_time_keys", dict)
            left = {user: ghost for user, ghost in left.items() if _one_time(given, ghost)}


def _one_time(given: dict[str, Any], ghost: Ghost) -> bool:
    keys = may(may(given, ghost.user, dict), ghost.device, dict).values()
    return any(isinstance(key, dict) and not key.get("fallback") for key in keys)
