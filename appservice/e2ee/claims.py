"""One-time keys of other devices: claimed, verified, made into Olm sessions.

Source: client-server API "POST /keys/claim". A homeserver hands out each one-time key once, then the fallback key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from appservice.client.homeserver import Homeserver, may, need
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.model import Device, Json
from appservice.e2ee.olm import Olm, OlmChanges
from appservice.e2ee.signing import verifies
from bridge.db import Database
from bridge.parts.lru import Lru
from bridge.parts.tasks import Tasks

log = logging.getLogger(__name__)

_CLAIM = "/_matrix/client/v3/keys/claim"
_REMOTE_MS = 5_000  # how long our homeserver may wait for another one
_PATIENCE = 3.0  # seconds that we wait for keys from other homeservers; what comes later serves the next time
_BATCH = 200  # devices in one claim
_EMPTY_MS = 60_000  # a device that had no key is asked again after this


class KeyClaims:
    """Makes Olm sessions with devices that have none with a ghost."""

    def __init__(self, db: Database, homeserver: Homeserver, olm: Olm, clock_ms: Callable[[], int]) -> None:
        self._db = db
        self._homeserver = homeserver
        self._olm = olm
        self._clock = clock_ms
        self._empty: Lru[tuple[str, str], int] = Lru(20_000)
        self._running = Tasks("claims")

    async def ensure(self, ghost: Ghost, devices: Iterable[Device], *, anew: bool = False) -> set[Device]:
        """See that each device has a session (``anew``: a new one); returns those that have no key to claim.

        Devices whose homeserver does not answer have no session afterwards and are not in the answer.
        Raises Unavailable if our own homeserver is away.
        """
        missing = [d for d in devices if anew or not await self._olm.speaks(ghost, d.curve)]
        now = self._clock()
        without = {d for d in missing if not anew and now < (self._empty.get((ghost.user, d.curve)) or 0)}
        servers: dict[str, list[Device]] = {}
        for device in missing:
            if device not in without:
                servers.setdefault(device.user.partition(":")[2], []).append(device)
        tasks = {
            self._running.start(self._claim(ghost, server, group[i : i + _BATCH]), awaited=True)
            for server, group in servers.items()
            for i in range(0, len(group), _BATCH)
        }
        return without | await self._wait(tasks) if tasks else without

    async def _wait(self, tasks: set[asyncio.Task[set[Device]]]) -> set[Device]:
        done, late = await asyncio.wait(tasks, timeout=_PATIENCE)
        if late:
            log.warning("%d homeservers have not answered a claim of keys", len(late))
        without: set[Device] = set()
        for task in done:
            without |= task.result()
        return without

    async def _claim(self, ghost: Ghost, server: str, devices: list[Device]) -> set[Device]:
        try:
            return await self._serve(ghost, server, devices)
        except Exception as error:  # perhaps nobody waits any more
            log.warning("a claim of one-time keys failed: %s", error)
            raise

    async def close(self) -> None:
        """Let the running claims go."""
        await self._running.stop()

    async def _serve(self, ghost: Ghost, server: str, devices: list[Device]) -> set[Device]:
        """Claim keys of one homeserver's devices; returns those without any."""
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user, {})[device.id] = "signed_curve25519"
        body = {"one_time_keys": wanted, "timeout": _REMOTE_MS}
        answer = await self._homeserver.call("POST", _CLAIM, body, user=ghost.user, device=ghost.device)
        need(answer, "one_time_keys", dict)
        found = {d: key for d in devices if (key := _claimed(answer, d)) is not None}
        none: set[Device] = set() if server in may(answer, "failures", dict) else {d for d in devices if d not in found}
        if found:
            none |= await self._open(ghost, found)
        for device in none:
            self._empty.put((ghost.user, device.curve), self._clock() + _EMPTY_MS)
        return none

    async def _open(self, ghost: Ghost, found: dict[Device, str]) -> set[Device]:
        bad: set[Device] = set()
        async with ghost.lock:
            changes = OlmChanges()
            try:
                for device, key in found.items():
                    try:
                        await self._olm.open(ghost, device, key, changes)
                    except ValueError:
                        log.warning("device %s of %s has a one-time key of no use", device.id, device.user)
                        bad.add(device)
                async with self._db.transaction("e2ee.claimed") as tx:
                    await self._olm.save(tx, ghost, changes, None)
            except BaseException:
                self._olm.forget(ghost)
                raise
        return bad


def _claimed(answer: Json, device: Device) -> str | None:
    """The claimed key, if it carries the device's own signature."""
    try:
        (key,) = answer["one_time_keys"][device.user][device.id].values()
        text = key["key"]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if isinstance(text, str) and verifies(key, device.user, device.id, device.ed):
        return text
    log.warning("device %s of %s has a one-time key that it did not sign", device.id, device.user)
    return None
