"""What was said before somebody comes: its keys are handed over by the ghost that invites them.

Source: MSC4268. A bundle of Megolm sessions is uploaded, encrypted as any file, and its address and key are sent to
each device of the invited person that they have signed. Clients believe it from whoever has invited them, and from
nobody else. Only sessions that began while the room's rule opened its history (``m.shared_history``) are in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import orjson
from vodozemac import InboundGroupSession

from appservice.client.attachments import Encryption
from appservice.client.homeserver import Homeserver, MatrixRefused
from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.common import Common
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.model import MEGOLM, Json
from appservice.e2ee.pickles import Pickles
from appservice.e2ee.repair import Repair
from bridge.db import Row
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)

BUNDLE = "io.element.msc4268.room_key_bundle"
_MOST = 2_000  # sessions in one bundle, the newest ones: a room may be old
_UPLOAD = 60.0  # s for its upload
_KEPT = 1_000  # bundles that may serve the next who is invited: addresses and keys, not their bytes
_ANSWERED = 10.0  # s for the server of whoever is invited to say which devices they have


class History:
    """``hand_over`` is all that others need."""

    def __init__(self, common: Common, homeserver: Homeserver, claims: KeyClaims, repair: Repair) -> None:
        self._db, self._policy = common.db, common.policy
        self._pickles, self._devices = common.pickles, common.devices
        self._homeserver = homeserver
        self._claims = claims
        self._repair = repair
        self._bundles: Lru[tuple[str, str], Json] = Lru(_KEPT)

    async def hand_over(self, room_id: str, ghost: Ghost, user: str) -> bool:
        """Give somebody the room's history as this ghost, which invites them. False: there is none, or for no device.

        Raises Unavailable. What the homeserver does not take is left out: an invitation needs no history.
        """
        newest = await self._db.one("e2ee.in-newest", room_id)
        if newest is None:
            return False
        await self._devices.fresh([user], ghost.user, _ANSWERED)
        person = await self._devices.person(user)
        if person.changed and self._policy.changed_identity == "refuse":
            return False
        devices = [device for device in person.devices.values() if device.signed]
        if not devices:
            return False
        try:
            file = await self._bundle(room_id, newest["session_id"], ghost)
        except MatrixRefused as refusal:
            log.warning("the history of %s is not handed over: %s", room_id, refusal)
            return False
        await self._claims.ensure(ghost, devices)
        content = {"room_id": room_id, "file": file}
        return any([await self._repair.send(ghost, device, BUNDLE, content) for device in devices])

    async def _bundle(self, room_id: str, newest: str, ghost: Ghost) -> Json:
        """The encrypted file; one serves everybody who is invited before the next session comes."""
        if (known := self._bundles.get((room_id, newest))) is not None:
            return known
        rows = await self._db.all("e2ee.in-shared", room_id, _MOST)
        encryption = Encryption()
        ciphertext = await asyncio.to_thread(_sealed, self._pickles, room_id, rows, encryption)
        url = await self._homeserver.upload(ciphertext, user=ghost.user, timeout=_UPLOAD)
        return self._bundles.put((room_id, newest), encryption.opened(url))


def _sealed(pickles: Pickles, room_id: str, rows: Sequence[Row], encryption: Encryption) -> bytes:
    keys = [key for row in rows if (key := _key(pickles, room_id, row)) is not None]
    return encryption.update(orjson.dumps({"room_keys": keys, "withheld": []}))


def _key(pickles: Pickles, room_id: str, row: Row) -> Json | None:
    session = pickles.load(InboundGroupSession, row["pickle"], row["key_id"])
    exported = session.export_at(session.first_known_index)
    if exported is None:
        return None
    return {
        "algorithm": MEGOLM,
        "room_id": room_id,
        "sender_key": row["curve"],
        "sender_claimed_keys": {"ed25519": row["ed"]},
        "session_id": row["session_id"],
        "session_key": exported.to_base64(),
    }
