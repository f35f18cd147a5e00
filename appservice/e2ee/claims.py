"""One-time keys of other devices: claimed, verified, made into Olm sessions.

Source: client-server API "POST /keys/claim". A homeserver hands out each one-time key once, then the fallback key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from appservice.client import Homeserver
from appservice.e2ee.ghosts import Ghost
from appservice.e2ee.model import Device, Json
from appservice.e2ee.olm import Olm, OlmChanges
from appservice.e2ee.signing import verifies
from bridge.db import Database
from bridge.errors import Unavailable

log = logging.getLogger(__name__)

_CLAIM = "/_matrix/client/v3/keys/claim"
_REMOTE_MS = 5_000  # how long another homeserver may take
_BATCH = 200  # devices in one claim


class Claims:
    """Makes Olm sessions with devices that have none with a ghost."""

    def __init__(self, db: Database, homeserver: Homeserver, olm: Olm) -> None:
        self._db = db
        self._homeserver = homeserver
        self._olm = olm

    async def ensure(self, ghost: Ghost, devices: Iterable[Device], *, anew: bool = False) -> set[Device]:
        """See that each device has a session (``anew``: a new one); returns those that have no key to claim.

        Devices whose homeserver does not answer have no session afterwards and are not in the answer.
        Raises Unavailable if our own homeserver is away.
        """
        missing = [d for d in devices if anew or not await self._olm.channels(ghost, d.curve)]
        if not missing:
            return set()
        servers: dict[str, list[Device]] = {}
        for device in missing:
            servers.setdefault(device.user.partition(":")[2], []).append(device)
        calls = [
            self._claim(ghost, server, group[i : i + _BATCH])
            for server, group in servers.items()
            for i in range(0, len(group), _BATCH)
        ]
        without: set[Device] = set()
        found: dict[Device, str] = {}
        for keys, none in await asyncio.gather(*calls):
            found.update(keys)
            without |= none
        if found:
            without |= await self._open(ghost, found)
        return without

    async def _claim(self, ghost: Ghost, server: str, devices: list[Device]) -> tuple[dict[Device, str], set[Device]]:
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user, {})[device.id] = "signed_curve25519"
        try:
            answer = await self._homeserver.call(
                "POST", _CLAIM, {"one_time_keys": wanted, "timeout": _REMOTE_MS}, user=ghost.user, device=ghost.device
            )
        except Unavailable:
            if server == ghost.user.partition(":")[2]:
                raise
            log.warning("no one-time keys from homeserver %s for now", server)
            return {}, set()
        keys = {d: key for d in devices if (key := _claimed(answer, d)) is not None}
        away = server in (answer.get("failures") or {})
        return keys, set() if away else {d for d in devices if d not in keys}

    async def _open(self, ghost: Ghost, found: dict[Device, str]) -> set[Device]:
        bad = set()
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
                    over = [(ghost.user, d.user, d.id) for d in found if d not in bad]
                    await tx.many("e2ee.no-olm-over", over)
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
